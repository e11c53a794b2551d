"""Conditions on flow runs and task runs, said so that few rows are looked at in vain.

SQLite keeps no statistics of how common values are: it takes any index that a condition could use and sorts whatever that
leads to. For the failed runs among a million by name that is good, for the completed ones it takes seconds. So we look how
many rows the indexes lead to, without counting far: few rows are gathered and sorted, many are met soon enough on a walk along
the index of the order. PostgreSQL knows all that by itself, but not where along an order the rows with a value are.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec.structs import replace
from sqlalchemy import Column, Connection, and_, case, false, func, select, true

from headgate_server.model.filters import RunQuery
from headgate_server.storage.filters import (
    deployment_conditions,
    flow_conditions,
    flow_run_conditions,
    task_run_conditions,
)
from headgate_server.storage.filters.members import Clause
from headgate_server.storage.leading import led_by, task_runs_led_by
from headgate_server.storage.leads import Lead, few, leads_to_flow_runs, leads_to_task_runs
from headgate_server.storage.membership import is_one_of
from headgate_server.storage.paging import Order
from headgate_server.storage.spans import (
    Span,
    begun_near,
    span_to_gather,
    spans_of_flow_runs,
    spans_of_task_runs,
)
from headgate_server.storage.tables import DEPLOYMENT, FLOW, FLOW_RUN, TASK_RUN

__all__ = [
    "conditions_for_count",
    "conditions_for_deployments",
    "conditions_for_flows",
    "conditions_for_history",
    "conditions_for_steps",
    "conditions_for_task_count",
    "conditions_for_task_history",
    "conditions_for_task_steps",
    "read_by",
    "task_runs_read_by",
]

_WORTH_COUNTING: Final = 400_000
"""To count so many entries of an index takes some 15 ms, a small part of what a history over as many rows does."""

_GATHERING: Final = 4
"""To gather a row by its id takes so many times as long as to meet it along an index, at least."""


def conditions_for_steps(conn: Connection, query: RunQuery) -> list[Clause]:
    """Return the conditions on FLOW_RUN for going through the runs that match in the order of ids."""
    conditions, by_id = flow_run_conditions(query), Order(id=FLOW_RUN.c.id)
    return _read_by(conn, by_id, conditions, (), lambda: leads_to_flow_runs(conn, query))[1]


def conditions_for_task_steps(conn: Connection, query: RunQuery) -> list[Clause]:
    """Return the conditions on TASK_RUN for going through the task runs that match in the order of ids."""
    conditions, by_id = task_run_conditions(query), Order(id=TASK_RUN.c.id)
    return _read_by(conn, by_id, conditions, (), lambda: leads_to_task_runs(conn, query))[1]


def read_by(conn: Connection, query: RunQuery, order: Order) -> tuple[Order, list[Clause]]:
    """Return how a page of the flow runs that match is read: an order, and the conditions on FLOW_RUN that go with it."""
    spans = spans_of_flow_runs(query.flow_runs)
    order = begun_near(conn, order, spans)
    led, rest = led_by(conn, query, order)
    if led.lead is not None:
        conditions = flow_run_conditions(rest)
        return led, conditions if led.near is None else [_hidden(conditions)]
    conditions = flow_run_conditions(query)
    return _read_by(conn, order, conditions, spans, lambda: leads_to_flow_runs(conn, query))


def task_runs_read_by(
    conn: Connection, query: RunQuery, order: Order
) -> tuple[Order, list[Clause]]:
    """Return how a page of the task runs that match is read: an order, and the conditions on TASK_RUN that go with it."""
    led, rest = task_runs_led_by(conn, query, order)
    if led.lead is not None:
        return led, task_run_conditions(rest)
    conditions = task_run_conditions(query)
    spans = spans_of_task_runs(query.task_runs)
    return _read_by(conn, order, conditions, spans, lambda: leads_to_task_runs(conn, query))


def conditions_for_count(conn: Connection, query: RunQuery) -> list[Clause]:
    """Return the conditions on FLOW_RUN for counting the runs that match, in no order."""
    conditions = flow_run_conditions(query)
    if conn.dialect.name != "sqlite" or not conditions:
        return conditions
    return _for_count(conn, FLOW_RUN.c.id, conditions, leads_to_flow_runs(conn, query))


def conditions_for_task_count(conn: Connection, query: RunQuery) -> list[Clause]:
    """Return the conditions on TASK_RUN for counting the task runs that match, in no order."""
    conditions = task_run_conditions(query)
    if conn.dialect.name != "sqlite" or not conditions:
        return conditions
    return _for_count(conn, TASK_RUN.c.id, conditions, leads_to_task_runs(conn, query))


def conditions_for_history(conn: Connection, query: RunQuery, within: Clause) -> list[Clause]:
    """Return the conditions on FLOW_RUN for the runs that match and were expected within a time."""
    conditions = flow_run_conditions(query)
    if conn.dialect.name != "sqlite" or not conditions:
        return [within, *conditions]
    leads = leads_to_flow_runs(conn, query)
    return _for_history(conn, FLOW_RUN.c.id, conditions, leads, within)


def conditions_for_task_history(conn: Connection, query: RunQuery, within: Clause) -> list[Clause]:
    """Return the conditions on TASK_RUN for the task runs that match and were expected within a time."""
    conditions = task_run_conditions(query)
    if conn.dialect.name != "sqlite" or not conditions:
        return [within, *conditions]
    leads = leads_to_task_runs(conn, query)
    return _for_history(conn, TASK_RUN.c.id, conditions, leads, within)


def conditions_for_flows(conn: Connection, query: RunQuery) -> list[Clause]:
    """Return the conditions on FLOW for the flows that match and have what else is asked for."""
    ids = _having_few_runs(conn, query, FLOW_RUN.c.flow_id)
    if ids is None:
        return flow_conditions(query)
    return [*flow_conditions(_without_runs(query)), is_one_of(FLOW.c.id, ids)]


def conditions_for_deployments(conn: Connection, query: RunQuery) -> list[Clause]:
    """Return the conditions on DEPLOYMENT for the deployments that match and have what else is asked for."""
    ids = _having_few_runs(conn, query, FLOW_RUN.c.deployment_id)
    if ids is None:
        return deployment_conditions(query)
    return [*deployment_conditions(_without_runs(query)), is_one_of(DEPLOYMENT.c.id, ids)]


def _read_by(
    conn: Connection,
    order: Order,
    conditions: list[Clause],
    spans: Sequence[Span],
    find_leads: Callable[[], list[Lead]],
) -> tuple[Order, list[Clause]]:
    if not conditions:
        return order, conditions
    if conn.dialect.name == "sqlite":
        return _read_by_counts(conn, order, conditions, spans, find_leads())
    if order.near is not None:
        # It takes conditions on several times for independent, and few rows to meet all of them.
        return order, [_hidden(conditions)]
    span = span_to_gather(conn, order, spans)
    return order if span is None else replace(order, is_gathered=True), conditions


def _read_by_counts(
    conn: Connection,
    order: Order,
    conditions: list[Clause],
    spans: Sequence[Span],
    leads: Sequence[Lead],
) -> tuple[Order, list[Clause]]:
    """SQLite: do what it cannot know to be best without counting."""
    along = [lead.condition for lead in leads if lead.is_along(order.key)]
    if len(leads) == len(along) == 1:
        return order, conditions
    ids = few(conn, leads)
    if ids is not None:
        return replace(order, near=None), [order.id.in_(ids), _hidden(conditions)]
    if order.near is not None:
        # Nothing else may tempt it away from the indexes of the times.
        along = []
    elif (span := span_to_gather(conn, order, spans)) is not None:
        return replace(order, is_gathered=True), [span, _hidden(conditions)]
    return order, [*along, _hidden(conditions)]


def _for_count(
    conn: Connection, row_id: Column[Any], conditions: list[Clause], leads: Sequence[Lead]
) -> list[Clause]:
    ids = few(conn, leads)
    return conditions if ids is None else [row_id.in_(ids), _hidden(conditions)]


def _for_history(
    conn: Connection,
    row_id: Column[Any],
    conditions: list[Clause],
    leads: Sequence[Lead],
    within: Clause,
) -> list[Clause]:
    counted = select(row_id).where(within).limit(_WORTH_COUNTING).subquery()
    count = conn.execute(select(func.count()).select_from(counted)).scalar_one()
    ids = few(conn, leads, count // _GATHERING)
    if ids is None:
        return [within, _hidden(conditions)]
    return [row_id.in_(ids), _hidden([within, *conditions])]


def _having_few_runs(
    conn: Connection, query: RunQuery, column: Column[Any]
) -> Sequence[str] | None:
    """Return what the runs that are asked for have in a column; None if no condition on them leads to few."""
    runs = RunQuery(flow_runs=query.flow_runs, task_runs=query.task_runs)
    ids = few(conn, leads_to_flow_runs(conn, runs))
    if ids is None:
        return None
    # Either database might look for such runs flow by flow, however few there are: so they come first.
    having = select(column).distinct().where(column.is_not(None), FLOW_RUN.c.id.in_(ids))
    return conn.execute(having.where(*flow_run_conditions(runs))).scalars().all()


def _without_runs(query: RunQuery) -> RunQuery:
    return replace(query, flow_runs=None, task_runs=None)


def _hidden(conditions: list[Clause]) -> Clause:
    """Return the conditions in a form that no index can be used for, and of which nobody expects anything."""
    return case((and_(*conditions), true()), else_=false())
