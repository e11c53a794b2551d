"""Runs whose times are exactly those that a test asks about, put into the database past the rules."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.states import State, StateType
from headgate_server.model.task_runs import TaskInput, TaskInputKind, TaskRun
from headgate_server.storage import flow_runs, task_runs
from headgate_server.storage import flows as stored_flows
from tests import builders
from tests.builders import NOW
from tests.service.seeds import write
from tests.service.world import when

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


def a_task_run(
    flow_run: FlowRun, state: State | StateType | None = None, **fields: object
) -> TaskRun:
    """Return a task run of a flow run that was expected now and has not started."""
    usual = {"name": "task", "expected_start_time": NOW, "start_time": None}
    return builders.a_task_run(flow_run, state, **(usual | fields))


def given(*task_run_ids: str, parameter: str = "x") -> dict[str, tuple[TaskInput, ...]]:
    """Return the inputs of a task run that one parameter was given the results of these task runs."""
    return {
        parameter: tuple(
            TaskInput(kind=TaskInputKind.TASK_RUN, value=each) for each in task_run_ids
        )
    }


async def store(
    app: App,
    *,
    flows: Sequence[Flow] = (),
    runs: Sequence[FlowRun] = (),
    tasks: Sequence[TaskRun] = (),
    subflow_runs: Sequence[FlowRun] = (),
) -> None:
    """Store flows, runs with their current states, their task runs, and the runs that these stand for."""

    def insert(conn: Connection) -> None:
        stored_flows.insert_or_get(conn, {flow.name: flow for flow in flows})
        _insert_runs(conn, runs)
        task_runs.insert(conn, tasks)
        task_runs.insert_states(conn, [(each.id, each.state) for each in tasks if each.state])
        _insert_runs(conn, subflow_runs)

    await write(app, insert)


def _insert_runs(conn: Connection, runs: Sequence[FlowRun]) -> None:
    flow_runs.insert(conn, runs)
    flow_runs.insert_states(conn, [(run.id, run.state) for run in runs if run.state])


Counted = tuple[str, str, int, timedelta, timedelta]
"""The type and name of a state, how many runs are in it, the sum of their run times, and that of their lateness."""


def counted(
    response: pb.GetFlowRunHistoryResponse | pb.GetTaskRunHistoryResponse,
) -> list[list[Counted]]:
    """Return what a history says of each interval."""
    return [
        [
            (
                pb.StateType.Name(state.state_type).removeprefix("STATE_TYPE_"),
                state.state_name,
                state.count_runs,
                state.sum_estimated_run_time.ToTimedelta(),
                state.sum_estimated_lateness.ToTimedelta(),
            )
            for state in interval.states
        ]
        for interval in response.intervals
    ]


def bounds(
    response: pb.GetFlowRunHistoryResponse | pb.GetTaskRunHistoryResponse,
) -> list[tuple[datetime, datetime]]:
    """Return when the intervals of a history begin and end."""
    return [(when(each.start_time), when(each.end_time)) for each in response.intervals]
