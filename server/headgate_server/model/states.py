"""States: what a run is doing, as a value. Knows nothing of rules, storage or the wire."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec


class StateType(StrEnum):
    """The nine kinds of state. Names of states are free text; rules look at types."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CRASHED = "CRASHED"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"


ANY: Final = frozenset(StateType)
"""Every state type."""

TERMINAL: Final = frozenset(
    {StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED}
)
"""The types after which a run does no more work."""

DEFAULT_NAMES: Final[Mapping[StateType, str]] = {each: each.capitalize() for each in StateType}
"""The name a state bears when nobody chose one."""

SCHEDULED_NAME: Final = DEFAULT_NAMES[StateType.SCHEDULED]
LATE_NAME: Final = "Late"
AWAITING_RETRY_NAME: Final = "AwaitingRetry"
RESUMING_NAME: Final = "Resuming"
SUSPENDED_NAME: Final = "Suspended"
CACHED_NAME: Final = "Cached"
NOT_READY_NAME: Final = "NotReady"
RETRYING_NAME: Final = "Retrying"
RERUNNING_NAME: Final = "Rerunning"


class RunInputKeyset(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The input keys that belong to one pause."""

    schema: str | None = None
    """Key of the JSON schema that an answer must satisfy."""
    response: str | None = None
    """Key under which the answer is stored when the run is resumed."""
    description: str | None = None
    """Key of the text that tells a person what is asked."""

    def named(self) -> tuple[str, ...]:
        """Return the keys that are set."""
        return tuple(
            key for key in (self.schema, self.response, self.description) if key is not None
        )


class StateDetails(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What some states need to say besides their type and name."""

    task_run_id: str | None = None
    """For states of a task run: that task run. For states of a subflow run: the task run in the parent that stands for it."""
    scheduled_time: datetime | None = None
    """Earliest start. Always set on a SCHEDULED state."""
    pause_expire_time: datetime | None = None
    """When a pause expires; None means never."""
    pause_reschedule: bool = False
    """True for a suspension: the process ends, and resuming schedules the run anew."""
    pause_key: str | None = None
    """Names the pause, so that it fires once only."""
    run_input_keyset: RunInputKeyset | None = None
    """Present when the pause waits for an answer."""
    transition_id: str | None = None
    """Chosen by the proposer; a run accepts each id once."""
    child_flow_run_id: str | None = None
    """For states of a task run that stands for a subflow: the subflow run whose state it mirrors."""
    cache_key: str | None = None
    """For states of a task run: names a result that other task runs may take over."""
    cache_expire_time: datetime | None = None
    """Until when the result may be taken over; None means for ever."""
    refresh_cache: bool = False
    """True runs the task even if a result could be taken over."""
    retriable: bool | None = None
    """False forbids to answer this failure of a task run by a retry."""
    untrackable_result: bool = False
    """True when the result cannot be told apart from others, so that what depends on it is not known."""


class State(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One state of a run. States are never changed, only followed by another."""

    id: str
    type: StateType
    name: str
    timestamp: datetime
    version: int = 0
    """Position in the run's history, 1 for the first; 0 while only proposed."""
    message: str | None = None
    data_json: str | None = None
    """The result as JSON text; None when there is none or it was not read."""
    details: StateDetails = StateDetails()

    @property
    def is_terminal(self) -> bool:
        """Whether a run in this state does no more work."""
        return self.type in TERMINAL


class ProposedState(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A state somebody asks for. It has no id, time or version until it is written."""

    type: StateType
    name: str | None = None
    """None takes the default name of the type; an empty name is kept."""
    message: str | None = None
    data_json: str | None = None
    details: StateDetails = StateDetails()
