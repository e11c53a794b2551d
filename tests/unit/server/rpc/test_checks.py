from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_server.model.errors import InvalidRequestError
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert.checks import Checks

ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ab"
Check = Callable[[Checks], object]


def faults(check: Check, limits: Limits | None = None) -> dict[str, str]:
    """Return what a check finds wrong, by field."""
    checks = Checks(limits or Limits())
    check(checks)
    try:
        checks.passed(None)
    except InvalidRequestError as error:
        return {each.field: each.description for each in error.violations}
    return {}


@pytest.mark.parametrize(
    "spelling",
    [
        ID,
        ID.upper(),
        ID.replace("-", ""),
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
    ],
    ids=["canonical", "upper case", "no dashes", "braces", "urn"],
)
def test_any_spelling_of_a_uuid_becomes_canonical(spelling: str) -> None:
    checks = Checks(Limits())

    assert checks.passed(checks.id(spelling, "id")) == ID


@given(value=st.uuids(allow_nil=True))
def test_every_uuid_passes_as_it_is(value: UUID) -> None:
    checks = Checks(Limits())

    assert checks.passed(checks.id(str(value), "id")) == str(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        ID[:-1],
        f"{ID}0",
        f"{ID}\n",
        f" {ID}",
        ID.replace("0", "g"),
        f"{ID[:-4]}_9ab",
        ID.replace("0", "\N{FULLWIDTH DIGIT ZERO}"),
        f"+{ID[1:]}",
        f"{{{ID}",
        "\0",
    ],
    ids=[
        *("empty", "a letter", "too short", "too long", "line break", "space", "no hexadecimal"),
        *("underscore", "wide digits", "sign", "half in braces", "NUL"),
    ],
)
def test_what_is_no_uuid_is_refused(value: str) -> None:
    assert list(faults(lambda checks: checks.id(value, "id"))) == ["id"]


def test_an_id_that_may_be_missing_is_none_when_empty() -> None:
    checks = Checks(Limits())

    assert checks.passed(checks.id_if_given("", "id")) is None


def test_every_wrong_id_of_a_list_is_named() -> None:
    found = faults(lambda checks: checks.ids([ID, "x", ID.upper(), "y"], "ids"))

    assert list(found) == ["ids[1]", "ids[3]"]


def test_a_list_of_ids_becomes_canonical() -> None:
    checks = Checks(Limits())

    assert checks.passed(checks.ids([ID, ID.upper()], "ids")) == (ID, ID)


def test_the_members_of_a_list_that_is_too_long_are_not_looked_at() -> None:
    found = faults(lambda checks: checks.ids(["x"] * 3, "ids"), Limits(ids=2))

    assert found == {"ids": "must have at most 2 members"}


LIMITS = Limits(name_characters=5, tags=2, ids=2, state_message_bytes=5, json_bytes=20)

