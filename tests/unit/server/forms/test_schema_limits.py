"""Schemas that would keep a validator busy for ever, and those that only look as if they would."""

import re
import time
from typing import Any

import pytest

from headgate_server.forms.budget import Budget
from headgate_server.forms.patterns import WEIGHT_MAX, PatternTooLargeError, compile_pattern
from headgate_server.forms.schema import (
    AnswerRefusedError,
    SchemaInvalidError,
    ValidationTooLongError,
    check_answer,
)

GENEROUS_SECONDS = 5.0
"""Several budgets; what has no bound takes hours."""

BACKTRACKING = "^(a|aa)+$"
LONG = "a" * 5000 + "!"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"


def doubling(keyword: str) -> dict[str, Any]:
    """Return a schema that is checked 2**60 times where it is checked once."""
    steps = {f"s{n}": {keyword: [{"$ref": f"#/$defs/s{n + 1}"}] * 2} for n in range(60)}
    return {"$ref": "#/$defs/s0", "$defs": {**steps, "s60": {"type": "integer"}}}


# fmt: off
ENDLESS: dict[str, tuple[Any, Any]] = {
    "a pattern":                       ({"properties": {"a": {"pattern": BACKTRACKING}}}, {"a": LONG}),
    "a pattern of names":              ({"patternProperties": {BACKTRACKING: True}}, {LONG: 1}),
    "names beside a pattern":          ({"additionalProperties": False, "patternProperties": {BACKTRACKING: True}}, {LONG: 1}),
    "names that a pattern looked at":  ({"unevaluatedProperties": False, "anyOf": [{"patternProperties": {BACKTRACKING: True}}]}, {LONG: 1}),
    "a pattern all names must match":  ({"propertyNames": {"pattern": BACKTRACKING}}, {LONG: 1}),
    "a pattern of another draft":      ({"properties": {"a": {"$schema": DRAFT_7, "pattern": BACKTRACKING}}}, {"a": LONG}),
    "a pattern by reference":          ({"$ref": "#/default", "default": {"pattern": BACKTRACKING}}, LONG),
    "references that double":          (doubling("allOf"), 1),
    "choices that double":             (doubling("anyOf"), "a"),
    "either of two that double":       (doubling("oneOf"), "a"),
    "what is left of what doubles":    (doubling("allOf") | {"unevaluatedItems": False}, []),
    "many patterns for many names":    ({"patternProperties": {f"x{n}": True for n in range(3000)}}, {str(n): 1 for n in range(30_000)}),
    "a large schema":                  ({"allOf": [{"$comment": "", "title": ""}] * 30_000}, {}),
    "a wealth of faults":              ({"items": {"allOf": [False] * 1000}}, [1] * 10_000),
}
# fmt: on


@pytest.mark.parametrize(("schema", "answer"), ENDLESS.values(), ids=ENDLESS)
def test_a_check_that_would_not_end_is_given_up(schema: object, answer: object) -> None:
    began = time.monotonic()

    with pytest.raises(ValidationTooLongError) as refusal:
        check_answer(schema, answer, budget_seconds=0.25)

    assert str(refusal.value) == "Validation took too long. It was given up after 0.25 s."
    assert time.monotonic() - began < GENEROUS_SECONDS


@pytest.mark.parametrize(
    "items",
    [
        [{"n": n} for n in range(20_000)],
        [[n] for n in range(20_000)],
        [str(n) if n % 2 else n for n in range(20_000)],
    ],
    ids=["objects", "lists", "a mixture"],
)
def test_many_items_are_quickly_seen_to_be_unique(items: list[object]) -> None:
    check_answer({"uniqueItems": True}, items)


def test_many_items_beyond_those_that_are_evaluated_are_quickly_seen() -> None:
    check_answer({"contains": {"type": "integer"}, "unevaluatedItems": False}, [1] * 10_000)


def test_numbers_that_are_chosen_to_collide_are_given_up() -> None:
    items = [n * (2**61 - 1) for n in range(40_000)]

    with pytest.raises(ValidationTooLongError):
        check_answer({"uniqueItems": True}, items, budget_seconds=0.2)


# fmt: off
SAME = {
    "numbers":                     [1, 1.0],
    "large numbers":               [2**70, float(2**70)],
    "texts":                       ["a", "a"],
    "nulls":                       [None, None],
    "lists":                       [[1, [2]], [1.0, [2]]],
    "objects in another order":    [{"a": 1, "b": [True]}, {"b": [True], "a": 1}],
    "empty objects":               [{}, {}],
    "not side by side":            [1, "1", 1],
}
DIFFERENT = {
    "one and true":                [1, True],
    "zero and false":              [0, False],
    "one and true within":         [[1], [True], {"a": 1}, {"a": True}],
    "a number and its text":       [1, "1"],
    "a list and an object":        [[], {}],
    "nothing, none, naught":       [None, "", 0, False, [], {}],
    "lists in another order":      [[1, 2], [2, 1]],
    "a list that says it is true": [True, ["bool", True]],
}
# fmt: on


@pytest.mark.parametrize("items", SAME.values(), ids=SAME)
def test_equal_items_are_not_unique(items: list[object]) -> None:
    with pytest.raises(AnswerRefusedError) as refusal:
        check_answer({"uniqueItems": True}, items)

    assert str(refusal.value).endswith(f"Failure reason: {items!r} has non-unique elements")
    check_answer({"uniqueItems": False}, items)


@pytest.mark.parametrize("items", DIFFERENT.values(), ids=DIFFERENT)
def test_items_of_different_kinds_are_unique(items: list[object]) -> None:
    check_answer({"uniqueItems": True}, items)


