"""Schemas that callers want to have kept: one that could never be used is refused before it is.

What only shows when something is held against a schema, as a reference that leads nowhere does, is not looked for.
"""

import json
from typing import Final

from headgate_server.forms.schema import SchemaInvalidError, ValidationTooLongError, check_schema

__all__ = ["fault_in_parameter_schema", "fault_in_template"]

_TOO_MANY_DIGITS: Final = "must have no number of more digits than can be read"


def fault_in_parameter_schema(text: str) -> str | None:
    """Say what keeps a JSON text from being a schema of parameters, or None if it is one."""
    try:
        fault = _fault_in(json.loads(text), is_lenient=True)
    except ValueError:
        return _TOO_MANY_DIGITS
    return fault and f"must be a JSON schema (Draft 2020-12): {fault}"


def fault_in_template(text: str) -> str | None:
    """Say what keeps the `variables` of a base job template from being a schema, or None if they are one."""
    try:
        fault = _fault_in(json.loads(text).get("variables", {}), is_lenient=False)
    except ValueError:
        return _TOO_MANY_DIGITS
    return fault and f"must have a JSON schema (Draft 2020-12) as its `variables`: {fault}"


def _fault_in(schema: object, *, is_lenient: bool) -> str | None:
    """Say what keeps a value from being a schema, or None if it is one or if that takes too long to find out."""
    try:
        check_schema(schema, is_lenient=is_lenient)
    except SchemaInvalidError as error:
        return error.reason
    except ValidationTooLongError:
        return None
    return None
