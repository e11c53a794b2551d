import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_server.rpc.convert.json_text import DEPTH_MAX, fault_in_object, fault_in_value

BYTES_MAX = 1024

VALUES = {
    "object": '{"a": 1}',
    "array": "[1, 2]",
    "string": '"text"',
    "number beyond 2^60": "1152921504606846977",
    "number with 50 digits": "1" * 50,
    "whole number as a float": "1.0",
    "exponent": "1E+3",
    "true": "true",
    "null": "null",
    "space around": " \n\t1\r ",
    "surrogate pair": r'"\ud83d\ude00"',
    "escaped backslash before u0000": r'"\\u0000"',
    "repeated key": '{"a": 1, "a": 2}',
    "brackets in a string": json.dumps("[" * 300),
}

NO_VALUES = {
    "nothing": "",
    "only space": " ",
    "two values": "1 2",
    "NaN": "NaN",
    "NaN inside": '{"a": [NaN]}',
    "Infinity": "Infinity",
    "negative Infinity inside": "[-Infinity]",
    "leading zero": "01",
    "plus sign": "+1",
    "bare fraction": ".5",
    "unfinished fraction": "1.",
    "hexadecimal": "0x10",
    "single quotes": "{'a': 1}",
    "trailing comma": "[1,]",
    "comment": "1 // one",
    "byte order mark": "\ufeff1",
    "raw line break in a string": '"a\nb"',
    "raw NUL in a string": '"a\0b"',
    "unknown escape": r'"\x"',
    "lone high surrogate": r'"\ud800"',
    "lone low surrogate": r'"\udc00"',
    "lone surrogate in a key": r'{"\ud800": 1}',
    "escaped NUL": r'"\u0000"',
    "escaped NUL after an escaped backslash": r'"\\\u0000"',
    "escaped NUL in a key": r'{"a\u0000": 1}',
    "unfinished string": '"abc',
    "unfinished object": '{"a":',
}

NO_OBJECTS = {"array": "[]", "string": '"{}"', "number": "1", "null": "null", "nothing": ""}


@pytest.mark.parametrize("text", VALUES.values(), ids=VALUES)
def test_a_json_text_has_no_fault(text: str) -> None:
    assert fault_in_value(text, BYTES_MAX) is None


@pytest.mark.parametrize("text", NO_VALUES.values(), ids=NO_VALUES)
def test_what_is_no_json_text_has_a_fault(text: str) -> None:
    assert fault_in_value(text, BYTES_MAX)


@pytest.mark.parametrize("text", ["{}", ' {"a": [1, {"b": null}]} '])
def test_an_object_has_no_fault_where_an_object_is_asked_for(text: str) -> None:
    assert fault_in_object(text, BYTES_MAX) is None


@pytest.mark.parametrize("text", NO_OBJECTS.values(), ids=NO_OBJECTS)
def test_any_other_value_has_a_fault_where_an_object_is_asked_for(text: str) -> None:
    assert "JSON object" in (fault_in_object(text, BYTES_MAX) or "")


@pytest.mark.parametrize("fill", ["a", "é", "😀"], ids=["one byte", "two bytes", "four bytes"])
def test_the_size_is_measured_in_bytes(fill: str) -> None:
    text = json.dumps(fill * 10, ensure_ascii=False)
    size = len(text.encode())

    assert fault_in_value(text, size) is None
    assert fault_in_value(text, size - 1) == f"must have at most {size - 1} bytes"


@pytest.mark.parametrize(
    ("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["arrays", "objects"]
)
def test_a_text_may_nest_up_to_a_limit(opening: str, closing: str) -> None:
    def nested(levels: int) -> str:
        return opening * levels + "1" + closing * levels

    assert fault_in_value(nested(DEPTH_MAX), 10**6) is None
    assert "levels" in (fault_in_value(nested(DEPTH_MAX + 1), 10**6) or "")


def test_a_text_that_would_exhaust_the_stack_has_a_fault_like_any_other() -> None:
    assert "levels" in (fault_in_value("[" * 100_000 + "]" * 100_000, 10**6) or "")


def test_a_wide_text_does_not_count_as_deep() -> None:
    wide = json.dumps([[{"text": '[[[ ]]] \\" {{{'}]] * (DEPTH_MAX + 1))

    assert fault_in_value(wide, 10**6) is None


PLAIN_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | PLAIN_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(value=JSON_VALUES, is_ascii=st.booleans())
def test_what_python_writes_as_json_has_no_fault(value: object, is_ascii: bool) -> None:  # noqa: FBT001
    assert fault_in_value(json.dumps(value, ensure_ascii=is_ascii), 10**6) is None


@given(text=st.text(max_size=30))
def test_a_text_without_fault_is_one_that_python_reads(text: str) -> None:
    if fault_in_value(text, 10**6) is None:
        json.loads(text)
