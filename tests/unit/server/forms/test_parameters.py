"""Parameters of runs: put together as texts, and filled in only where there is something to fill in."""

import json

import pytest

from headgate_server.forms.hydrate import HydrationError
from headgate_server.forms.parameters import filled_in, may_hold_placeholders, overlaid

NUMBERS = '{"big":1152921504606846977,"one":1.0,"small":1e-400}'


@pytest.mark.parametrize(
    ("base", "overlay", "expected"),
    [
        ("{}", "{}", "{}"),
        ('{"a": 1}', "{}", '{"a":1}'),
        ('{"a": {"x": 1}, "b": 2}', '{"a": {"y": 2}, "c": null}', '{"a":{"y": 2},"b":2,"c":null}'),
        (NUMBERS, "{}", NUMBERS),
        ('{"a": 1, "a": 2}', "{}", '{"a":2}'),
    ],
    ids=["nothing", "base", "shallow", "numbers", "repeats"],
)
def test_members_are_replaced_one_by_one_and_stay_as_they_are_written(
    base: str, overlay: str, expected: str
) -> None:
    assert overlaid(base, overlay) == expected


@pytest.mark.parametrize(
    "text",
    [NUMBERS, '{"a":"\\u005f"}', '{"a": "__prefect_kind"}'],
    ids=["plain", "escape", "value"],
)
def test_what_holds_no_placeholder_stays_as_it_is_written(text: str) -> None:
    assert filled_in(text, {}) is text


def test_placeholders_are_filled_in_however_they_are_written() -> None:
    text = '{"a": [{"\\u005f_prefect_kind": "workspace_variable", "variable_name": "v"}], "b": "ü"}'

    assert may_hold_placeholders(text)
    assert filled_in(text, {"v": "x"}) == '{"a":["x"],"b":"ü"}'


def test_what_cannot_be_filled_in_is_refused() -> None:
    kind = {"__prefect_kind": "workspace_variable", "variable_name": "v"}

    with pytest.raises(HydrationError, match="'v' not found"):
        filled_in(json.dumps({"a": kind}), {})
    with pytest.raises(HydrationError, match="Invalid JSON"):
        filled_in(f'{{"__prefect_kind": 1, "n": {"9" * 5000}}}', {})
