"""Flows, runs, states and inputs as they are stored, with all that goes unsaid plain."""

from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec.structs import replace

from headgate_server.model.concurrency_limits import ConcurrencyLimit
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.ids import new_id
from headgate_server.model.inputs import FlowRunInput
from headgate_server.model.names import random_name
from headgate_server.model.states import DEFAULT_NAMES, State, StateDetails, StateType
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.variables import Variable

NOW: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)
"""The time at which the fake clock begins."""


def a_flow(**fields: object) -> Flow:
    """Return a flow with a name of its own."""
    return replace(
        Flow(id=new_id(), name=random_name(), create_time=NOW, update_time=NOW), **fields
    )


def a_state(state_type: StateType, name: str | None = None, **fields: object) -> State:
    """Return a state written now, the first of its run."""
    details = StateDetails(scheduled_time=NOW if state_type is StateType.SCHEDULED else None)
    state = State(
        id=new_id(),
        type=state_type,
        name=DEFAULT_NAMES[state_type] if name is None else name,
        timestamp=NOW,
        version=1,
        details=details,
    )
    return replace(state, **fields)


def a_flow_run(flow: Flow, state: State | StateType | None = None, **fields: object) -> FlowRun:
    """Return a run of a flow in FULL view, with at most one state."""
    held = a_state(state) if isinstance(state, StateType) else state
    run = FlowRun(
        id=new_id(),
        flow_id=flow.id,
        name=random_name(),
        create_time=NOW,
        update_time=NOW,
        version=0 if held is None else held.version,
        state=held,
        start_time=NOW if held is not None and held.type is StateType.RUNNING else None,
        end_time=NOW if held is not None and held.is_terminal else None,
        total_run_time=timedelta(),
        parameters_json="{}",
        context_json="{}",
        job_variables_json="{}",
    )
    return replace(run, **fields)


def a_task_run(
    flow_run: FlowRun, state: State | StateType | None = None, **fields: object
) -> TaskRun:
    """Return a task run of a flow run, with at most one state."""
    held = a_state(state) if isinstance(state, StateType) else state
    task_run_id = new_id()
    task_run = TaskRun(
        id=task_run_id,
        flow_run_id=flow_run.id,
        task_key="task",
        dynamic_key=task_run_id,
        name=random_name(),
        create_time=NOW,
        update_time=NOW,
        version=0 if held is None else held.version,
        state=held,
        run_count=int(held is not None and held.type is StateType.RUNNING),
        start_time=NOW if held is not None and held.type is StateType.RUNNING else None,
    )
    return replace(task_run, **fields)


def a_limit(tag: str, slots: int) -> ConcurrencyLimit:
    """Return a limit on the task runs with a tag."""
    return ConcurrencyLimit(
        id=new_id(), tag=tag, concurrency_limit=slots, create_time=NOW, update_time=NOW
    )


def an_input(run: FlowRun, key: str, **fields: object) -> FlowRunInput:
    """Return an input of a run."""
    made = FlowRunInput(
        id=new_id(), flow_run_id=run.id, key=key, value_json='"value"', create_time=NOW
    )
    return replace(made, **fields)


def a_variable(name: str, **fields: object) -> Variable:
    """Return a variable."""
    made = Variable(id=new_id(), name=name, value="value", create_time=NOW, update_time=NOW)
    return replace(made, **fields)
