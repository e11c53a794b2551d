import json
from collections.abc import Iterator

import pytest
import typer
from grpc import StatusCode

from headgate import errors as client_errors
from headgate.errors import (
    CallError,
    FieldViolation,
    FlowRunNotFoundError,
    FlowRunWaitTimeoutError,
    HeadgateError,
    InvalidRequestError,
    OverloadedError,
    PauseRefusedError,
)
from headgate_server.app import AddressInUseError
from headgate_server.cli import outcomes
from headgate_server.cli.outcomes import (
    ExitCode,
    ProgramError,
    as_json,
    exit_code,
    is_expected,
    message,
)
from headgate_server.cli.output import to_json
from headgate_server.model.errors import DatabaseUnavailableError
from headgate_server.settings import SettingsError
from headgate_server.storage.schema import SchemaNewerError, SchemaOlderError


def descendants(kind: type[Exception]) -> Iterator[type[Exception]]:
    for each in kind.__subclasses__():
        yield each
        yield from descendants(each)


NEVER_MET = {"ClientClosedError"}
"""What only a fault of ours could bring about."""


@pytest.mark.parametrize(
    "kind",
    [each for each in descendants(HeadgateError) if each.__name__ not in NEVER_MET],
    ids=lambda kind: kind.__name__,
)
def test_every_error_of_the_client_is_one_that_users_may_meet(kind: type[Exception]) -> None:
    error = kind.__new__(kind)

    assert is_expected(error)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("late_after"), ExitCode.USAGE),
        (SchemaNewerError("9999"), ExitCode.WRONG_SCHEMA),
        (SchemaOlderError(None), ExitCode.WRONG_SCHEMA),
        (AddressInUseError("Cannot listen."), ExitCode.ADDRESS_IN_USE),
        (DatabaseUnavailableError(), ExitCode.UNREACHABLE),
        (ProgramError("No.", ExitCode.NOT_FOUND), ExitCode.NOT_FOUND),
        (typer.BadParameter("No."), ExitCode.USAGE),
        (FlowRunNotFoundError("No."), ExitCode.NOT_FOUND),
        (OverloadedError("No."), ExitCode.UNREACHABLE),
        (FlowRunWaitTimeoutError((), 1), ExitCode.TIMED_OUT),
        (CallError("No.", code=StatusCode.UNKNOWN), ExitCode.UNFORESEEN),
        (ValueError("No."), ExitCode.USAGE),
        (KeyError("a fault of ours"), ExitCode.UNFORESEEN),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.name,
)
def test_each_error_ends_the_program_in_its_way(error: Exception, code: ExitCode) -> None:
    assert exit_code(error) is code


def test_only_a_fault_of_the_program_itself_is_unexpected() -> None:
    assert not is_expected(KeyError("a fault of ours"))
    assert is_expected(ProgramError("The demo saw a promise broken.", ExitCode.UNFORESEEN))


def test_every_name_in_the_table_is_that_of_a_known_error() -> None:
    ours = {"SettingsError", "SchemaError", "AddressInUseError", "ValueError"}

    assert all(hasattr(client_errors, name) for name in set(outcomes._BY_NAME) - ours)


def test_an_error_tells_a_program_all_that_is_known_of_it() -> None:
    error = InvalidRequestError(
        "The request is not valid.",
        reason="INVALID_REQUEST",
        metadata={"limit": "255"},
        violations=(FieldViolation(field="name", description="is too long"),),
    )

    assert json.loads(to_json(as_json(error))) == {
        "error": {
            "exit_code": 2,
            "reason": "INVALID_REQUEST",
            "message": "The request is not valid.",
            "metadata": {"limit": "255"},
            "violations": [{"field": "name", "description": "is too long"}],
        }
    }


def test_an_error_tells_a_person_every_field_that_is_wrong() -> None:
    violations = (
        FieldViolation(field="name", description="is too long"),
        FieldViolation(field="tags[3]", description="is empty"),
    )

    told = message(InvalidRequestError("The request is not valid.", violations=violations))

    assert told.splitlines() == [
        "The request is not valid.",
        "  name: is too long",
        "  tags[3]: is empty",
    ]


def test_an_error_without_a_reason_of_the_contract_is_told_by_its_name() -> None:
    assert outcomes.reason(PauseRefusedError.__new__(PauseRefusedError)) == "PAUSE_REFUSED"


def test_the_exit_codes_are_documented_and_distinct() -> None:
    lines = outcomes.table()

    assert len(lines) == len(ExitCode)
    assert lines[0] == "  0  done"
    assert lines[-1].startswith("130  ")
