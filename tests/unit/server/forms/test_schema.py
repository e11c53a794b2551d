"""Answers held against schemas: which fit, which do not, and what is no schema at all."""

import copy
import json
import socket
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate_server.forms.nesting import DEPTH_MAX
from headgate_server.forms.schema import (
    AnswerRefusedError,
    CircularSchemaError,
    SchemaInvalidError,
    check_answer,
)
from headgate_server.forms.wording import REASON_LENGTH_MAX

NOT_A_STRING = "1 is not of type 'string'"
CIRCULAR = "Invalid schema: Unable to validate schema with circular references."


def an_object(*required: str, **properties: object) -> dict[str, object]:
    schema: dict[str, object] = {"type": "object", "properties": properties}
    return schema | {"required": list(required)} if required else schema


def a_type(name: object, **keywords: object) -> dict[str, object]:
    return {"type": name, **keywords}


def nested(levels: int, wrap: Callable[[object], object], core: object) -> object:
    for _ in range(levels):
        core = wrap(core)
    return core


INTEGER = a_type("integer")
STRING = a_type("string")
TREE = {
    "$ref": "#/definitions/node",
    "definitions": {"node": an_object(child={"$ref": "#/definitions/node"}, value=INTEGER)},
}

# fmt: off
FITTING = {
    "anything goes":                       ({}, {"a": [1]}),
    "true":                                (True, {"a": 1}),
    "nothing asked, nothing said":         (an_object(x=INTEGER), {}),
    "a required value":                    (an_object("x", x=INTEGER), {"x": 1}),
    "an optional value may be null":       (an_object(x=INTEGER), {"x": None}),
    "of several types too":                (an_object(x=a_type(["integer", "string"])), {"x": None}),
    "a nested one too":                    (an_object("n", n=an_object(x=INTEGER)), {"n": {"x": None}}),
    "an optional object may be null":      (an_object(n=an_object("x", x=INTEGER)), {"n": None}),
    "one with a choice may choose null":   (an_object(x=a_type("integer", anyOf=[{"minimum": 5}])), {"x": None}),
    "a null is null":                      (an_object(x=a_type("null")), {"x": None}),
    "in definitions too":                  ({"$ref": "#/definitions/n", "definitions": {"n": an_object(x=INTEGER)}}, {"x": None}),
    "siblings of a nested object":         (an_object(n=an_object("x", x=INTEGER), x=INTEGER), {"x": None}),
    "dates are not enforced":              (an_object(d=a_type("string", format="date")), {"d": "notadate"}),
    "unknown keywords are ignored":        (an_object(x=a_type("integer", position=0, title="X")), {"x": 1}),
    "more properties than named":          (an_object(x=INTEGER), {"y": 1}),
    "a tuple as a list of items":          (an_object(t=a_type("array", items=[INTEGER, STRING])), {"t": [1, "a", None]}),
    "a tuple as prefix items":             (an_object(t=a_type("array", prefixItems=[INTEGER])), {"t": [1]}),
    "a nested tuple":                      (an_object(n=an_object(t=a_type("array", items=[INTEGER]))), {"n": {"t": [1]}}),
    "a large integer":                     (an_object(x=INTEGER), {"x": 2**200}),
    "an integer written with a point":     (an_object(x=INTEGER), {"x": 1.0}),
    "a tree":                              (TREE, {"child": {"child": {"value": 1}}}),
    "a property named required":           (an_object(required=INTEGER), {"required": 1}),
    "an array at the root":                (a_type("array", items=INTEGER), [1, 2]),
    "a draft of JSON Schema itself":       ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, {"type": "integer"}),
}

