"""Graphs of flow runs: the task runs with the subflow runs that they stand for, and what they were given."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select

from headgate_server.model.errors import FlowRunNotFoundError, GraphTooLargeError
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.graphs import FlowRunGraph, GraphNodeKind, Outline, assemble
from headgate_server.model.states import State, StateType
from headgate_server.model.task_runs import TaskInputKind
from headgate_server.storage.flow_runs import decode_run, decode_state
from headgate_server.storage.tables import FLOW, FLOW_RUN, FLOW_RUN_STATE, TASK_RUN
from headgate_server.storage.times import from_micros, to_micros

__all__ = ["read_graph"]


class _Input(msgspec.Struct):
    kind: str
    value: str


class _Inputs(msgspec.Struct):
    """What a graph needs to know of a task run that no column tells."""

    task_inputs: dict[str, list[_Input]] = {}


_decode_inputs: Final = msgspec.json.Decoder(_Inputs).decode

_SUBFLOW_RUN: Final = FLOW_RUN.alias("subflow_run")
_SUB: Final = _SUBFLOW_RUN.c
_TASK: Final = TASK_RUN.c
_START: Final = func.coalesce(
    _SUB.start_time, _SUB.expected_start_time, _TASK.start_time, _TASK.expected_start_time
)
_END: Final = func.coalesce(
    _SUB.end_time,
    _TASK.end_time,
    # Its result was known, so it never ran.
    case((_TASK.state_type == StateType.COMPLETED, _TASK.expected_start_time)),
)


def read_graph(
    conn: Connection, flow_run_id: str, since: datetime | None, nodes_max: int
) -> FlowRunGraph:
    """Return the graph of a flow run.

    Args:
        conn: The connection.
        flow_run_id: The run.
        since: Leave out nodes that ended before this time; None leaves out none.
        nodes_max: How many nodes there may be.

    Raises:
        FlowRunNotFoundError: There is no such run.
        GraphTooLargeError: There are more nodes than that.
    """
    run = _read_run(conn, flow_run_id)
    if _count_nodes(conn, flow_run_id, since, nodes_max + 1) > nodes_max:
        raise GraphTooLargeError(flow_run_id, nodes_max)
    return FlowRunGraph(
        flow_run_id=flow_run_id,
        start_time=run.expected_start_time if run.start_time is None else run.start_time,
        end_time=run.end_time,
        nodes=assemble(_read_outlines(conn, flow_run_id), since),
        states=_read_states(conn, flow_run_id),
    )


def _read_run(conn: Connection, flow_run_id: str) -> FlowRun:
    body = conn.execute(
        select(FLOW_RUN.c.body).where(FLOW_RUN.c.id == flow_run_id)
    ).scalar_one_or_none()
    if body is None:
        raise FlowRunNotFoundError(flow_run_id)
    return decode_run(body)


def _read_states(conn: Connection, flow_run_id: str) -> tuple[State, ...]:
    statement = (
        select(FLOW_RUN_STATE.c.body)
        .where(FLOW_RUN_STATE.c.flow_run_id == flow_run_id)
        .order_by(FLOW_RUN_STATE.c.version)
    )
    return tuple(decode_state(body) for body in conn.execute(statement).scalars())


def _count_nodes(conn: Connection, flow_run_id: str, since: datetime | None, most: int) -> int:
    """Return how many nodes a graph has, counted no further than asked for."""
    nodes = _of_nodes(select(_TASK.id), flow_run_id)
    if since is not None:
        end = _END
        nodes = nodes.where(or_(end.is_(None), end >= to_micros(since)))
    counted = select(func.count()).select_from(nodes.limit(most).subquery())
    return conn.execute(counted).scalar_one()


def _read_outlines(conn: Connection, flow_run_id: str) -> list[Outline]:
    """Return what is known of each node of a graph by itself."""
    statement = _of_nodes(
        select(
            _TASK.id,
            _TASK.name,
            _TASK.state_type,
            _TASK.body,
            _SUB.id,
            _SUB.name,
            _SUB.state_type,
            FLOW.c.name,
            _START,
            _END,
        ),
        flow_run_id,
    ).join(FLOW, FLOW.c.id == _SUB.flow_id, isouter=True)
    return [_outline(*row) for row in conn.execute(statement)]


def _of_nodes(statement: Select[Any], flow_run_id: str) -> Select[Any]:
    """Return a statement over the task runs of a flow run that are nodes, with their subflow runs."""
    stands_for: ColumnElement[bool] = and_(
        _SUB.parent_task_run_id == _TASK.id,
        # SQLite: only a statement that leaves out what an index leaves out can use that index.
        _SUB.parent_task_run_id.is_not(None),
    )
    return (
        statement.select_from(TASK_RUN)
        .join(_SUBFLOW_RUN, stands_for, isouter=True)
        .where(
            _TASK.flow_run_id == flow_run_id,
            _TASK.state_type != StateType.PENDING,
            _START.is_not(None),
        )
    )


def _outline(
    task_run_id: str,
    task_name: str,
    task_state: str,
    body: bytes,
    flow_run_id: str | None,
    run_name: str | None,
    run_state: str | None,
    flow_name: str | None,
    start: int,
    end: int | None,
) -> Outline:
    is_subflow = flow_run_id is not None
    state = run_state if is_subflow else task_state
    return Outline(
        kind=GraphNodeKind.FLOW_RUN if is_subflow else GraphNodeKind.TASK_RUN,
        id=flow_run_id or task_run_id,
        task_run_id=task_run_id,
        label=f"{flow_name} / {run_name}" if is_subflow else task_name,
        state_type=None if state is None else StateType(state),
        start_time=from_micros(start),
        end_time=None if end is None else from_micros(end),
        upstream_ids=_upstream(_decode_inputs(body)),
    )


def _upstream(inputs: _Inputs) -> Collection[str]:
    """Return the ids of what a task run was given the results of."""
    return [
        each.value
        for given in inputs.task_inputs.values()
        for each in given
        if each.kind == TaskInputKind.TASK_RUN
    ]
