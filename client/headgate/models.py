"""What the service keeps and answers, as values: flows, flow runs, inputs, variables, verdicts.

Everything is frozen. Times are aware datetimes in UTC, spans are timedeltas, ids are UUIDs, JSON is
Python values. Knows nothing of the wire.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Generic, TypeAlias, TypeVar
from uuid import UUID

from headgate.enums import DatabaseKind, RetryType, VerdictStatus
from headgate.states import Json, State

ItemT = TypeVar("ItemT")

Id: TypeAlias = UUID | str
"""An id, as a UUID or as its text in any spelling."""


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "UNSET"


UNSET: Final = Unset.UNSET
"""Stands for a field that an update leaves as it is, where None would clear it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[ItemT]):
    """Some items of a list."""

    items: tuple[ItemT, ...]
    """The items, in the order asked for."""
    next_page_token: str = ""
    """Asks for the next page. Empty only at the end of the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A workflow that can be run."""

    id: UUID
    """The id of the flow."""
    name: str
    """The name of the flow, unique."""
    tags: tuple[str, ...]
    """Labels for finding flows, in the order given."""
    create_time: datetime
    """When the flow was created."""
    update_time: datetime
    """When the flow was last changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedFlow:
    """The answer to creating a flow."""

    flow: Flow
    """The flow as it now stands."""
    created: bool
    """Whether this call created it; false if the name was there before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRunPolicy:
    """The retries of a run, and what the server remembers of its pauses."""

    retries: int | None = None
    """How often a failure is answered by a retry. None: never."""
    retry_delay: timedelta | None = None
    """The time between a failure and the next attempt. None: none."""
    pause_keys: tuple[str, ...] = ()
    """Keys of the pauses that have fired in this attempt, sorted."""
    resuming: bool = False
    """Whether the next RUNNING continues a paused run."""
    retry_type: RetryType | None = None
    """Who brings the run back after a retry was granted. None: no retry is in progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRun:
    """One execution of a flow, with its current state."""

    id: UUID
    """The id of the run. Ids increase with the time of creation."""
    flow_id: UUID
    """The flow that is run."""
    name: str
    """The name of the run. Not unique."""
    create_time: datetime
    """When the run was created."""
    update_time: datetime
    """When the run was last changed, by a state or by an update."""
    version: int
    """How many states were written: 0 before the first, then the version of the current state."""
    state: State | None = None
    """The current state. None only for a run without any state."""
    flow_version: str | None = None
    """The version of the flow's code."""
    deployment_id: UUID | None = None
    """The deployment the run belongs to; it may no longer exist."""
    deployment_version: str | None = None
    """The version of the deployment when the run was created."""
    work_queue_name: str | None = None
    """The name of the work queue that the run was sent to."""
    work_queue_id: UUID | None = None
    """The work queue that the run waits in. None: there is none, or no longer."""
    work_pool_name: str | None = None
    """The name of the work pool that the queue belongs to."""
    parent_task_run_id: UUID | None = None
    """For a subflow run: the task run in the parent run that stands for it."""
    idempotency_key: str | None = None
    """The key that makes creating the run idempotent."""
    tags: tuple[str, ...] = ()
    """Labels for finding runs, in the order given."""
    policy: FlowRunPolicy = FlowRunPolicy()
    """Retries of the run, and what the server remembers of its pauses."""
    run_count: int = 0
    """How often the run entered RUNNING. Resuming a paused run does not count."""
    expected_start_time: datetime | None = None
    """When the run was first expected to start."""
    next_scheduled_start_time: datetime | None = None
    """When the run is due. Set only while the run is SCHEDULED."""
    start_time: datetime | None = None
    """When the run first entered RUNNING."""
    end_time: datetime | None = None
    """When the run ended. Set only on started runs in a terminal state."""
    total_run_time: timedelta = timedelta()
    """The time spent in RUNNING states that have ended."""
    estimated_run_time: timedelta = timedelta()
    """`total_run_time`, plus the time since the current state began if that is RUNNING."""
    estimated_start_time_delta: timedelta = timedelta()
    """How late the run started, or how late it is by now; never negative."""
    auto_scheduled: bool = False
    """Whether a scheduler made the run."""
    infrastructure_pid: str | None = None
    """How the infrastructure that runs it names the run, for example a process id."""
    parameters: dict[str, Json] | None = field(default=None, hash=False)
    """The parameters of the run. None in BASIC views."""
    context: dict[str, Json] | None = field(default=None, hash=False)
    """Free facts about the run. None in BASIC views."""
    job_variables: dict[str, Json] | None = field(default=None, hash=False)
    """Settings for the infrastructure that runs it. None in BASIC views."""

    @property
    def is_final(self) -> bool:
        """Whether the run does no more work. A run without a state has not even begun."""
        return self.state is not None and self.state.is_final


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedFlowRun:
    """The answer to creating a flow run."""

    flow_run: FlowRun
    """The run as it now stands, in FULL view."""
    created: bool
    """Whether this call created it; false if it held the idempotency key before."""
    revision: int
    """The revision of the change; 0 when nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatedFlowRun:
    """The answer to changing a flow run."""

    flow_run: FlowRun
    """The run as it now stands, in FULL view."""
    revision: int
    """The revision of the change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the rules said to a proposed state."""

    status: VerdictStatus
    """What the rules said."""
    state: State | None
    """The state that is now current: the proposed one, one in its place, or the one that stays."""
    version: int
    """The version of the run: how many states were written."""
    reason: str = ""
    """Why the proposed state was not written, for a person. May be empty."""
    delay: timedelta | None = None
    """With WAIT: how long to wait before proposing again."""
    created: bool = False
    """Whether a state was written, the proposed one or another in its place."""
    revision: int = 0
    """The revision of the change; 0 when nothing was written."""

    @property
    def is_accepted(self) -> bool:
        """Whether the proposed state was written."""
        return self.status is VerdictStatus.ACCEPT


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitedFlowRuns:
    """The answer to one wait for flow runs."""

    done: bool
    """Whether the wait is over. False means that the time was up first."""
    flow_runs: tuple[FlowRun, ...]
    """The runs as they now stand, in the order of the request, in BASIC view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRunInput:
    """A piece of JSON that was left with a flow run under a key."""

    id: UUID
    """The id of the input."""
    flow_run_id: UUID
    """The flow run that the input belongs to."""
    key: str
    """The key, unique within the run."""
    value: Json = field(hash=False)
    """The value."""
    create_time: datetime
    """When the input was created."""
    sender: str | None = None
    """Who left the input, free text; `headgate.flow-run.<id>` for another run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFlowRunInput:
    """An input that is to be created."""

    key: str
    """The key: lower-case letters, digits and dashes, at most 255 characters."""
    value: Json = field(hash=False)
    """The value, at most 1 MiB of JSON."""
    sender: str | None = None
    """Who leaves the input, free text of at most 255 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedFlowRunInput:
    """The answer to leaving an input."""

    input: FlowRunInput
    """The input."""
    revision: int
    """The revision of the change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyLimit:
    """A limit on how many task runs with a tag are RUNNING at once."""

    id: UUID
    """The id of the limit."""
    tag: str
    """The tag that the limit holds for, unique."""
    concurrency_limit: int
    """How many task runs may hold a slot at once. With 0 none can run."""
    create_time: datetime
    """When the limit was created."""
    update_time: datetime
    """When the limit was last set or its slots were reset."""
    active_slots: tuple[UUID, ...] = ()
    """The task runs that hold a slot, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedConcurrencyLimit:
    """The answer to setting a concurrency limit."""

    concurrency_limit: ConcurrencyLimit
    """The limit as it now stands."""
    created: bool
    """Whether this call created it; false if the tag had one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A text with a name that answers to pauses may refer to."""

    id: UUID
    """The id of the variable."""
    name: str
    """The name, unique."""
    value: str
    """The value."""
    tags: tuple[str, ...]
    """Labels, in the order given."""
    create_time: datetime
    """When the variable was created."""
    update_time: datetime
    """When the variable was last changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """The limits in force at a server."""

    max_message_bytes: int
    """Bytes in one message, in either direction."""
    max_json_bytes: int
    """Bytes in one JSON text."""
    max_name_characters: int
    """Characters in a key, a name or a tag."""
    max_tags: int
    """Tags on one flow, run or variable."""
    max_ids: int
    """Ids or other members in one list of a request."""
    max_page_size: int
    """Items on one page of a list. More are not refused but cut to this."""
    max_inputs: int
    """Inputs written with one state."""
    max_state_message_bytes: int
    """Bytes in the message of a state."""
    max_waiting_writes: int
    """Calls that may wait to be written."""
    request_id_window: timedelta
    """How long a request id is remembered."""
    history_retention: timedelta
    """How long changes are kept for watches to resume from."""
    max_wait: timedelta
    """The longest that one unary wait waits."""
    max_call: timedelta
    """The longest that one unary call may take, whatever its deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """What a server is and what it takes."""

    version: str
    """The version of the server, as in `0.1.0`."""
    capabilities: tuple[str, ...]
    """What the server can do beyond the first version of the contract, sorted."""
    limits: ServerLimits
    """The limits in force."""
    database_kind: DatabaseKind
    """Which database the server stands on."""
    head_revision: int
    """The revision of the newest change."""
    oldest_revision: int
    """The oldest revision after which a watch can still resume."""
    epoch: str
    """The identity of the database."""
    schema_revision: str
    """The revision of the database's schema."""
    watch_count: int = 0
    """How many watches the server serves now."""
