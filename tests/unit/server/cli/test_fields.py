from typing import Any

import pytest

from headgate_server.cli.fields import MISSING, Field, fields_of, read, read_pairs


def said(value: Any) -> str:
    """Return what a parameter is called in the name of a test."""
    if not isinstance(value, Field):
        return str(value)
    choices = "|".join(map(str, value.choices))
    return " ".join(filter(None, [value.kind, value.items, choices])) or "anything"


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["approved"],
    "properties": {
        "approved": {"type": "boolean", "title": "Approved?", "description": "Shall it go on?"},
        "size": {"$ref": "#/$defs/Size"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "count": {"type": ["integer", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "$defs": {"Size": {"enum": ["small", "large"], "type": "string", "title": "Size"}},
}


def test_a_schema_tells_its_fields_in_its_order() -> None:
    assert fields_of(SCHEMA) == [
        Field(
            name="approved",
            kind="boolean",
            title="Approved?",
            description="Shall it go on?",
            is_required=True,
        ),
        Field(name="size", kind="string", title="Size", choices=("small", "large")),
        Field(name="note", kind="string", is_nullable=True, default=None),
        Field(name="count", kind="integer", is_nullable=True),
        Field(name="tags", kind="array", items="string"),
    ]


@pytest.mark.parametrize(
    "schema",
    [None, True, {}, {"type": "object"}, {"properties": 3}, {"properties": {}}],
    ids=repr,
)
def test_a_schema_that_names_no_members_has_no_fields(schema: Any) -> None:
    assert fields_of(schema) == []


@pytest.mark.parametrize(
    "member",
    [
        {"$ref": "#/$defs/loop"},
        {"$ref": "#/nowhere"},
        {"$ref": "https://example.com/schema"},
        {"anyOf": []},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {"enum": "no list"},
        True,
    ],
    ids=repr,
)
def test_a_member_that_cannot_be_understood_is_text_or_json(member: Any) -> None:
    schema = {"properties": {"it": member}, "$defs": {"loop": {"$ref": "#/$defs/loop"}}}

    [field] = fields_of(schema)

    assert field.expected == "text or JSON"
    assert read(field, "[1, 2]") == [1, 2]
    assert read(field, "as it stands") == "as it stands"


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (Field(name="it", kind="boolean"), "Yes", True),
        (Field(name="it", kind="boolean"), "false", False),
        (Field(name="it", kind="integer"), "42", 42),
        (Field(name="it", kind="integer"), "4.5", 4.5),
        (Field(name="it", kind="number"), "-1e3", -1000.0),
        (Field(name="it", kind="string"), "42", "42"),
        (Field(name="it", kind="string"), '""', ""),
        (Field(name="it", kind="string"), '"half', '"half'),
        (Field(name="it", kind="string", is_nullable=True), "null", None),
        (Field(name="it", kind="string"), "null", "null"),
        (Field(name="it", kind="null"), "null", None),
        (Field(name="it", kind="array", items="string"), "a, b", ["a", "b"]),
        (Field(name="it", kind="array", items="string"), '["a, b"]', ["a, b"]),
        (Field(name="it", kind="array", items="integer"), "[1, 2]", [1, 2]),
        (Field(name="it", kind="object"), '{"a": 1}', {"a": 1}),
        (Field(name="it", choices=("small", "large", "largest")), "large", "large"),
        (Field(name="it", choices=("small", "large")), "S", "small"),
        (Field(name="it", choices=(1, 2, True)), "2", 2),
        (Field(name="it", choices=(True, False)), "yes", True),
        (Field(name="it", choices=("a", None)), "null", None),
    ],
    ids=said,
)
def test_a_text_is_read_as_the_field_asks(field: Field, text: str, value: Any) -> None:
    found = read(field, text)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        (Field(name="it", kind="boolean"), "maybe", "yes or no"),
        (Field(name="it", kind="integer"), "many", "a whole number"),
        (Field(name="it", kind="number"), "true", "a number"),
        (Field(name="it", kind="array", items="integer"), "1, 2", "a JSON array"),
        (Field(name="it", kind="object"), "[]", "a JSON object"),
        (Field(name="it", kind="null"), "0", "null"),
        (Field(name="it", choices=("small", "smallest")), "sm", "one of small, smallest"),
        (Field(name="it", choices=("small", "large")), "medium", "one of small, large"),
        (Field(name="it", choices=("small",)), "", "one of small"),
    ],
    ids=said,
)
def test_a_text_that_means_nothing_is_refused_with_what_is_expected(
    field: Field, text: str, expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        read(field, text)


def test_pairs_are_read_as_the_schema_asks() -> None:
    pairs = ["approved=yes", "note=a=b", "count=3", "size=l", "more=[1]", "word=as it stands"]

    assert read_pairs(pairs, SCHEMA) == {
        "approved": True,
        "note": "a=b",
        "count": 3,
        "size": "large",
        "more": [1],
        "word": "as it stands",
    }


@pytest.mark.parametrize(
    ("pair", "text"),
    [("approved", "NAME=VALUE"), ("=yes", "NAME=VALUE"), ("approved=x", "yes or no")],
)
def test_a_pair_that_cannot_be_read_is_refused_by_its_name(pair: str, text: str) -> None:
    with pytest.raises(ValueError, match=text) as refused:
        read_pairs([pair], SCHEMA)

    assert pair in str(refused.value)


def test_a_field_without_a_default_is_told_from_one_that_defaults_to_null() -> None:
    fields = {field.name: field for field in fields_of(SCHEMA)}

    assert fields["note"].default is None
    assert fields["count"].default is MISSING
