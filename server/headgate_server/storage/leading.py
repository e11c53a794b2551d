"""Orders that read along an index that begins with a condition: PostgreSQL's own choice is sometimes a walk past everything."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from msgspec.structs import replace
from sqlalchemy import Column, Connection, Select, func, literal, select

from headgate_server.model.filters import (
    Operator,
    ReferenceFilter,
    RunQuery,
    StateFilter,
)
from headgate_server.storage.filters import deployment_conditions, flow_conditions
from headgate_server.storage.leads import if_all
from headgate_server.storage.membership import is_one_of
from headgate_server.storage.paging import Lead, Order
from headgate_server.storage.tables import DEPLOYMENT, FLOW, FLOW_RUN, TASK_RUN

__all__ = ["led_by", "task_runs_led_by"]

_VALUES_MAX: Final = 20
"""Each value is a part of the statement."""
_ALONG_STATES: Final = {
    FLOW_RUN.c.effective_start_time.name,
    FLOW_RUN.c.expected_start_time.name,
}
"""The keys that have an index which begins with the type of the state."""
_COUNTED: Final = 2000
"""Enough to tell a rare one from a common one, and soon counted."""


def led_by(conn: Connection, query: RunQuery, order: Order) -> tuple[Order, RunQuery]:
    """Return an order of flow runs that reads along an index that begins with a condition, and the query without that condition.

    Both as they are where there is no such index. SQLite: also, for `headgate_server.storage.narrowing` sees to that there.
    """
    if conn.dialect.name == "sqlite":
        return order, query
    led: list[tuple[Lead, RunQuery]] = []
    if order.key is FLOW_RUN.c.effective_start_time:
        led += _by_related(conn, query)
        led += _by_deployment(query)
    if order.key is not None and order.key.name in _ALONG_STATES:
        led += _by_state(query)
    if not led:
        return order, query
    lead, rest = led[0] if len(led) == 1 else led[_shortest(conn, [lead for lead, _ in led])]
    return replace(order, lead=lead), rest


def task_runs_led_by(conn: Connection, query: RunQuery, order: Order) -> tuple[Order, RunQuery]:
    """Return an order of task runs that reads along an index that begins with a condition, and the query without that condition."""
    given = query.task_runs
    if (
        conn.dialect.name == "sqlite"
        or order.key is not TASK_RUN.c.expected_start_time
        or given is None
        or given.operator is Operator.OR
        # The other tasks of their flow runs are few.
        or given.flow_run_id is not None
    ):
        return order, query
    state = if_all(given.state, StateFilter())
    if not state.type_any:
        return order, query
    rest = replace(given, state=replace(state, type_any=None))
    lead = _lead_along(TASK_RUN.c.state_type, state.type_any)
    return replace(order, lead=lead), replace(query, task_runs=rest)


def _by_related(conn: Connection, query: RunQuery) -> Iterator[tuple[Lead, RunQuery]]:
    """Yield the leads along deployments and flows, each with what is left of the query without it."""
    if query.deployments is not None:
        conditions = deployment_conditions(RunQuery(deployments=query.deployments))
        if ids := _ids(conn, select(DEPLOYMENT.c.id).where(*conditions)):
            yield _lead_along(FLOW_RUN.c.deployment_id, ids), replace(query, deployments=None)
    if query.flows is not None:
        conditions = flow_conditions(RunQuery(flows=query.flows))
        if ids := _ids(conn, select(FLOW.c.id).where(*conditions)):
            yield _lead_along(FLOW_RUN.c.flow_id, ids), replace(query, flows=None)


def _by_deployment(query: RunQuery) -> Iterator[tuple[Lead, RunQuery]]:
    """Yield the lead along the deployments that the runs name, if there is one."""
    given = query.flow_runs
    if given is not None and given.operator is Operator.AND:
        deployment = if_all(given.deployment_id, ReferenceFilter())
        if deployment.any and len(deployment.any) <= _VALUES_MAX:
            rest = replace(given, deployment_id=replace(deployment, any=None))
            lead = _lead_along(FLOW_RUN.c.deployment_id, deployment.any)
            yield lead, replace(query, flow_runs=rest)


def _by_state(query: RunQuery) -> Iterator[tuple[Lead, RunQuery]]:
    """Yield the lead along the types of states, if there is one."""
    given = query.flow_runs
    if given is not None and given.operator is Operator.AND:
        state = if_all(given.state, StateFilter())
        if state.type_any:
            rest = replace(given, state=replace(state, type_any=None))
            yield _lead_along(FLOW_RUN.c.state_type, state.type_any), replace(query, flow_runs=rest)


def _ids(conn: Connection, statement: Select[Any]) -> Sequence[str]:
    """Return the ids that a statement finds; none if they are too many to lead."""
    ids = conn.execute(statement.limit(_VALUES_MAX + 1)).scalars().all()
    return ids if len(ids) <= _VALUES_MAX else ()


def _lead_along(column: Column[Any], values: Collection[str]) -> Lead:
    return Lead(column, tuple(sorted(set(values))))


def _shortest(conn: Connection, leads: Sequence[Lead]) -> int:
    """Return which of these leads has the fewest rows, as far as that is counted."""
    rows = (
        select(literal(1)).where(is_one_of(lead.column, lead.values)).limit(_COUNTED)
        for lead in leads
    )
    counted = (select(func.count()).select_from(each.subquery()).scalar_subquery() for each in rows)
    counts = list(conn.execute(select(*counted)).one())
    return counts.index(min(counts))
