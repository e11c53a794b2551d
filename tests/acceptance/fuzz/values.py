"""Values that have broken programs before, by the kind of field that they are meant for."""

import json
import random
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from google.protobuf.descriptor import FieldDescriptor

_INT32: Final = (0, 1, -1, 7, 2**31 - 1, -(2**31))
_INT64: Final = (*_INT32, 2**31, 2**53 + 1, 2**63 - 1, -(2**63))
_DOUBLES: Final = (0.0, -0.0, 1.5, -1.0, 5e-324, 1.7e308, float("inf"), float("-inf"), float("nan"))
_ENUMS: Final = (*range(12), 99, -1, 2**31 - 1, -(2**31))

TEXTS: Final = (
    *(
        "",
        " ",
        "a",
        "A-B",
        "a b",
        "0",
        "-",
        "é",
        "e\u0301",
        "ß",
        "İ",
        "💥",
        "\ufeff",
        "\u200e",
        "\x00",
    ),
    *(
        "a\x00b",
        "\n",
        "\t\r",
        "\x7f",
        "\ufffe",
        "\uffff",
        "\U0010ffff",
        "%",
        "_",
        "\\",
        "'",
        '"',
        "`",
    ),
    *("'; DROP TABLE flow_run; --", "../../etc/passwd", "{{ 7 * 7 }}", "{% raw %}", "null", "None"),
    *("a" * 255, "a" * 256, "é" * 255, "💥" * 255, "a" * 70_000, "a/b", "<a>", "\u202eabc"),
)
IDS: Final = (
    *("", "x", "0", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    *("00000000-0000-0000-0000-00000000000", "00000000-0000-0000-0000-0000000000000", "é" * 36),
    *("g0000000-0000-0000-0000-000000000000", "0" * 32, "-" * 36, "{}", "urn:uuid:", "\x00" * 36),
    *(" 00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000000\n", "٣" * 32),
)
JSON_TEXTS: Final = (
    *(
        "",
        " ",
        "{}",
        " {} ",
        "[]",
        "null",
        "true",
        "1",
        "-0",
        "1.0",
        '""',
        "{",
        "}",
        "{}x",
        "{'a': 1}",
    ),
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "1e-400",
        "01",
        "1_000",
        "0x1",
        "1" * 5_000,
    ),
    *(
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": 1, "a": 2}',
        '{"a": 1,}',
        "{a: 1}",
        "[1,]",
        "//\n{}",
        "\ufeff{}",
    ),
    *(
        '"\\ud800"',
        '{"\\ud800": 1}',
        '{"a": "\\udc00\\ud800"}',
        '{"a": "\\u0000"}',
        '{"\\u0000": "\\u0000"}',
    ),
    *(
        '"\\x41"',
        '"\x01"',
        '{"": ""}',
        "\x00",
        "{}\x00",
        '{"a": "💥"}',
        '{"a": %s}' % ("9" * 5_000),
    ),
    *(
        "[" * 500 + "]" * 500,
        "[" * 100_000,
        "[" * 50_000 + "]" * 50_000,
        '{"a":' * 9_000 + "1" + "}" * 9_000,
    ),
    *(
        "[" + "0," * 100_000 + "0]",
        json.dumps({str(n): n for n in range(5_000)}),
        '"' + "a" * 100_000 + '"',
    ),
    *('{"__prefect_kind": "json", "value": "{"}', '{"__prefect_kind": "json", "value": 1}'),
    *(
        '{"__prefect_kind": "jinja", "template": "{{"}',
        '{"__prefect_kind": "jinja", "template": 1}',
    ),
    *(
        '{"__prefect_kind": "jinja", "template": "{{ ().__class__.__mro__ }}"}',
        '{"__prefect_kind": 1}',
    ),
    *(
        '{"__prefect_kind": "workspace_variable", "variable_name": "\\u0000"}',
        '{"__prefect_kind": null}',
    ),
    *(
        '{"__prefect_kind": "workspace_variable", "variable_name": []}',
        '{"__prefect_kind": "none"}',
    ),
    *('{"a": {"__prefect_kind": "json", "value": "\\"\\\\ud800\\""}}', '{"type": "unpersisted"}'),
    *('{"$ref": "#"}', '{"$ref": "http://127.0.0.1:1/x"}', '{"$ref": 1}', '{"type": "nothing"}'),
    *(
        '{"pattern": "("}',
        '{"required": 1}',
        '{"properties": []}',
        '{"$schema": "x"}',
        '{"multipleOf": 0}',
    ),
)
TOKENS: Final = (
    *(
        "",
        "x",
        ".",
        "1.",
        "AAAA",
        "e30",
        "bnVsbA",
        "W10",
        "=" * 8,
        "%00",
        "\x00",
        "é",
        "a" * 10_000,
    ),
    *("1.AAAAAAAAAAA.AAAAAAAAAAAAAAAA.1", "1.AAAAAAAAAAA.AAAAAAAAAAAAAAAA.999999999999999999s"),
    *("1.AAAAAAAAAAA.AAAAAAAAAAAAAAAA.-1", "eyJhIjoxfQ", "gqFhAaFi", "-" * 40, "_" * 41),
)
PATHS: Final = (
    *(
        "",
        "*",
        ".",
        "a",
        "name",
        "tags",
        "value",
        "policy",
        "policy.retries",
        "policy.retry_delay",
        "policy.",
    ),
    *(
        "parameters_json",
        "job_variables_json",
        "state",
        "id",
        "name.name",
        "infrastructure_pid",
        "\x00",
        "*.*",
    ),
)
_SECONDS: Final = (
    *(0, 1, -1, 60, 10**9, 253_402_300_799, 253_402_300_800, -62_135_596_800, -62_135_596_801),
    *(315_576_000_000, 315_576_000_001, -315_576_000_001, 2**63 - 1, -(2**63)),
)
_NANOS: Final = (0, 1, 999, 999_999_999, 10**9, -1, -(2**31), 2**31 - 1)
_LENGTHS: Final = (0, 1, 2, 3, 101, 1_001, 20_000)


def values_for(field: FieldDescriptor, known: Sequence[str]) -> Sequence[Any]:
    """Return values to try in a field that is no message.

    Args:
        field: The field.
        known: Ids, tokens, names and keys that mean something to the server.
    """
    match field.type:
        case FieldDescriptor.TYPE_BOOL:
            return (False, True)
        case FieldDescriptor.TYPE_ENUM:
            return _ENUMS
        case FieldDescriptor.TYPE_DOUBLE:
            return _DOUBLES
        case FieldDescriptor.TYPE_INT32:
            return _NANOS if field.name == "nanos" else _INT32
        case FieldDescriptor.TYPE_INT64:
            return _SECONDS if field.name == "seconds" else _INT64
        case FieldDescriptor.TYPE_STRING:
            return _texts_for(field, known)
    raise AssertionError(f"The contract has a new type of field: {field.full_name}")


def _texts_for(field: FieldDescriptor, known: Sequence[str]) -> Sequence[str]:
    name = field.name
    if name.endswith("_json"):
        return JSON_TEXTS
    if name.endswith("token"):
        return (*TOKENS, *known)
    if name == "paths":
        return PATHS
    if name.endswith(("id", "ids")):
        return (*IDS, *known, *map(_spelled_otherwise, filter(_is_id, known)))
    return (*TEXTS, *known)


def length(chance: random.Random) -> int:
    """Return how long a list is to be: short as a rule."""
    return chance.choice(_LENGTHS[:4] if chance.random() < 0.9 else _LENGTHS)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _spelled_otherwise(text: str) -> str:
    return f"{{{UUID(text).hex.upper()}}}"