REFUSED = {
    "missing":                             (an_object("x", x=INTEGER), {}, None, "'x' is a required property"),
    "required and null":                   (an_object("x", x=INTEGER), {"x": None}, "x", "None is not of type 'integer'"),
    "with default and null":               (an_object(x=a_type("integer", default=1)), {"x": None}, "x", "None is not of type 'integer'"),
    "optional and wrong":                  (an_object(x=INTEGER), {"x": "a"}, "x", "'a' is not valid under any of the given schemas"),
    "required and wrong":                  (an_object("x", x=STRING), {"x": 1}, "x", NOT_A_STRING),
    "nested":                              (an_object("n", n=an_object("m", m=STRING)), {"n": {"m": 1}}, "n.m", NOT_A_STRING),
    "in a list":                           (an_object("l", l=a_type("array", items=STRING)), {"l": ["a", 1]}, "l[1]", NOT_A_STRING),
    "in an object in a list":              (an_object("l", l=a_type("array", items=an_object("m", m=STRING))), {"l": [{"m": 1}]}, "l[0].m", NOT_A_STRING),
    "in a tuple":                          (an_object("t", t=a_type("array", items=[INTEGER, STRING])), {"t": [1, 1]}, "t[1]", NOT_A_STRING),
    "in a tuple of a definition":          ({"$ref": "#/definitions/n", "definitions": {"n": an_object("t", t=a_type("array", items=[STRING]))}}, {"t": [1]}, "t[0]", NOT_A_STRING),
    "in an array":                         (a_type("array", items=STRING), [1], "[0]", NOT_A_STRING),
    "at the root":                         (STRING, 1, None, NOT_A_STRING),
    "not even an object":                  (an_object(), None, None, "None is not of type 'object'"),
    "one property too many":               (an_object(x=INTEGER) | {"additionalProperties": False}, {"y": 1}, None, "Additional properties are not allowed ('y' was unexpected)"),
    "refused outright":                    (False, {}, None, "False schema does not allow {}"),
    "names of any letters":                (an_object("it's", **{"it's": a_type("object", additionalProperties=STRING)}), {"it's": {"$. a": 1}}, "it's.$. a", NOT_A_STRING),
    "sibling of a nested object":          (an_object("x", n=an_object(x=STRING), x=STRING), {"n": {"x": None}, "x": 1}, "x", NOT_A_STRING),
    "null for a sibling":                  (an_object("x", n=an_object(x=STRING), x=STRING), {"x": None}, "x", "None is not of type 'string'"),
    "in a definition for new drafts":      ({"$ref": "#/$defs/n", "$defs": {"n": an_object(x=STRING)}}, {"x": None}, "x", "None is not of type 'string'"),
    "choice goes on to hold":              (an_object(x=a_type("integer", anyOf=[{"minimum": 5}, {"const": 1}])), {"x": 3}, "x", "3 is not valid under any of the given schemas"),
    "null where all must hold":            (an_object(x=a_type("integer", allOf=[{"minimum": 5}], anyOf=[True])), {"x": 3}, "x", "3 is less than the minimum of 5"),
    "beyond comparison":                   (a_type("number", multipleOf=0.1), 10**400, None, "int too large to convert to float"),
    "the nearest of several faults":       (an_object("x", "n", x=STRING, n=an_object("m", m=STRING)), {"x": 1, "n": {"m": 1}}, "x", NOT_A_STRING),
    "in a tree":                           (TREE, {"child": {"child": {"value": "a"}}}, "child.child.value", "'a' is not valid under any of the given schemas"),
}

