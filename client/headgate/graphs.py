"""What a flow run did: its task runs and subflow runs, and which waited for the results of which."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from headgate.enums import GraphNodeKind
from headgate.states import State, StateType


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNode:
    """A task run or a subflow run in a graph."""

    kind: GraphNodeKind
    """What stands behind the node."""
    id: UUID
    """The id of the task run or of the subflow run."""
    label: str
    """The name of the task run; for a subflow run the names of its flow and of the run."""
    state_type: StateType | None
    """The type of the current state. None only for a subflow run without a state."""
    start_time: datetime
    """When it started, or when it was expected to if it has not."""
    end_time: datetime | None
    """When it ended. None until then."""
    parent_ids: tuple[UUID, ...] = ()
    """The nodes whose results it was given, in the order of nodes. With `since` some may be left out."""
    child_ids: tuple[UUID, ...] = ()
    """The nodes that were given its result, in the order of nodes. With `since` some may be left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphState:
    """A state of the flow run of a graph."""

    id: UUID
    """The id of the state."""
    type: StateType
    """The kind of state."""
    name: str
    """The name of the state."""
    timestamp: datetime
    """When the state was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRunGraph:
    """What a flow run did."""

    flow_run_id: UUID
    """The id of the flow run."""
    start_time: datetime | None
    """When the flow run started, or when it was expected to. None if neither is known."""
    end_time: datetime | None
    """When the flow run ended. None until then."""
    root_node_ids: tuple[UUID, ...]
    """The nodes that have no parents, in the order of nodes."""
    nodes: tuple[GraphNode, ...]
    """By start time, then by end time with those that have not ended last, then by id."""
    states: tuple[GraphState, ...]
    """The states of the flow run, from first to last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRunDependencies:
    """A task run with the task runs that it was given the results of."""

    task_run_id: UUID
    """The id of the task run."""
    name: str
    """The name of the task run."""
    state: State | None = None
    """The current state, without its data. None only for a task run without any state."""
    expected_start_time: datetime | None = None
    """When the task run was first expected to start."""
    start_time: datetime | None = None
    """When the task run first entered RUNNING."""
    end_time: datetime | None = None
    """When the task run ended."""
    total_run_time: timedelta = timedelta()
    """The time spent in RUNNING states that have ended."""
    estimated_run_time: timedelta = timedelta()
    """`total_run_time`, plus the time since the current state began if that is RUNNING."""
    untrackable_result: bool = False
    """Whether not all that depends on the result is known."""
    upstream_task_run_ids: tuple[UUID, ...] = ()
    """The task runs whose results it was given, ascending. They need not exist."""
