"""What histories, lateness and graphs are, said once more in plain Python over a world that is held whole."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final, NamedTuple

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import StateType
from headgate_server.model.task_runs import TaskInputKind, TaskRun
from tests.model.worlds import World

_NONE: Final = timedelta()
_MICROSECOND: Final = timedelta(microseconds=1)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
_TERMINAL: Final = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")

Interval = tuple[datetime, datetime, list[tuple[str, str, int, timedelta, timedelta]]]
"""When an interval begins and ends, and for each state its type, its name, how many runs, their run time and lateness."""


class Node(NamedTuple):
    """A node of a graph."""

    kind: str
    id: str
    label: str
    state_type: str | None
    start: datetime
    end: datetime | None
    parents: list[str]
    children: list[str]


def history(
    runs: Iterable[FlowRun | TaskRun],
    start: datetime,
    end: datetime,
    interval: timedelta,
    now: datetime,
) -> list[Interval]:
    """Return the history of runs, interval by interval."""
    intervals: list[Interval] = []
    begin = start
    while begin < end and len(intervals) < 500:
        within = [
            run
            for run in runs
            if run.expected_start_time is not None
            and begin <= run.expected_start_time < begin + interval
        ]
        kinds = sorted({_kind(run) for run in within})
        counted = []
        for kind in kinds:
            alike = [run for run in within if _kind(run) == kind]
            run_time = sum((_run_time(run, now) for run in alike), _NONE)
            late = sum((lateness(run, now) for run in alike), _NONE)
            counted.append((*kind, len(alike), run_time, late))
        intervals.append((begin, begin + interval, counted))
        begin += interval
    return intervals


def average_lateness(runs: Sequence[FlowRun], now: datetime) -> timedelta | None:
    """Return the mean lateness of runs to the nearest microsecond, half of one counted as a whole."""
    if not runs:
        return None
    total = sum((lateness(run, now) for run in runs), _NONE)
    mean = Fraction(total // _MICROSECOND, len(runs))
    return timedelta(microseconds=int(mean + Fraction(1, 2)))


def lateness(run: FlowRun | TaskRun, now: datetime) -> timedelta:
    """Return how late a run started, or is."""
    if run.expected_start_time is None:
        return _NONE
    if run.start_time is not None:
        return max(run.start_time - run.expected_start_time, _NONE)
    if run.state is not None and run.state.type in _TERMINAL:
        return _NONE
    return max(now - run.expected_start_time, _NONE)


def graph(world: World, run: FlowRun, since: datetime | None) -> list[Node]:
    """Return the nodes of the graph of a run."""
    flow_names = {flow.id: flow.name for flow in world.flows}
    nodes: list[tuple[Node, TaskRun]] = []
    for task in world.task_runs:
        if task.flow_run_id != run.id or task.state is None or task.state.type == StateType.PENDING:
            continue
        subflows: list[FlowRun | None] = [
            each for each in world.flow_runs if each.parent_task_run_id == task.id
        ]
        for subflow in subflows or [None]:
            node = _node(task, subflow, "" if subflow is None else flow_names[subflow.flow_id])
            if node is not None:
                nodes.append((node, task))
    nodes.sort(key=lambda each: (each[0].start, each[0].end or _LAST, each[0].id))
    for node, task in nodes:
        for other, its_task in nodes:
            if _given(task) & {other.id, its_task.id}:
                node.parents.append(other.id)
            if _given(its_task) & {node.id, task.id}:
                node.children.append(other.id)
    return [node for node, _ in nodes if since is None or node.end is None or not node.end < since]


def _node(task: TaskRun, subflow: FlowRun | None, flow_name: str) -> Node | None:
    """Return the node of a task run, or of the subflow run that it stands for; None if it has no time."""
    assert task.state is not None
    end = task.end_time
    if end is None and task.state.type == StateType.COMPLETED:
        end = task.expected_start_time
    start = _first(task.start_time, task.expected_start_time)
    if subflow is not None:
        start = _first(subflow.start_time, subflow.expected_start_time, start)
    if start is None:
        return None
    if subflow is None:
        return Node("TASK_RUN", task.id, task.name, task.state.type, start, end, [], [])
    return Node(
        "FLOW_RUN",
        subflow.id,
        f"{flow_name} / {subflow.name}",
        None if subflow.state is None else subflow.state.type,
        start,
        _first(subflow.end_time, end),
        [],
        [],
    )


def _first(*times: datetime | None) -> datetime | None:
    return next((time for time in times if time is not None), None)


def _given(task: TaskRun) -> set[str]:
    """Return the ids of what a task run was given the results of."""
    return {
        each.value
        for inputs in task.task_inputs.values()
        for each in inputs
        if each.kind is TaskInputKind.TASK_RUN
    }


def _kind(run: FlowRun | TaskRun) -> tuple[str, str]:
    return ("", "") if run.state is None else (run.state.type.value, run.state.name)


def _run_time(run: FlowRun | TaskRun, now: datetime) -> timedelta:
    if run.state is None or run.state.type != StateType.RUNNING:
        return run.total_run_time
    return run.total_run_time + max(now - run.state.timestamp, _NONE)