NO_SCHEMAS = {
    "null":                                (None, "It is neither an object nor a boolean."),
    "a number":                            (5, "It is neither an object nor a boolean."),
    "a list":                              ([{}], "It is neither an object nor a boolean."),
    "an unknown type":                     (a_type("banana"), "'banana' is not valid under any of the given schemas (at 'type')"),
    "an unknown type of a property":       (an_object("x", x=a_type("banana")), "'banana' is not valid under any of the given schemas (at 'properties.x.type')"),
    "properties of no object":             ({"properties": 5}, "5 is not of type 'object' (at 'properties')"),
    "definitions of no object":            ({"definitions": []}, "[] is not of type 'object' (at 'definitions')"),
    "required of no list":                 (an_object(x=INTEGER) | {"required": "x"}, "'x' is not of type 'array' (at 'required')"),
    "a property of no object":             (an_object(x=5), "5 is not of type 'object', 'boolean' (at 'properties.x')"),
    "a definition of no object":           ({"definitions": {"a": 5}}, "5 is not of type 'object', 'boolean' (at 'definitions.a')"),
    "a tuple outside of properties":       (a_type("array", items=[INTEGER]), "[{'type': 'integer'}] is not of type 'object', 'boolean' (at 'items')"),
    "a tuple given twice":                 (an_object(t={"items": [True], "prefixItems": [True]}), "[True] is not of type 'object', 'boolean' (at 'properties.t.items')"),
    "a pattern that is none":              (a_type("string", pattern="("), "'(' is not a 'regex' (at 'pattern')"),
    "a pattern beyond the engine":         (a_type("string", pattern="a{99999999999}"), "the repetition number is too large"),
    "a reference to nowhere":              ({"$ref": "#/definitions/x"}, "The reference '/definitions/x' leads nowhere."),
    "a reference to the network":          ({"$ref": "http://localhost/schema"}, "The reference 'http://localhost/schema' leads nowhere."),
    "a reference to a file":               ({"$ref": "file:///etc/hostname"}, "The reference 'file:///etc/hostname' leads nowhere."),
    "a relative reference":                ({"$id": "http://localhost/a/", "$ref": "b"}, "The reference 'b' leads nowhere."),
    "a dialect from the network":          ({"$schema": "http://localhost/dialect", "$dynamicRef": "x"}, "The reference 'x' leads nowhere."),
    "nesting beyond the stack":            (nested(5000, lambda inner: {"properties": {"a": inner}}, {}), "It is nested too deeply."),
    "nesting of another kind":             (nested(5000, lambda inner: {"not": inner}, {}), "It is nested too deeply."),
}

