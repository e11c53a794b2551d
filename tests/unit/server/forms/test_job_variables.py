"""Job variables against the template of a work pool: whose values count, and what is required."""

from typing import Any

import pytest

from headgate_server.forms.job_variables import JobVariablesRefusedError, check_job_variables


def template(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """Return a template whose variables have these properties."""
    variables = {"properties": properties, "required": list(required)}
    return {"job_configuration": {}, "variables": variables}


NUMBER = {"type": "integer"}

# fmt: off
FITS = {
    "no template":               ({}, {"a": 1}),
    "no variables":              ({"job_configuration": {}}, {"a": 1}),
    "empty variables":           ({"variables": {}}, {"a": 1}),
    "what the schema allows":    (template(a=NUMBER), {"a": 1}),
    "what the schema ignores":   (template(a=NUMBER), {"b": "x"}),
    "required and given":        (template(("a",), a=NUMBER), {"a": 1}),
    "required with a default":   (template(("a",), a=NUMBER | {"default": 1}), {}),
    "null in place of a default": (template(a=NUMBER | {"default": 1}), {"a": None}),
    "required, but a default is wrong": (template(("a", "b"), a=NUMBER, b=NUMBER | {"default": "x"}), {}),
    "required, but a default is a document": (template(("a",), a=NUMBER, b={"type": "object", "default": {"$ref": {"block_document_id": "x"}}}), {}),
}
REFUSED = {
    "wrong type":                (template(a=NUMBER), {"a": "1"}, "Validation failed for field 'a'."),
    "required and missing":      (template(("a",), a=NUMBER), {}, "'a' is a required property"),
    "null though required":      (template(("a",), a=NUMBER), {"a": None}, "None is not of type 'integer'"),
    "no schema":                 ({"variables": {"type": 1}}, {}, "Invalid schema: "),
    "neither object nor boolean": ({"variables": "x"}, {}, "Invalid schema: "),
    "a list of item schemas":    ({"variables": {"properties": {"a": {"items": [NUMBER]}}}}, {}, "Invalid schema: "),
    "circular":                  ({"variables": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}}, {}, "circular references"),
}
# fmt: on


@pytest.mark.parametrize(("template_", "given"), FITS.values(), ids=FITS)
def test_what_fits_passes_in_silence(template_: object, given: dict[str, object]) -> None:
    check_job_variables(template_, given)


@pytest.mark.parametrize(("template_", "given", "text"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_with_a_reason(
    template_: object, given: dict[str, object], text: str
) -> None:
    with pytest.raises(JobVariablesRefusedError, match=text):
        check_job_variables(template_, given)


def test_the_last_of_those_given_wins() -> None:
    check_job_variables(template(a=NUMBER), {"a": "x"}, {"a": 1})

    with pytest.raises(JobVariablesRefusedError):
        check_job_variables(template(a=NUMBER), {"a": 1}, {"a": "x"})
