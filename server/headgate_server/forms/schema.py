"""Hold an answer against the JSON schema (Draft 2020-12) that a paused run asked it to fit.

Schemas come from the programs that pause, answers from people. Neither is trusted to be well
formed: whatever they are, the outcome is silence or one of the four errors below, and nothing is
fetched from anywhere. Nor are they trusted to be quick: a `pattern` that backtracks for ever, or
references that double at each step, are given up when the time is over.
"""

from collections.abc import Iterable

from jsonschema.exceptions import ValidationError
from referencing.exceptions import Unresolvable
from referencing.jsonschema import Schema

from headgate_server.forms.bounded import find_fault_of_answer, find_fault_of_schema
from headgate_server.forms.budget import BUDGET_SECONDS, Budget, ValidationTooLongError
from headgate_server.forms.leniency import make_lenient, without_required
from headgate_server.forms.nesting import DEPTH_MAX, is_deeper_than
from headgate_server.forms.wording import shorten

__all__ = [
    "AnswerRefusedError",
    "CircularSchemaError",
    "SchemaInvalidError",
    "ValidationTooLongError",
    "check_answer",
    "check_schema",
]


class AnswerRefusedError(Exception):
    """The answer does not fit the schema. The text says where and why, for a person's eyes."""

    def __init__(self, place: str, reason: str) -> None:
        """Put the reason behind the words that clients know.

        Args:
            place: Where in the answer the fault is; empty for the answer as a whole.
            reason: What is wrong there.
        """
        where = f" for field '{place}'" if place else ""
        super().__init__(shorten(f"Validation failed{where}. Failure reason: {reason}"))


class CircularSchemaError(Exception):
    """The references in the schema lead round in circles."""

    def __init__(self) -> None:
        """Say so, in the words that clients know."""
        super().__init__("Invalid schema: Unable to validate schema with circular references.")


class SchemaInvalidError(Exception):
    """What is stored as a schema is none, or refers to something that is not in it."""

    def __init__(self, reason: str) -> None:
        """Put the reason behind the words that clients know."""
        super().__init__(shorten(f"Invalid schema: {reason}"))
        self.reason = shorten(reason)
        """What is wrong with it."""


def check_answer(
    schema: object,
    answer: object,
    *,
    ignore_required: bool = False,
    allow_none_with_default: bool = False,
    budget_seconds: float = BUDGET_SECONDS,
) -> None:
    """Pass in silence if an answer fits a schema.

    Optional properties without a default may also be null, and tuples may be written as lists of
    item schemas (see `make_lenient`). Formats are not enforced. Defaults are not filled in.

    Args:
        schema: The schema as parsed JSON. It is not changed.
        answer: The hydrated answer.
        ignore_required: Let every property be left out.
        allow_none_with_default: Let outermost properties that have a default be null as well.
        budget_seconds: How long the whole check may take.

    Raises:
        AnswerRefusedError: The answer does not fit, or nests more than `DEPTH_MAX` levels deep. Of
            several faults the text names the one that matters most.
        CircularSchemaError: Checking the answer came round to the same place for ever.
        SchemaInvalidError: The schema is no JSON schema, nests too deeply, or the answer leads to a
            reference that leads out of the schema.
        ValidationTooLongError: The check was not done when the time was over.
    """
    budget = Budget(budget_seconds)
    prepared = _prepare(
        schema,
        budget,
        ignore_required=ignore_required,
        allow_none_with_default=allow_none_with_default,
    )
    if is_deeper_than(answer, DEPTH_MAX):
        raise AnswerRefusedError("", f"It is nested more than {DEPTH_MAX} levels deep.")
    fault = _find_fault(prepared, answer, budget)
    if fault is not None:
        raise AnswerRefusedError(_place(fault.absolute_path), fault.message)


def check_schema(
    schema: object, *, is_lenient: bool = False, budget_seconds: float = BUDGET_SECONDS
) -> None:
    """Pass in silence if something is a JSON schema.

    Args:
        schema: The schema as parsed JSON. It is not changed.
        is_lenient: Take what `check_answer` takes for one; else it must be one just as it stands.
        budget_seconds: How long the check may take.

    Raises:
        SchemaInvalidError: It is none, or nests too deeply.
        ValidationTooLongError: The check was not done when the time was over.
    """
    try:
        _check(make_lenient(schema) if is_lenient else schema, Budget(budget_seconds))
    except RecursionError as error:
        raise SchemaInvalidError("It is nested too deeply.") from error


def _prepare(
    schema: object, budget: Budget, *, ignore_required: bool, allow_none_with_default: bool
) -> Schema:
    """Rewrite a schema as far as it must be, and see that it is one."""
    try:
        prepared = make_lenient(schema, allow_none_with_default=allow_none_with_default)
        if ignore_required:
            prepared = without_required(prepared)
        return _check(prepared, budget)
    except RecursionError as error:
        raise SchemaInvalidError("It is nested too deeply.") from error


def _check(schema: object, budget: Budget) -> Schema:
    if not isinstance(schema, dict | bool):
        raise SchemaInvalidError("It is neither an object nor a boolean.")
    try:
        fault = find_fault_of_schema(schema, budget)
    except (RecursionError, ValidationTooLongError):
        raise
    except Exception as error:  # a pattern beyond what the engine holds may raise anything
        raise SchemaInvalidError(str(error)) from error
    if fault is not None:
        place = _place(fault.absolute_path)
        message = f"{fault.message} (at '{place}')" if place else fault.message
        raise SchemaInvalidError(message)
    return schema


def _find_fault(schema: Schema, answer: object, budget: Budget) -> ValidationError | None:
    """Give the fault that matters most, if there is one."""
    try:
        return find_fault_of_answer(schema, answer, budget)
    except ValidationTooLongError:
        raise
    except RecursionError as error:
        raise CircularSchemaError from error
    except ArithmeticError as error:  # a number so large that it cannot be compared
        raise AnswerRefusedError("", str(error)) from error
    except Unresolvable as error:
        raise SchemaInvalidError(f"The reference '{error.ref}' leads nowhere.") from error
    except Exception as error:  # a reference into what is no schema may raise anything
        raise SchemaInvalidError(str(error)) from error


def _place(path: Iterable[str | int]) -> str:
    """Write a place in a JSON value as `name.name[index]`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")