CIRCLES = {
    "itself":                              {"$ref": "#"},
    "by name":                             {"$anchor": "me", "$ref": "#me"},
    "among others":                        {"allOf": [{"type": "object"}, {"$ref": "#"}]},
    "two in turn":                         {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    "in a choice":                         {"anyOf": [{"$ref": "#"}, {"type": "object"}]},
    "dynamic":                             {"$dynamicAnchor": "me", "$dynamicRef": "#me"},
}

ODD_REFERENCES = {
    "to a number":                         {"$ref": "#/default", "default": 5},
    "to a list":                           {"$ref": "#/default", "default": []},
    "to a wrong type":                     {"$ref": "#/default", "default": {"type": 5}},
    "to a wrong requirement":              {"$ref": "#/default", "default": {"required": 5}},
    "to a wrong pattern":                  {"$ref": "#/default", "default": {"propertyNames": {"pattern": "("}}},
    "to what is no address":               {"$id": "http://[", "$ref": "x"},
}
# fmt: on


@pytest.mark.parametrize(("schema", "answer"), FITTING.values(), ids=FITTING)
def test_a_fitting_answer_passes(schema: object, answer: object) -> None:
    check_answer(schema, answer)


@pytest.mark.parametrize(("schema", "answer", "place", "fault"), REFUSED.values(), ids=REFUSED)
def test_an_answer_that_does_not_fit_is_refused_with_place_and_fault(
    schema: object, answer: object, place: str | None, fault: str
) -> None:
    where = "" if place is None else f" for field '{place}'"

    with pytest.raises(AnswerRefusedError) as refusal:
        check_answer(schema, answer)

    assert str(refusal.value) == f"Validation failed{where}. Failure reason: {fault}"


@pytest.mark.parametrize(("schema", "reason"), NO_SCHEMAS.values(), ids=NO_SCHEMAS)
def test_what_is_no_schema_is_told_apart_from_a_wrong_answer(schema: object, reason: str) -> None:
    with pytest.raises(SchemaInvalidError) as refusal:
        check_answer(schema, {})

    assert str(refusal.value) == f"Invalid schema: {reason}"


@pytest.mark.parametrize("schema", CIRCLES.values(), ids=CIRCLES)
def test_a_schema_that_leads_round_in_circles_is_told(schema: object) -> None:
    with pytest.raises(CircularSchemaError) as refusal:
        check_answer(schema, {})

    assert str(refusal.value) == CIRCULAR


@pytest.mark.parametrize("schema", ODD_REFERENCES.values(), ids=ODD_REFERENCES)
def test_a_reference_into_what_is_no_schema_is_a_fault_of_the_schema(schema: object) -> None:
    with pytest.raises(SchemaInvalidError, match=r"^Invalid schema: ."):
        check_answer(schema, {"x": 1})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # comes before a fetch, and would stop it
@pytest.mark.parametrize(
    "address", ["http://localhost/x", "https://localhost/x", "ftp://localhost/"]
)
@pytest.mark.parametrize(
    "base", [{}, {"$id": "http://localhost/"}, {"$schema": "http://localhost/"}]
)
def test_no_reference_is_ever_fetched(
    base: dict[str, object], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_: calls.append(args))

    with pytest.raises(SchemaInvalidError):
        check_answer({**base, "$ref": address}, {})

    assert calls == []


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        (an_object("x", x=INTEGER), {}),
        (an_object("n", n=an_object("m", m=INTEGER)), {"n": {}}),
        (an_object("l", l=a_type("array", items=an_object("m"))), {"l": [{}]}),
        ({"allOf": [an_object("x")], "$ref": "#/$defs/n", "$defs": {"n": an_object("y")}}, {}),
        ({"$ref": "#/definitions/n", "definitions": {"n": an_object("y")}}, {}),
    ],
    ids=[
        "outermost",
        "nested",
        "in a list",
        "in a choice and in new definitions",
        "in definitions",
    ],
)
def test_nothing_is_required_where_that_is_ignored(schema: object, answer: object) -> None:
    with pytest.raises(AnswerRefusedError, match="is a required property"):
        check_answer(schema, answer)

    check_answer(schema, answer, ignore_required=True)


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        (an_object("x", x=INTEGER), {"x": "a"}),
        (an_object("x", x=INTEGER), {"x": None}),
        (an_object(required=INTEGER), {"required": "a"}),
        ({"const": {"required": 1}}, {}),
        ({"enum": [{"required": 1}]}, {}),
        ({"dependentRequired": {"required": ["a"]}}, {"required": 1}),
        ({"patternProperties": {"required": INTEGER}}, {"required": "a"}),
    ],
    ids=["type", "null", "property", "constant", "enumeration", "dependency", "pattern"],
)
def test_ignoring_what_is_required_ignores_nothing_else(schema: object, answer: object) -> None:
    with pytest.raises(AnswerRefusedError):
        check_answer(schema, answer, ignore_required=True)


def test_a_property_with_a_default_may_be_null_where_that_is_allowed() -> None:
    schema = an_object(x=a_type("integer", default=1))

    check_answer(schema, {"x": None}, allow_none_with_default=True)


def test_so_may_one_in_the_definitions() -> None:
    properties = an_object(x=a_type("integer", default=1))
    schema = {"$ref": "#/definitions/n", "definitions": {"n": properties}}

    check_answer(schema, {"x": None}, allow_none_with_default=True)


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        (an_object(n=an_object(x=a_type("integer", default=1))), {"n": {"x": None}}),
        (an_object("x", x=a_type("integer", default=1)), {"x": None}),
    ],
    ids=["a nested one", "a required one"],
)
def test_but_not_every_property_with_a_default(schema: object, answer: object) -> None:
    with pytest.raises(AnswerRefusedError):
        check_answer(schema, answer, allow_none_with_default=True)


@pytest.mark.parametrize(("schema", "answer"), FITTING.values(), ids=FITTING)
def test_neither_schema_nor_answer_is_ever_changed(schema: object, answer: object) -> None:
    before = copy.deepcopy((schema, answer))

    check_answer(schema, answer, ignore_required=True, allow_none_with_default=True)

    assert (schema, answer) == before


