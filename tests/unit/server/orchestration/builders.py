"""Runs, their states and proposals for the tests of the rules, with all that goes unsaid plain."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import (
    DEFAULT_NAMES,
    ProposedState,
    State,
    StateDetails,
    StateType,
)
from headgate_server.model.task_runs import TaskRun
from headgate_server.orchestration.draft import TaskFacts
from headgate_server.orchestration.engine import (
    FlowDecision,
    TaskDecision,
    orchestrate,
    orchestrate_task,
)
from headgate_server.orchestration.policies import (
    CORE_FLOW_POLICY,
    CORE_TASK_POLICY,
    FlowPolicy,
    TaskPolicy,
)

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
"""When decisions are taken, unless a test says otherwise."""

A_MINUTE = timedelta(minutes=1)


def a_state(
    state_type: StateType,
    name: str | None = None,
    *,
    data_json: str | None = None,
    timestamp: datetime = NOW - A_MINUTE,
    **details: object,
) -> State:
    """Return a stored state, a minute old."""
    return State(
        id="a-state",
        type=state_type,
        name=DEFAULT_NAMES[state_type] if name is None else name,
        timestamp=timestamp,
        version=1,
        data_json=data_json,
        details=replace(StateDetails(), **details),
    )


def a_run(state: State | StateType | None, **fields: object) -> FlowRun:
    """Return a stored run with a deployment and a process, in the given state."""
    run = FlowRun(
        id="a-run",
        flow_id="a-flow",
        name="orderly-otter",
        create_time=NOW - timedelta(hours=1),
        update_time=NOW - A_MINUTE,
        version=0 if state is None else 1,
        state=a_state(state) if isinstance(state, StateType) else state,
        deployment_id="a-deployment",
        infrastructure_pid="a-process",
    )
    return replace(run, **fields)


def propose(
    run: FlowRun,
    state_type: StateType,
    name: str | None = None,
    *,
    message: str | None = None,
    data_json: str | None = None,
    policy: FlowPolicy = CORE_FLOW_POLICY,
    now: datetime = NOW,
    state_id: str = "a-new-state",
    repeats_a_transition: bool = False,
    **details: object,
) -> FlowDecision:
    """Propose a state for a run and return what becomes of it."""
    proposal = ProposedState(
        type=state_type,
        name=name,
        message=message,
        data_json=data_json,
        details=replace(StateDetails(), **details),
    )
    return orchestrate(
        run,
        proposal,
        policy=policy,
        now=now,
        state_id=state_id,
        repeats_a_transition=repeats_a_transition,
    )


def a_task_run(state: State | StateType | None, **fields: object) -> TaskRun:
    """Return a stored task run in the given state."""
    task_run = TaskRun(
        id="a-task-run",
        flow_run_id="a-run",
        task_key="a-task",
        dynamic_key="0",
        name="a-task-0",
        create_time=NOW - timedelta(hours=1),
        update_time=NOW - A_MINUTE,
        version=0 if state is None else 1,
        state=a_state(state) if isinstance(state, StateType) else state,
    )
    return replace(task_run, **fields)


def propose_task(
    task_run: TaskRun,
    state_type: StateType,
    name: str | None = None,
    *,
    message: str | None = None,
    data_json: str | None = None,
    policy: TaskPolicy = CORE_TASK_POLICY,
    facts: TaskFacts | None = None,
    now: datetime = NOW,
    repeats_a_transition: bool = False,
    **details: object,
) -> TaskDecision:
    """Propose a state for a task run, of a running flow run unless told otherwise, and return what becomes of it."""
    proposal = ProposedState(
        type=state_type,
        name=name,
        message=message,
        data_json=data_json,
        details=replace(StateDetails(), **details),
    )
    return orchestrate_task(
        task_run,
        proposal,
        facts=facts or TaskFacts(flow_run=a_run(StateType.RUNNING, run_count=1)),
        policy=policy,
        now=now,
        state_id="a-new-state",
        repeats_a_transition=repeats_a_transition,
    )
