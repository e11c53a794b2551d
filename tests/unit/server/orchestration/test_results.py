"""Data of states: what is kept, and what counts as a result."""

import pytest

from headgate_server.orchestration.results import is_persisted, is_reference, kept

TOO_DEEP = '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"


@pytest.mark.parametrize(
    "data_json",
    ['{"type": "unpersisted"}', ' {"more": [1], "type":"unpersisted"} ', "null", " null\n"],
)
def test_data_that_its_owner_kept_back_is_not_kept(data_json: str) -> None:
    assert kept(data_json) is None


@pytest.mark.parametrize(
    "data_json",
    [
        '{"type": "reference", "key": "k"}',
        '{"type": {"type": "unpersisted"}}',
        '{"type": null}',
        "{}",
        "[]",
        "0",
        '"unpersisted"',
        "1152921504606846977",
        pytest.param(TOO_DEEP, id="deeply nested"),
    ],
)
def test_all_other_data_is_kept_to_the_letter(data_json: str) -> None:
    assert kept(data_json) == data_json


@pytest.mark.parametrize(
    ("data_json", "expected"),
    [
        (None, False),
        ("null", False),
        ("{}", False),
        (" { } ", False),
        ('{"type": "unpersisted", "value": 1}', False),
        ('{"type": "reference"}', True),
        ('{"value": 1}', True),
        ("0", True),
        ('""', True),
        ("[]", True),
        ("false", True),
        pytest.param(TOO_DEEP, True, id="deeply nested"),
    ],
)
def test_a_result_is_anything_but_nothing_and_what_was_kept_back(
    data_json: str | None,
    expected: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert is_persisted(data_json) is expected


@pytest.mark.parametrize(
    ("data_json", "expected"),
    [
        (None, False),
        ('{"type": "reference"}', True),
        ('{"key": [1], "type": "reference"}', True),
        ('{"type": "literal"}', False),
        ('"reference"', False),
        ("{}", False),
    ],
)
def test_a_reference_says_so_in_its_type(
    data_json: str | None,
    expected: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert is_reference(data_json) is expected
