"""JSON of the contract: exact both ways, and clear about what it cannot say."""

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate._json import from_text, to_object_text, to_text

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    back = from_text(to_text(value, "value"))

    assert back == value
    assert repr(back) == repr(value)  # so that 1, 1.0 and True stay apart


@pytest.mark.parametrize("value", [2**60 + 1, 2**200, -0.0, 1.0, 1, True, "\u2028", "\x00", ""])
def test_values_that_others_lose_are_kept(value: object) -> None:
    back = from_text(to_text(value, "value"))

    assert repr(back) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        {"deep": [-math.inf]},
        "half a pair: \ud800",
        {1, 2},
        b"bytes",
        Decimal("1.5"),
        object(),
    ],
    ids=["NaN", "infinity", "deep", "half a pair", "set", "bytes", "decimal", "object"],
)
def test_what_json_cannot_say_is_refused_by_the_name_of_the_field(value: object) -> None:
    with pytest.raises(ValueError, match="parameters is not JSON"):
        to_text(value, "parameters")


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)

    with pytest.raises(ValueError, match=r"state\.data is not JSON"):
        to_text(value, "state.data")


@pytest.mark.parametrize("value", [[1], "text", 5, True])
def test_where_an_object_is_asked_for_nothing_else_will_do(value: Any) -> None:
    with pytest.raises(ValueError, match="context is not a JSON object"):
        to_object_text(value, "context")