PATTERNS = {"^x": {"type": "integer"}, "y$": True}
# fmt: off
REFUSED: dict[str, tuple[Any, Any, str]] = {
    "a pattern":               ({"pattern": "^b"}, "ab", "'ab' does not match '^b'"),
    "a value by its name":     ({"patternProperties": PATTERNS}, {"xa": "1"}, "'1' is not of type 'integer'"),
    "one name too many":       ({"patternProperties": PATTERNS, "additionalProperties": False}, {"x": 1, "a": 1}, "'a' does not match any of the regexes: '^x', 'y$'"),
    "names too many":          ({"patternProperties": PATTERNS, "additionalProperties": False}, {"b": 1, "a": 1}, "'a', 'b' do not match any of the regexes: '^x', 'y$'"),
    "unnamed ones":            ({"properties": {"c": True}, "additionalProperties": False}, {"b": 1, "a": 1, "c": 1}, "Additional properties are not allowed ('a', 'b' were unexpected)"),
    "a value of no name":      ({"additionalProperties": {"type": "string"}}, {"a": 1}, "1 is not of type 'string'"),
    "a name not looked at":    ({"allOf": [{"patternProperties": PATTERNS}], "unevaluatedProperties": False}, {"x": 1, "a": 1}, "Unevaluated properties are not allowed ('a' was unexpected)"),
    "a value not looked at":   ({"properties": {"b": True}, "unevaluatedProperties": {"type": "string"}}, {"a": 1, "b": 1, "c": "c"}, "Unevaluated properties are not valid under the given schema ('a' was unevaluated and invalid)"),
    "a name of the other way": ({"if": {"required": ["a"]}, "then": {"properties": {"a": True}}, "else": {"properties": {"b": True}}, "unevaluatedProperties": False}, {"a": 1, "b": 1}, "Unevaluated properties are not allowed ('b' was unexpected)"),
    "an item not looked at":   ({"prefixItems": [True], "unevaluatedItems": False}, [1, 2, 3], "Unevaluated items are not allowed (2, 3 were unexpected)"),
}
FITTING: dict[str, tuple[Any, Any]] = {
    "patterns are for texts":  ({"pattern": "^b"}, 1),
    "a pattern anywhere":      ({"pattern": "b"}, "abc"),
    "names by pattern":        ({"patternProperties": PATTERNS, "additionalProperties": False}, {"x": 1, "ay": ""}),
    "names by reference":      ({"$ref": "#/$defs/p", "$defs": {"p": {"patternProperties": PATTERNS}}, "unevaluatedProperties": False}, {"x": 1}),
    "names that depend":       ({"dependentSchemas": {"a": {"properties": {"a": True, "b": True}}}, "unevaluatedProperties": False}, {"a": 1, "b": 1}),
    "values by their schema":  ({"unevaluatedProperties": {"type": "integer"}}, {"a": 1}),
    "items by a choice":       ({"anyOf": [{"prefixItems": [True, True]}, {"prefixItems": [{"type": "null"}]}], "unevaluatedItems": False}, [1, 2]),
    "items by reference":      ({"$ref": "#/$defs/p", "$defs": {"p": {"items": True}}, "unevaluatedItems": False}, [1, 2]),
    "items that are contained": ({"contains": {"type": "integer"}, "unevaluatedItems": {"type": "string"}}, [1, "a"]),
}
# fmt: on


@pytest.mark.parametrize(("schema", "answer", "fault"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_told_in_the_usual_words(
    schema: object, answer: object, fault: str
) -> None:
    with pytest.raises(AnswerRefusedError) as refusal:
        check_answer(schema, answer)

    assert str(refusal.value).endswith(f"Failure reason: {fault}")


@pytest.mark.parametrize(("schema", "answer"), FITTING.values(), ids=FITTING)
def test_what_fits_passes(schema: object, answer: object) -> None:
    check_answer(schema, answer)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a{999999999}", "A pattern repeats too much."),
        ("((a{100}){100}){100}", "A pattern repeats too much."),
        ("(?x:(a) {1 0})", "A pattern must not use the flag 'x'."),
        ("a" * (WEIGHT_MAX + 1), "A pattern is too long."),
    ],
    ids=["at once", "step by step", "in disguise", "by hand"],
)
@pytest.mark.parametrize("keyword", ["pattern", "patternProperties"])
def test_a_pattern_that_is_too_large_is_a_fault_of_the_schema(
    keyword: str, pattern: str, reason: str
) -> None:
    schema = {keyword: pattern if keyword == "pattern" else {pattern: True}}

    with pytest.raises(SchemaInvalidError) as refusal:
        check_answer(schema, {})

    assert str(refusal.value) == f"Invalid schema: {reason}"


@pytest.mark.parametrize(
    "pattern",
    [
        "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        r"^(\d{1,3}\.){3}\d{1,3}$",
        "^.{1,5000}$",
        r"^(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.[A-Za-z]{2,})+$",
    ],
    ids=["a uuid", "an address", "a length", "a name of a host"],
)
def test_patterns_of_daily_use_are_taken(pattern: str) -> None:
    assert compile_pattern(pattern)


def test_a_pattern_that_only_one_of_the_engines_knows_is_none() -> None:
    with pytest.raises(re.error):
        compile_pattern("(?R)")


def test_a_pattern_is_weighed_before_it_is_compiled() -> None:
    with pytest.raises(PatternTooLargeError):
        compile_pattern("(ab){5000}")


def test_a_budget_is_over_when_its_clock_says_so() -> None:
    now = [10.0]
    budget = Budget(2, clock=lambda: now[0])
    now[0] = 11.5

    assert budget.left() == 0.5
    now[0] = 12.0
    with pytest.raises(ValidationTooLongError, match=r"given up after 2 s\."):
        budget.left()
