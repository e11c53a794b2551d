"""States of runs: what a run is in, and what somebody asks for it to be in.

Knows nothing of the wire and of the server.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias
from uuid import UUID

Json: TypeAlias = Any
"""Any JSON value as Python has it: dict, list, str, int, float, bool or None."""

JsonObject: TypeAlias = Mapping[str, Any]
"""A JSON object."""


class StateType(StrEnum):
    """The kind of a state. Rules look at types; names are free text."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CRASHED = "CRASHED"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"
    UNKNOWN = "UNKNOWN"
    """A kind that is newer than this client; `State.is_final` holds for it too. Never proposed."""


TERMINAL: Final = frozenset(
    {StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED}
)
"""The types after which a run does no more work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInputKeyset:
    """Tells which inputs belong to a pause. A pause that has one waits for an answer."""

    schema: str = ""
    """Key of the input that holds the JSON schema of the answer."""
    response: str = ""
    """Key under which the answer is stored when the run is resumed."""
    description: str = ""
    """Key of the input that tells a person what is asked."""

    @classmethod
    def for_pause(cls, state_name: str, pause_key: str) -> "RunInputKeyset":
        """Return the keyset that a state of this name and pause key has by convention."""
        base = f"{state_name.lower()}-{pause_key}"
        return cls(
            schema=f"{base}-schema",
            response=f"{base}-response",
            description=f"{base}-description",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDetails:
    """What some states need to say besides their type and name."""

    flow_run_id: UUID | None = None
    """The flow run of the state, or of the task run whose state it is. Set by the server."""
    task_run_id: UUID | None = None
    """The task run whose state it is, or that stands for the subflow run. Set by the server."""
    child_flow_run_id: UUID | None = None
    """The subflow run whose state this state of a task run mirrors. Set by the server."""
    scheduled_time: datetime | None = None
    """The earliest start of a SCHEDULED state. None: when the server takes it."""
    pause_expire_time: datetime | None = None
    """When a pause expires and the run fails. None: never."""
    pause_reschedule: bool = False
    """True for a suspension, whose resume schedules the run anew; false for a pause in place."""
    pause_key: str = ""
    """Names the pause. Empty lets the server choose a key that never fired."""
    run_input_keyset: RunInputKeyset | None = None
    """The inputs that belong to this pause. None: it waits for no answer."""
    transition_id: UUID | None = None
    """Names one logical transition, which a run makes once. None lets the client choose."""
    cache_key: str = ""
    """Names a result that task runs share. Empty: none."""
    cache_expire_time: datetime | None = None
    """Until when the result of a COMPLETED state is kept under its `cache_key`. None: for ever."""
    refresh_cache: bool = False
    """For RUNNING: run the task even if a result is kept under the `cache_key`."""
    retriable: bool | None = None
    """For FAILED: false forbids to answer it by a retry. None leaves that to the policy."""
    untrackable_result: bool = False
    """Whether the result cannot be told apart from others, so that dependants are not known."""


class _HasType:
    """What follows from the type of a state alone."""

    __slots__ = ()

    type: StateType

    @property
    def is_scheduled(self) -> bool:
        """Whether the run waits for its scheduled time."""
        return self.type is StateType.SCHEDULED

    @property
    def is_pending(self) -> bool:
        """Whether somebody prepares to run the run."""
        return self.type is StateType.PENDING

    @property
    def is_running(self) -> bool:
        """Whether the run does its work."""
        return self.type is StateType.RUNNING

    @property
    def is_completed(self) -> bool:
        """Whether the run ended well."""
        return self.type is StateType.COMPLETED

    @property
    def is_failed(self) -> bool:
        """Whether the run ended with a failure of its own."""
        return self.type is StateType.FAILED

    @property
    def is_crashed(self) -> bool:
        """Whether the run was cut off by something outside it."""
        return self.type is StateType.CRASHED

    @property
    def is_cancelled(self) -> bool:
        """Whether the run was stopped on request."""
        return self.type is StateType.CANCELLED

    @property
    def is_cancelling(self) -> bool:
        """Whether the run was asked to stop and has not stopped yet."""
        return self.type is StateType.CANCELLING

    @property
    def is_paused(self) -> bool:
        """Whether the run waits to be resumed, suspended or in place."""
        return self.type is StateType.PAUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class State(_HasType):
    """One state of a run, as written. States are never changed, only followed by another.

    The text form is `Name('message', type=TYPE)`, without what says nothing new: `Completed()`,
    `Suspended(type=PAUSED)`, `TimedOut('Took too long.', type=FAILED)`.
    """

    id: UUID
    """The id of the state."""
    type: StateType
    """The kind of state."""
    name: str
    """The name of the state, by convention CamelCase such as `AwaitingRetry`."""
    timestamp: datetime
    """When the state was written, in UTC. Strictly increasing within a run."""
    version: int
    """The position of the state in the run's history: 1, 2, 3 and so on without a gap."""
    is_terminal: bool
    """Whether a run in this state does no more work. Told by the server, also for unknown types."""
    message: str | None = None
    """What a person should know about the state."""
    data: Json = field(default=None, hash=False)
    """The result of the run. None if there is none, in BASIC views and in events of a watch."""
    details: StateDetails = StateDetails()
    """What some states need to say besides."""

    @property
    def is_final(self) -> bool:
        """Whether a run in this state does no more work."""
        return self.is_terminal

    def __str__(self) -> str:
        """Return the text form."""
        return _text(self.name, self.message, self.type)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedState(_HasType):
    """A state somebody asks for. The server adds id, time and version when it is written."""

    type: StateType
    """The kind of state."""
    name: str | None = None
    """The name of the state. None: the type's own name. At most 255 characters."""
    message: str | None = None
    """What a person should know about the state. At most 64 KiB."""
    data: Json = field(default=None, hash=False)
    """The result of the run, at most 1 MiB of JSON. None: no result."""
    details: StateDetails = StateDetails()
    """What the state needs to say besides."""

    @property
    def is_final(self) -> bool:
        """Whether a run in this state does no more work."""
        return self.type in TERMINAL

    def __str__(self) -> str:
        """Return the text form."""
        name = self.type.capitalize() if self.name is None else self.name
        return _text(name, self.message, self.type)


def _text(name: str, message: str | None, kind: StateType) -> str:
    parts = [repr(message)] if message else []
    if name.casefold() != kind.casefold():
        parts.append(f"type={kind}")
    return f"{name}({', '.join(parts)})"
