"""Outcomes: how the program ends, and which end each error is.

Errors are told by their names, which are the same in the client and in the server, so that knowing them costs no import.
"""

import re
from collections.abc import Iterator, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final, Self

import typer

USAGE_ERROR: Final[type[Exception]] = typer.BadParameter.__mro__[1]
"""What Typer raises for a command line that it does not understand."""


class ExitCode(IntEnum):
    """How the program ends."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        """Give each value its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    DONE = 0, "done"
    REFUSED = 1, "refused by a rule, or by what is stored"
    USAGE = 2, "wrong usage: a command, a setting or a request is not valid"
    NOT_FOUND = 3, "what was named does not exist"
    TIMED_OUT = 4, "the time was up first"
    UNSUCCESSFUL = 5, "a run that was waited for ended otherwise than COMPLETED"
    UNREACHABLE = 6, "the server or the database cannot be reached, or is too busy; try again"
    WRONG_SCHEMA = 7, "the schema of the database is older or newer than this program"
    ADDRESS_IN_USE = 8, "the address to listen on is taken"
    UNFORESEEN = 9, "something unforeseen went wrong, or the demo saw a promise broken"
    INTERRUPTED = 130, "interrupted by Ctrl-C"


class ProgramError(Exception):
    """The program cannot go on, for a reason that no other error names."""

    def __init__(self, message: str, code: ExitCode) -> None:
        """Keep how the program ends."""
        super().__init__(message)
        self.code = code


_BY_NAME: Final[Mapping[str, ExitCode]] = MappingProxyType(
    {
        # of this package
        "SettingsError": ExitCode.USAGE,
        "SchemaError": ExitCode.WRONG_SCHEMA,
        "AddressInUseError": ExitCode.ADDRESS_IN_USE,
        # of calls
        "InvalidRequestError": ExitCode.USAGE,
        "NotFoundError": ExitCode.NOT_FOUND,
        "AlreadyExistsError": ExitCode.REFUSED,
        "AbortedError": ExitCode.REFUSED,
        "FailedPreconditionError": ExitCode.REFUSED,
        "OutOfRangeError": ExitCode.REFUSED,
        "ResourceExhaustedError": ExitCode.REFUSED,
        "OverloadedError": ExitCode.UNREACHABLE,
        "SlowConsumerError": ExitCode.UNREACHABLE,
        "UnavailableError": ExitCode.UNREACHABLE,
        "DatabaseUnavailableError": ExitCode.UNREACHABLE,
        "UnimplementedError": ExitCode.USAGE,
        "DeadlineExceededError": ExitCode.TIMED_OUT,
        "UnauthenticatedError": ExitCode.REFUSED,
        "PermissionDeniedError": ExitCode.REFUSED,
        "InternalError": ExitCode.UNFORESEEN,
        "CallError": ExitCode.UNFORESEEN,
        # of the client's helpers
        "TransitionRefusedError": ExitCode.REFUSED,
        "NotPausedError": ExitCode.REFUSED,
        "FlowPauseTimeoutError": ExitCode.TIMED_OUT,
        "PauseEndedError": ExitCode.REFUSED,
        "FlowRunWaitTimeoutError": ExitCode.TIMED_OUT,
        "ReceiveTimeoutError": ExitCode.TIMED_OUT,
        "ValueError": ExitCode.USAGE,
    }
)


def exit_code(error: Exception) -> ExitCode:
    """Return how the program ends after an error."""
    if isinstance(error, ProgramError):
        return error.code
    if isinstance(error, USAGE_ERROR):
        return ExitCode.USAGE
    return next(_known(error), ExitCode.UNFORESEEN)


def is_expected(error: Exception) -> bool:
    """Tell whether an error is one that users may meet, and no fault of this program."""
    return isinstance(error, ProgramError | USAGE_ERROR) or any(True for _ in _known(error))


def _known(error: Exception) -> Iterator[ExitCode]:
    names = (kind.__name__ for kind in type(error).__mro__)
    return (_BY_NAME[name] for name in names if name in _BY_NAME)


def message(error: Exception) -> str:
    """Return what a person is told about an error."""
    own = getattr(error, "format_message", None)
    lines = [(own() if own else str(error)).strip() or reason(error)]
    lines += getattr(error, "__notes__", ())
    if error_id := getattr(error, "error_id", None):
        lines.append(f"The cause is in the server's log beside {error_id}.")
    return "\n  ".join(lines)


def as_json(error: Exception) -> dict[str, Any]:
    """Return what a program is told about an error."""
    own = getattr(error, "format_message", None)
    return {
        "error": {
            "exit_code": int(exit_code(error)),
            "reason": reason(error),
            "message": own() if own else str(error),
            "metadata": dict(getattr(error, "metadata", {})),
            "violations": list(getattr(error, "violations", ())),
        }
    }


def reason(error: Exception) -> str:
    """Return the name of an error: its `ErrorReason`, or the name of its class in the same form."""
    told = getattr(error, "reason", None)
    name = type(error).__name__.removesuffix("Error")
    return told if isinstance(told, str) else re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


def table() -> list[str]:
    """Return the exit codes with their meanings, one line each."""
    return [f"{code.value:>3}  {code.meaning}" for code in ExitCode]
