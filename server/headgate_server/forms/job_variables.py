"""Hold job variables against the template of the work pool that they are for."""

from collections.abc import Mapping
from typing import Any

from headgate_server.forms.schema import (
    AnswerRefusedError,
    CircularSchemaError,
    SchemaInvalidError,
    ValidationTooLongError,
    check_answer,
    check_schema,
)

__all__ = ["JobVariablesRefusedError", "check_job_variables"]


class JobVariablesRefusedError(Exception):
    """The job variables do not fit. The text says where and why, for a person's eyes."""


def check_job_variables(template: object, *given: Mapping[str, object]) -> None:
    """Pass in silence if job variables fit the schema in a base job template.

    Defaults of the schema come first. One that does not fit the schema itself is passed over, and then nothing is required:
    whoever wrote the template cannot have meant all of it.

    Args:
        template: The base job template as parsed JSON. Without `variables` in it everything fits.
        given: The job variables, those of the deployment before those of the run; the last one wins.

    Raises:
        JobVariablesRefusedError: They do not fit, or the schema cannot be used.
    """
    schema = template.get("variables") if isinstance(template, dict) else None
    if not schema:
        return
    try:
        check_schema(schema)
        defaults, are_all_good = _good_defaults(schema)
        candidate: dict[str, object] = dict(defaults)
        for variables in given:
            candidate |= variables
        check_answer(
            schema, candidate, ignore_required=not are_all_good, allow_none_with_default=True
        )
    except (
        AnswerRefusedError,
        CircularSchemaError,
        SchemaInvalidError,
        ValidationTooLongError,
    ) as error:
        raise JobVariablesRefusedError(str(error)) from error


def _good_defaults(schema: Any) -> tuple[dict[str, object], bool]:
    """Return the defaults of a schema that fit it, and whether those are all."""
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    defaults = {
        name: each["default"]
        for name, each in properties.items()
        if isinstance(each, dict) and "default" in each
    }
    good = {name: value for name, value in defaults.items() if _fits(schema, name, value)}
    return good, len(good) == len(defaults)


def _fits(schema: object, name: str, default: object) -> bool:
    """Return whether a default fits its schema, taken alone."""
    if isinstance(default, dict) and isinstance(default.get("$ref"), dict):
        return False  # it refers to a kind of document that is not kept here
    try:
        check_answer(schema, {name: default}, ignore_required=True)
    except AnswerRefusedError:
        return False
    return True
