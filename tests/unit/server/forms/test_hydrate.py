"""Placeholders of a run input: what each kind becomes, and what is refused."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate_server.forms.hydrate import HydrationError, hydrate, variables_needed
from headgate_server.forms.nesting import DEPTH_MAX
from headgate_server.forms.wording import REASON_LENGTH_MAX

VARIABLES = {"region": "north", "number": "41", "greeting": "{{ 1 + 1 }}", "which": "region"}


def a_placeholder(kind: object, **members: object) -> dict[str, object]:
    return {"__prefect_kind": kind, **members}


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


# fmt: off
FILLED = {
    "none gives its value":              (a_placeholder("none", value=5), 5),
    "none gives null":                   (a_placeholder("none", value=None), None),
    "none fills what it holds":          (a_placeholder("none", value={"x": [a_placeholder("json", value="1")]}), {"x": [1]}),
    "none inside none":                  (a_placeholder("none", value=a_placeholder("none", value=1)), 1),
    "json is parsed":                    (a_placeholder("json", value='{"a": [1, 2.5, null, true]}'), {"a": [1, 2.5, None, True]}),
    "json takes its text from none":     (a_placeholder("json", value=a_placeholder("none", value="[1]")), [1]),
    "json takes its text from jinja":    (a_placeholder("json", value=a_placeholder("jinja", template="[{{ 1 }}]")), [1]),
    "json takes its text from variable": (a_placeholder("json", value=a_placeholder("workspace_variable", variable_name="number")), 41),
    "json keeps integers of any size":   (a_placeholder("json", value=str(2**80 + 1)), 2**80 + 1),
    "json does not fill what it parsed": (a_placeholder("json", value='{"__prefect_kind": "none"}'), {"__prefect_kind": "none"}),
    "jinja is rendered":                 (a_placeholder("jinja", template="Hi {{ 'you' }}"), "Hi you"),
    "jinja gives text even for numbers": (a_placeholder("jinja", template="{{ 2 + 2 }}"), "4"),
    "jinja takes template from none":    (a_placeholder("jinja", template=a_placeholder("none", value="{{ 1 }}")), "1"),
    "jinja takes template from variable": (a_placeholder("jinja", template=a_placeholder("workspace_variable", variable_name="greeting")), "2"),
    "jinja does not render its result":  (a_placeholder("jinja", template="{{ '{{ 1 }}' }}"), "{{ 1 }}"),
    "variable gives its value":          (a_placeholder("workspace_variable", variable_name="region"), "north"),
    "variable is not rendered":          (a_placeholder("workspace_variable", variable_name="greeting"), "{{ 1 + 1 }}"),
    "variable named by a template":      (a_placeholder("workspace_variable", variable_name=a_placeholder("jinja", template="{{ 'reg' ~ 'ion' }}")), "north"),
    "variable named by a variable":      (a_placeholder("workspace_variable", variable_name=a_placeholder("workspace_variable", variable_name="which")), "north"),
    "unknown kind gives its value":      (a_placeholder("secret", value={"a": a_placeholder("none", value=1)}), {"a": a_placeholder("none", value=1)}),
    "unknown kind without value is null": (a_placeholder("secret", other=1), None),
    "null kind gives its value":         (a_placeholder(None, value=1), 1),
    "null kind without value is null":   (a_placeholder(None), None),
    "kind of no text gives its value":   (a_placeholder([{}], value=1), 1),
    "kind in other letters is unknown":  (a_placeholder("JSON", value="1"), "1"),
}

REFUSED = {
    "none without value":            (a_placeholder("none"), "Missing 'value' key in __prefect object"),
    "jinja without template":        (a_placeholder("jinja"), "Missing 'template' key in __prefect object"),
    "jinja whose template vanished": (a_placeholder("jinja", template=a_placeholder("json")), "Missing 'template' key in __prefect object"),
    "json that is none":             (a_placeholder("json", value="{"), "Invalid JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    "json of empty text":            (a_placeholder("json", value=""), "Invalid JSON: Expecting value: line 1 column 1 (char 0)"),
    "json of a number":              (a_placeholder("json", value=5), "Invalid JSON: the JSON object must be str, bytes or bytearray, not int"),
    "json of null":                  (a_placeholder("json", value=None), "Invalid JSON: the JSON object must be str, bytes or bytearray, not NoneType"),
    "json of an object":             (a_placeholder("json", value={"a": 1}), "Invalid JSON: the JSON object must be str, bytes or bytearray, not dict"),
    "json of NaN":                   (a_placeholder("json", value="[NaN]"), "Invalid JSON: NaN is not a finite number"),
    "json of minus infinity":        (a_placeholder("json", value="-Infinity"), "Invalid JSON: -Infinity is not a finite number"),
    "json beyond all floats":        (a_placeholder("json", value="1e999"), "Invalid JSON: 1e999 is not a finite number"),
    "json beyond all stacks":        (a_placeholder("json", value="[" * 100_000), "Invalid JSON: nested too deeply"),
    "jinja of wrong syntax":         (a_placeholder("jinja", template="{{ 1 +"), "Invalid jinja: unexpected 'end of template'"),
    "jinja of a number":             (a_placeholder("jinja", template=5), "Invalid jinja: the template is not a string"),
    "jinja of null":                 (a_placeholder("jinja", template=None), "Invalid jinja: the template is not a string"),
    "jinja of a list":               (a_placeholder("jinja", template=["{{ 1 }}"]), "Invalid jinja: the template is not a string"),
    "unknown variable":              (a_placeholder("workspace_variable", variable_name="south"), "Variable 'south' not found in workspace."),
    "variable of a number":          (a_placeholder("workspace_variable", variable_name=5), "Variable '5' not found in workspace."),
    "variable of a list":            (a_placeholder("workspace_variable", variable_name=["region"]), "Variable '['region']' not found in workspace."),
    "variable of null":              (a_placeholder("workspace_variable", variable_name=None), "Variable 'None' not found in workspace."),
}

VANISHING = {
    "json without value":                   a_placeholder("json"),
    "json whose value vanished":            a_placeholder("json", value=a_placeholder("json")),
    "variable without name":                a_placeholder("workspace_variable"),
    "variable whose name vanished":         a_placeholder("workspace_variable", variable_name=a_placeholder("json")),
    "none around what vanishes":            a_placeholder("none", value=a_placeholder("json")),
}
# fmt: on


@pytest.mark.parametrize(("placeholder", "value"), FILLED.values(), ids=FILLED)
def test_a_placeholder_becomes_its_value(placeholder: object, value: object) -> None:
    filled = hydrate({"entry": placeholder}, VARIABLES)

    assert filled == {"entry": value}
    assert type(filled["entry"]) is type(value)


@pytest.mark.parametrize(("placeholder", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_bad_placeholder_is_refused_with_its_reason(placeholder: object, reason: str) -> None:
    with pytest.raises(HydrationError) as refusal:
        hydrate({"list": [placeholder]}, VARIABLES)

    assert str(refusal.value) == reason


@pytest.mark.parametrize("placeholder", VANISHING.values(), ids=VANISHING)
def test_an_entry_without_operand_vanishes_from_its_parent(placeholder: object) -> None:
    value = {
        "object": {"gone": placeholder, "kept": 1},
        "list": [0, placeholder, 2],
        "x": placeholder,
    }

    assert hydrate(value, VARIABLES) == {"object": {"kept": 1}, "list": [0, 2]}


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        "",
        0,
        False,
        *VANISHING.values(),
        a_placeholder("json", value="null"),
        a_placeholder("json", value="[]"),
        a_placeholder("unknown"),
        a_placeholder("jinja", template="{{ nothing }}"),
    ],
    ids=repr,
)
def test_whatever_is_falsy_at_the_top_is_an_empty_input(value: object) -> None:
    assert hydrate(value, VARIABLES) == {}


@pytest.mark.parametrize(
    "value",
    [
        [1],
        5,
        "text",
        a_placeholder("json", value="[1]"),
        a_placeholder("jinja", template="{{ 1 }}"),
        a_placeholder("none", value=[1]),
    ],
    ids=repr,
)
def test_what_is_no_object_at_the_top_is_refused(value: object) -> None:
    with pytest.raises(HydrationError, match=r"^The run input is not a JSON object\.$"):
        hydrate(value, VARIABLES)


def test_a_placeholder_at_the_top_may_give_the_whole_input() -> None:
    value = a_placeholder("json", value='{"a": 1}')

    assert hydrate(value, {}) == {"a": 1}


def test_the_input_itself_is_not_changed() -> None:
    value = {"a": [a_placeholder("json", value="1"), a_placeholder("json")], "b": {"c": 1}}
    before = copy.deepcopy(value)

    hydrate(value, {})

    assert value == before


def test_an_input_without_placeholders_keeps_values_and_order() -> None:
    value = {"z": 2**70, "a": 1.0, "": ["", None, True, {"__prefect": 1}]}

    filled = hydrate(value, {})

    assert filled == value
    assert list(filled) == ["z", "a", ""]
    assert isinstance(filled["a"], float)


@pytest.mark.parametrize(
    "make",
    [
        lambda inner: {"a": inner},
        lambda inner: a_placeholder("unknown", value=inner),
        lambda inner: a_placeholder("none", value=inner),
    ],
    ids=["plain", "unknown kind", "none"],
)
@pytest.mark.parametrize("levels", [DEPTH_MAX, 10_000])
def test_an_input_that_nests_too_deeply_is_refused(make: object, levels: int) -> None:
    assert callable(make)

    with pytest.raises(HydrationError, match="nested more than 64 levels deep"):
        hydrate(make(nested(levels)), {})


def test_an_input_as_deep_as_allowed_is_filled() -> None:
    value = {"a": nested(DEPTH_MAX - 1)}

    assert hydrate(value, {}) == value


def test_parsed_json_may_not_nest_deeper_than_the_input_itself() -> None:
    value = {"a": a_placeholder("json", value=json.dumps(nested(DEPTH_MAX)))}

    with pytest.raises(HydrationError, match="nested more than 64 levels deep"):
        hydrate(value, {})


@pytest.mark.parametrize(
    "value",
    [
        {"a": "\ud800"},
        {"\udfff": 1},
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": {1, 2}},
        {"a": a_placeholder("json", value='"\\ud800"')},
        {"a": a_placeholder("jinja", template="{{ '\\ud800' }}")},
    ],
    ids=ascii,
)
def test_what_could_not_be_stored_as_json_is_refused(value: object) -> None:
    with pytest.raises(HydrationError, match=r"^The run input cannot be written as JSON: "):
        hydrate(value, {})


def test_a_reason_is_short_and_sendable_however_much_it_quotes() -> None:
    name = "\ud800" + "x" * 1_000_000

    with pytest.raises(HydrationError) as refusal:
        hydrate({"a": a_placeholder("workspace_variable", variable_name=name)}, {})

    reason = str(refusal.value)
    assert len(reason.encode()) <= REASON_LENGTH_MAX + 20
    assert reason.startswith("Variable '\\ud800xxx")
    assert reason.endswith("xxx' not found in workspace.")


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (None, False),
        ({"a": [1, {"b": "workspace_variable"}]}, False),
        ({"a": a_placeholder("json", value="workspace_variable")}, False),
        (a_placeholder("workspace_variable"), True),
        ({"a": [{"b": a_placeholder("workspace_variable", variable_name="x")}]}, True),
        (a_placeholder("jinja", template=a_placeholder("workspace_variable")), True),
        ([nested(10_000), a_placeholder("workspace_variable")], True),
    ],
    ids=["null", "as a value", "json", "top", "deep inside", "as an operand", "beside the abyss"],
)
def test_variables_are_needed_where_a_placeholder_names_one(value: object, *, answer: bool) -> None:
    assert variables_needed(value) is answer


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
KINDS: st.SearchStrategy[object] = st.sampled_from(
    ["none", "json", "jinja", "workspace_variable", "other", None, 1, [], {}]
)
TEXTS = st.sampled_from(["region", "1", "[1]", "{{ 1 }}", "{{", "{% for x in y %}", "{", "\ud800"])
PLACEHOLDERS = st.recursive(
    JSON_VALUES | TEXTS,
    lambda inner: (
        st.fixed_dictionaries(
            {"__prefect_kind": KINDS},
            optional={"value": inner, "template": inner, "variable_name": inner},
        )
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.lists(inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(value=PLACEHOLDERS)
def test_any_json_value_is_filled_or_refused(value: object) -> None:
    filled: object
    try:
        filled = hydrate(value, VARIABLES)
    except HydrationError as refusal:
        filled = str(refusal)

    assert json.loads(json.dumps(filled, allow_nan=False, ensure_ascii=False).encode()) == filled


@settings(deadline=None)
@given(value=PLACEHOLDERS)
def test_an_input_that_needs_no_variables_is_the_same_with_and_without(value: object) -> None:
    def outcome(variables: dict[str, str]) -> object:
        try:
            return hydrate(value, variables)
        except HydrationError as refusal:
            return str(refusal)

    if not variables_needed(value):
        assert outcome({}) == outcome(VARIABLES)
