"""Conditions on flow runs, said so that few rows are looked at in vain.

SQLite keeps no statistics of how common values are: it takes any index that a condition could use and sorts whatever that
leads to. For the failed runs among a million by name that is good, for the completed ones it takes seconds. So we look how
many rows the indexes lead to, without counting far: few rows are gathered and sorted, many are met soon enough on a walk along
the index of the order. PostgreSQL knows all that by itself, but not where along an order the rows with a value are.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, TypeVar

from msgspec.structs import replace
from sqlalchemy import Column, Connection, Select, and_, case, func, select

from headgate_server.model.filters import (
    AnyFilter,
    FlowFilter,
    FlowRunFilter,
    IdFilter,
    KeyFilter,
    NameFilter,
    Operator,
    ReferenceFilter,
    RunQuery,
    StateFilter,
    TagsFilter,
)
from headgate_server.storage.filters import (
    Clause,
    flow_conditions,
    flow_run_conditions,
    is_child_of,
    is_of_flows,
    is_within,
)
from headgate_server.storage.membership import is_one_of
from headgate_server.storage.paging import Lead, Order
from headgate_server.storage.tables import FLOW, FLOW_RUN, FLOW_RUN_TAG

__all__ = ["conditions_for_count", "conditions_for_flows", "conditions_for_list", "led_by"]

F = TypeVar("F", StateFilter, ReferenceFilter, TagsFilter)

_FEW: Final = 5000
"""To sort so many takes some 10 ms, and so does the walk past 40,000 that finds 200 of more than these among a million."""

_TAGS_TRIED: Final = 20
"""A lead is a column of one statement, and those are limited."""


class _Lead(NamedTuple):
    """A condition that an index leads along."""

    condition: Clause
    ids: Select[tuple[str]]
    """The ids of the runs that meet it."""
    order: Column[Any] | None
    """What the index sorts these runs by."""


def conditions_for_list(conn: Connection, query: RunQuery, key: Column[Any] | None) -> list[Clause]:
    """Return the conditions on FLOW_RUN for a list of the runs that match, sorted by a key."""
    conditions = flow_run_conditions(query)
    if conn.dialect.name != "sqlite" or not conditions:
        return conditions
    leads = list(_leads(query))
    along = [lead.condition for lead in leads if lead.order is not None and lead.order is key]
    if len(leads) == len(along) == 1:
        return conditions
    few = _fewest(conn, leads)
    return [*along, _hidden(conditions)] if few is None else [few, _hidden(conditions)]


def led_by(conn: Connection, query: RunQuery, order: Order) -> tuple[Order, RunQuery]:
    """Return an order that reads along an index that begins with a condition, and the query without that condition.

    Both as they are where there is no such index. SQLite: also, for `conditions_for_list` sees to that there.
    """
    given = query.flow_runs
    if (
        conn.dialect.name == "sqlite"
        or given is None
        or given.operator is Operator.OR
        or order.key is not FLOW_RUN.c.effective_start_time
    ):
        return order, query
    state = _if_and(given.state, StateFilter())
    if not state.type_any:
        return order, query
    lead = Lead(FLOW_RUN.c.state_type, tuple(sorted(set(state.type_any))))
    rest = replace(given, state=replace(state, type_any=None))
    return replace(order, lead=lead), replace(query, flow_runs=rest)


def conditions_for_count(conn: Connection, query: RunQuery) -> list[Clause]:
    """Return the conditions on FLOW_RUN for counting the runs that match, in no order."""
    conditions = flow_run_conditions(query)
    if conn.dialect.name != "sqlite" or not conditions:
        return conditions
    few = _fewest(conn, list(_leads(query)))
    return conditions if few is None else [few, _hidden(conditions)]


def conditions_for_flows(
    conn: Connection, flows: FlowFilter | None, flow_runs: FlowRunFilter | None
) -> list[Clause]:
    """Return the conditions on FLOW for the flows that match and, if a filter of runs is given, have a run that does."""
    query = RunQuery(flow_runs=flow_runs)
    few = _fewest(conn, list(_leads(query)))
    if few is None:
        return flow_conditions(flows, flow_runs)
    # Either database might look for such runs flow by flow, however few there are: so they come first.
    having = select(FLOW_RUN.c.flow_id).distinct().where(few, *flow_run_conditions(query))
    return [
        *flow_conditions(flows, None),
        is_one_of(FLOW.c.id, conn.execute(having).scalars().all()),
    ]


def _fewest(conn: Connection, leads: list[_Lead]) -> Clause | None:
    """Return the condition that a run is among those that the best lead leads to; None if all lead to many."""
    if not leads:
        return None
    counted = [select(func.count()).select_from(lead.ids.limit(_FEW).subquery()) for lead in leads]
    counts = conn.execute(select(*(each.scalar_subquery() for each in counted))).one()
    least = min(counts)
    return FLOW_RUN.c.id.in_(leads[counts.index(least)].ids) if least < _FEW else None


def _hidden(conditions: list[Clause]) -> Clause:
    """Return the conditions in a form that no index can be used for."""
    return case((and_(*conditions), 1), else_=0) == 1


def _leads(query: RunQuery) -> Iterator[_Lead]:
    """Yield the conditions that every match must meet and that have an index."""
    if query.flows is not None:
        yield _lead(is_of_flows(query.flows), order=FLOW_RUN.c.effective_start_time)
    given = query.flow_runs
    if given is not None and given.operator is Operator.AND:
        yield from _leads_by_value(given)
        yield from _leads_by_time(given)
        for tag in (_if_and(given.tags, TagsFilter()).all or ())[:_TAGS_TRIED]:
            has_tag = FLOW_RUN_TAG.c.tag == tag
            yield _Lead(has_tag, select(FLOW_RUN_TAG.c.flow_run_id).where(has_tag), None)


def _leads_by_value(given: FlowRunFilter) -> Iterator[_Lead]:
    runs, start = FLOW_RUN.c, FLOW_RUN.c.effective_start_time
    state = _if_and(given.state, StateFilter())
    deployment = _if_and(given.deployment_id, ReferenceFilter())
    parent_task_run = _if_and(given.parent_task_run_id, ReferenceFilter())
    for column, values, order in (
        (runs.id, (given.id or IdFilter()).any, None),
        (runs.name, (given.name or NameFilter()).any, None),
        (runs.state_type, state.type_any, start),
        (runs.state_name, state.name_any, None),
        (runs.deployment_id, deployment.any, start),
        (runs.parent_task_run_id, parent_task_run.any, None),
        (runs.idempotency_key, (given.idempotency_key or KeyFilter()).any, None),
    ):
        if values is not None:
            yield _lead(is_one_of(column, values), order=order)
    parent = given.parent_flow_run_id or AnyFilter()
    if parent.any is not None:
        yield _lead(is_child_of(parent.any))


def _leads_by_time(given: FlowRunFilter) -> Iterator[_Lead]:
    for column, span in (
        (FLOW_RUN.c.effective_start_time, given.start_time),
        (FLOW_RUN.c.expected_start_time, given.expected_start_time),
        (FLOW_RUN.c.next_scheduled_start_time, given.next_scheduled_start_time),
    ):
        if span is not None and (span.before is not None or span.after is not None):
            yield _lead(is_within(column, span))


def _lead(condition: Clause, *, order: Column[Any] | None = None) -> _Lead:
    return _Lead(condition, select(FLOW_RUN.c.id).where(condition), order)


def _if_and(given: F | None, nothing: F) -> F:
    """Return a filter if all its conditions must hold, else one without conditions."""
    return given if given is not None and given.operator is Operator.AND else nothing
