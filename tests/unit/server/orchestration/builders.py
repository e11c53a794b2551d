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
from headgate_server.orchestration.engine import Decision, orchestrate
from headgate_server.orchestration.policies import CORE_FLOW_POLICY, Policy

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
    policy: Policy = CORE_FLOW_POLICY,
    now: datetime = NOW,
    state_id: str = "a-new-state",
    repeats_a_transition: bool = False,
    **details: object,
) -> Decision:
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