def test_an_answer_as_deep_as_allowed_is_checked_to_its_end() -> None:
    json_schema = {
        "$ref": "#/$defs/json",
        "$defs": {
            "json": {
                "anyOf": [
                    STRING,
                    a_type("array", items={"$ref": "#/$defs/json"}),
                    a_type("object", additionalProperties={"$ref": "#/$defs/json"}),
                ]
            }
        },
    }
    answer = nested(DEPTH_MAX // 2, lambda inner: {"a": [inner]}, "leaf")

    check_answer(json_schema, answer)


@pytest.mark.parametrize("levels", [DEPTH_MAX + 1, 100_000])
def test_an_answer_that_nests_too_deeply_is_refused(levels: int) -> None:
    answer = nested(levels, lambda inner: [inner], 1)

    with pytest.raises(AnswerRefusedError) as refusal:
        check_answer(True, answer)

    assert str(refusal.value) == (
        "Validation failed. Failure reason: It is nested more than 64 levels deep."
    )


def test_a_reason_is_short_and_sendable_however_much_it_quotes() -> None:
    with pytest.raises(AnswerRefusedError) as refusal:
        check_answer(STRING, {"\ud800": "x" * 1_000_000})

    reason = str(refusal.value)
    assert len(reason.encode()) <= REASON_LENGTH_MAX + 20
    assert reason.startswith("Validation failed. Failure reason: {'\\ud800': 'xxx")
    assert reason.endswith("xxx'} is not of type 'string'")


def test_a_place_that_is_no_unicode_is_sendable() -> None:
    with pytest.raises(AnswerRefusedError) as refusal:
        check_answer({"additionalProperties": STRING}, {"\ud800": 1})

    assert str(refusal.value).encode().startswith(b"Validation failed for field '\\ud800'.")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
KEYWORDS = st.sampled_from(
    [
        "$anchor", "$defs", "$dynamicAnchor", "$dynamicRef", "$id", "$ref", "$schema", "a", "additionalProperties",
        "allOf", "anyOf", "const", "contains", "default", "definitions", "dependentRequired", "dependentSchemas",
        "dependencies", "else", "enum", "exclusiveMinimum", "format", "if", "items", "maxContains", "maximum",
        "maxItems", "maxLength", "maxProperties", "minContains", "minItems", "minLength", "multipleOf", "not", "oneOf",
        "pattern", "patternProperties", "prefixItems", "properties", "propertyNames", "required", "then", "type",
        "unevaluatedItems", "unevaluatedProperties", "uniqueItems",
    ]
)  # fmt: skip
OPERANDS = st.sampled_from(
    [
        "#", "#/definitions/a", "#/$defs/a", "#a", "a", "http://localhost/a", "file:///a", "http://[", "\ud800",
        "https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-03/schema#", "object",
        "array", "string", "integer", "null", "(a+)+", "[", "a{999999999999}", "(?P<a>b)", 0, 1, 0.1, -1, 10**400,
        1e308, True, False, None,
    ]
)  # fmt: skip
SCHEMAS = st.recursive(
    OPERANDS | JSON_VALUES,
    lambda inner: st.dictionaries(KEYWORDS, inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=12,
)
ANSWERS = JSON_VALUES | st.dictionaries(st.sampled_from(["a", "$ref", ""]), JSON_VALUES | OPERANDS)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@settings(deadline=None)
@given(
    schema=SCHEMAS,
    answer=ANSWERS,
    ignore_required=st.booleans(),
    allow_none_with_default=st.booleans(),
)
def test_any_json_value_as_schema_and_as_answer_passes_or_is_refused(
    schema: object, answer: object, *, ignore_required: bool, allow_none_with_default: bool
) -> None:
    before = copy.deepcopy(schema)
    reason = "fits"

    try:
        check_answer(
            schema,
            answer,
            ignore_required=ignore_required,
            allow_none_with_default=allow_none_with_default,
        )
    except (AnswerRefusedError, CircularSchemaError, SchemaInvalidError) as refusal:
        reason = str(refusal)

    assert reason.encode()
    assert schema == before


@settings(deadline=None)
@given(answer=JSON_VALUES)
def test_any_value_fits_the_schema_that_names_it(answer: object) -> None:
    check_answer({"const": json.loads(json.dumps(answer))}, answer)
