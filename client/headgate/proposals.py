"""Proposed states by name: `Completed(data=42)`, `AwaitingRetry(at)`, `Paused(timeout=60)`.

Each takes what every state has (`name`, `message`, `data`, `details`) and what is its own.
"""
# ruff: noqa: N802 - they read as the states they make

from dataclasses import replace
from datetime import UTC, datetime
from typing import TypedDict, Unpack

from headgate._spans import Span, to_timedelta
from headgate.states import Json, ProposedState, StateDetails, StateType


class CommonArguments(TypedDict, total=False):
    """What every proposed state takes, all optional."""

    name: str
    """The name of the state, instead of the one its maker gives."""
    message: str
    """What a person should know about the state."""
    data: Json
    """The result of the run."""
    details: StateDetails
    """What the state needs to say besides."""


def Scheduled(
    scheduled_time: datetime | None = None, **common: Unpack[CommonArguments]
) -> ProposedState:
    """Return a state that waits for its time.

    Args:
        scheduled_time: The earliest start, aware. None: when the server takes it.
        **common: `name`, `message`, `data` and `details`, as every state has.

    Raises:
        ValueError: `scheduled_time` is given here and in the details.
    """
    details = common.get("details", StateDetails())
    if scheduled_time is not None:
        if details.scheduled_time is not None:
            message = "scheduled_time stands beside the details and in them: give it once."
            raise ValueError(message)
        common["details"] = replace(details, scheduled_time=scheduled_time)
    return ProposedState(type=StateType.SCHEDULED, **common)


def AwaitingRetry(
    scheduled_time: datetime | None = None, **common: Unpack[CommonArguments]
) -> ProposedState:
    """Return a SCHEDULED state of a run that is to be tried again. Arguments as `Scheduled`."""
    return Scheduled(scheduled_time, **(CommonArguments(name="AwaitingRetry") | common))


def Late(
    scheduled_time: datetime | None = None, **common: Unpack[CommonArguments]
) -> ProposedState:
    """Return a SCHEDULED state of a run that should have started. Arguments as `Scheduled`."""
    return Scheduled(scheduled_time, **(CommonArguments(name="Late") | common))


def Pending(**common: Unpack[CommonArguments]) -> ProposedState:
    """Return a state of a run that somebody prepares to run."""
    return ProposedState(type=StateType.PENDING, **common)


def Running(**common: Unpack[CommonArguments]) -> ProposedState:
    """Return a state of a run that does its work."""
    return ProposedState(type=StateType.RUNNING, **common)


def Retrying(**common: Unpack[CommonArguments]) -> ProposedState:
    """Return a RUNNING state of a run that is tried again."""
    return Running(**(CommonArguments(name="Retrying") | common))


def Completed(**common: Unpack[CommonArguments]) -> ProposedState:
    """Return a state of a run that ended well."""
    return ProposedState(type=StateType.COMPLETED, **common)


def Failed(**common: Unpack[CommonArguments]) -> ProposedState:
    """Return a state of a run that ended with a failure of its own."""
    return ProposedState(type=StateType.FAILED, **common)


def Crashed(**common: Unpack[CommonArguments]) -> ProposedState:
    """Return a state of a run that was cut off by something outside it."""
    return ProposedState(type=StateType.CRASHED, **common)


def Cancelling(**common: Unpack[CommonArguments]) -> ProposedState:
    """Return a state of a run that was asked to stop."""
    return ProposedState(type=StateType.CANCELLING, **common)


def Cancelled(**common: Unpack[CommonArguments]) -> ProposedState:
    """Return a state of a run that was stopped on request."""
    return ProposedState(type=StateType.CANCELLED, **common)


def Paused(
    *,
    timeout: Span | None = None,
    pause_expire_time: datetime | None = None,
    reschedule: bool = False,
    pause_key: str = "",
    **common: Unpack[CommonArguments],
) -> ProposedState:
    """Return a state of a run that waits to be resumed.

    Args:
        timeout: How long the pause lasts at most, from now, in seconds or as a timedelta.
        pause_expire_time: When the pause expires, aware. With neither of the two it never does.
        reschedule: Whether resuming schedules the run anew, instead of going on in place.
        pause_key: Names the pause. Empty lets the server choose a key that never fired.
        **common: `name`, `message`, `data` and `details`, as every state has.

    Raises:
        ValueError: An end is given twice: as `timeout`, as `pause_expire_time` or in the details.
    """
    details = common.get("details", StateDetails())
    if sum(end is not None for end in (timeout, pause_expire_time, details.pause_expire_time)) > 1:
        message = "The end of a pause is given more than once: as timeout, time or detail."
        raise ValueError(message)
    if timeout is not None:
        pause_expire_time = datetime.now(UTC) + to_timedelta(timeout, "timeout")
    common["details"] = replace(
        details,
        pause_expire_time=pause_expire_time or details.pause_expire_time,
        pause_reschedule=reschedule or details.pause_reschedule,
        pause_key=pause_key or details.pause_key,
    )
    return ProposedState(type=StateType.PAUSED, **common)


def Suspended(
    *,
    timeout: Span | None = None,
    pause_expire_time: datetime | None = None,
    pause_key: str = "",
    **common: Unpack[CommonArguments],
) -> ProposedState:
    """Return a PAUSED state whose process ends and whose resume schedules the run anew.

    Arguments and errors are those of `Paused`.
    """
    return Paused(
        timeout=timeout,
        pause_expire_time=pause_expire_time,
        reschedule=True,
        pause_key=pause_key,
        **(CommonArguments(name="Suspended") | common),
    )