WRONG: dict[str, tuple[Check, dict[str, str]]] = {
    "long text": (
        lambda checks: checks.text("abcdef", "f"),
        {"f": "must have at most 5 characters"},
    ),
    "text with NUL": (
        lambda checks: checks.text("a\0", "f"),
        {"f": "must not contain the character U+0000"},
    ),
    "long message": (
        lambda checks: checks.message("abcdef", "f"),
        {"f": "must have at most 5 bytes"},
    ),
    "message of few characters and many bytes": (
        lambda checks: checks.message("ééé", "f"),
        {"f": "must have at most 5 bytes"},
    ),
    "message with NUL": (
        lambda checks: checks.message("\0", "f"),
        {"f": "must not contain the character U+0000"},
    ),
    "many texts": (
        lambda checks: checks.texts(["a", "b", "c"], "f"),
        {"f": "must have at most 2 members"},
    ),
    "long texts": (
        lambda checks: checks.texts(["abcdef", "\0"], "f"),
        {
            "f[0]": "must have at most 5 characters",
            "f[1]": "must not contain the character U+0000",
        },
    ),
    "many tags": (
        lambda checks: checks.tags(["a", "b", "c"], "f"),
        {"f": "must have at most 2 members"},
    ),
    "long tag": (
        lambda checks: checks.tags(["a", "abcdef"], "f"),
        {"f[1]": "must have at most 5 characters"},
    ),
    "flow name with slash": (
        lambda checks: checks.flow_name("a/b", "f"),
        {"f": "must not contain any of / % & < >"},
    ),
    "long flow name": (
        lambda checks: checks.flow_name("abcdef", "f"),
        {"f": "must have at most 5 characters"},
    ),
    "empty variable name": (
        lambda checks: checks.variable_name("", "f"),
        {"f": "must consist of lower-case letters, digits and underscores"},
    ),
    "missing name": (lambda checks: checks.required_text("", "f"), {"f": "is required"}),
    "negative count": (lambda checks: checks.count(-1, "f"), {"f": "must not be negative"}),
    "unknown choice": (
        lambda checks: checks.choice(3, {1: "a", 2: "b"}, "f"),
        {"f": "must be a known value, one of the numbers 1, 2"},
    ),
    "long JSON": (
        lambda checks: checks.json('"abcdefghijklmnopqrst"', "f"),
        {"f": "must have at most 20 bytes"},
    ),
    "JSON that is no object": (
        lambda checks: checks.json_object("[]", "f"),
        {"f": "must be one JSON object text: Expected `object`, got `array`"},
    ),
    "no mask": (
        lambda checks: checks.mask([], ["a"], "f"),
        {"f": "is required, and must name at least one field"},
    ),
    "unknown paths in a mask": (
        lambda checks: checks.mask(["a", "b", "", "A"], ["a"], "f"),
        dict.fromkeys(["f.paths[1]", "f.paths[2]", "f.paths[3]"], "must be one of *, a"),
    ),
}


@pytest.mark.parametrize(("check", "expected"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_with_what_was_expected(
    check: Check, expected: dict[str, str]
) -> None:
    assert faults(check, LIMITS) == expected


@pytest.mark.parametrize("banned", "/%&<>")
def test_a_flow_name_has_none_of_the_banned_characters(banned: str) -> None:
    assert faults(lambda checks: checks.flow_name(f"a{banned}", "name"))


@pytest.mark.parametrize("name", ["", " ", "My flow: v1.0", "żółw", 'a"b\\c'])
def test_a_flow_name_may_be_nearly_anything(name: str) -> None:
    assert not faults(lambda checks: checks.flow_name(name, "name"))


@pytest.mark.parametrize("key", ["", "-", "a-1", "0", "pause-1-schema"])
def test_an_input_key_has_lower_case_letters_digits_and_dashes(key: str) -> None:
    assert not faults(lambda checks: checks.input_key(key, "key"))


@pytest.mark.parametrize(
    "key",
    [
        "my key",
        "user!123",
        "product?description",
        "my(key)",
        "my&key",
        "A",
        "a_b",
        "é",
        "a\n",
        "\n",
    ],
)
def test_an_input_key_has_nothing_else(key: str) -> None:
    assert faults(lambda checks: checks.input_key(key, "key"))


@pytest.mark.parametrize("name", ["a", "a_1", "_", "0"])
def test_a_variable_name_has_lower_case_letters_digits_and_underscores(name: str) -> None:
    assert not faults(lambda checks: checks.variable_name(name, "name"))


@pytest.mark.parametrize("name", ["", "a-b", "A", "a b", "é", "a\n"])
def test_a_variable_name_has_nothing_else(name: str) -> None:
    assert faults(lambda checks: checks.variable_name(name, "name"))


def test_a_text_of_the_greatest_length_passes() -> None:
    assert not faults(lambda checks: checks.text("é" * 5, "name"), LIMITS)


def test_a_star_in_a_mask_names_everything_that_is_known() -> None:
    checks = Checks(Limits())

    assert checks.passed(checks.mask(["*", "a"], ["a", "b"], "mask")) == {"a", "b"}


def test_everything_wrong_is_told_at_once_in_the_order_of_the_checks() -> None:
    def check(checks: Checks) -> None:
        checks.count(-1, "second")
        checks.id("", "first")

    assert list(faults(check)) == ["second", "first"]
