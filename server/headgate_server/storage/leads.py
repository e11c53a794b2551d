"""Leads: conditions on flow runs and task runs that an index has, and how many rows they lead to."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Column, Connection, Select, func, select

from headgate_server.model.filters import (
    AnyFilter,
    FlowRunFilter,
    IdFilter,
    KeyFilter,
    NameFilter,
    Operator,
    ReferenceFilter,
    RunQuery,
    StateFilter,
    TagsFilter,
    TaskRunFilter,
)
from headgate_server.storage.filters.kinds import is_child_of
from headgate_server.storage.filters.members import Clause, is_within
from headgate_server.storage.filters.related import is_deployed_as, is_in_queues, is_of_flows
from headgate_server.storage.membership import is_one_of
from headgate_server.storage.spans import spans_of_flow_runs, spans_of_task_runs
from headgate_server.storage.tables import FLOW_RUN, FLOW_RUN_TAG, TASK_RUN, TASK_RUN_TAG

__all__ = ["Lead", "few", "if_all", "leads_to_flow_runs", "leads_to_task_runs"]

F = TypeVar("F", StateFilter, ReferenceFilter, TagsFilter)

_FEW: Final = 5000
"""To sort so many takes some 10 ms, and so does the walk past 40,000 that finds 200 of more than these among a million."""

_TAGS_TRIED: Final = 20
"""A lead is a column of one statement, and those are limited."""


class Lead(NamedTuple):
    """A condition that an index leads along."""

    condition: Clause
    ids: Select[tuple[str]]
    """The ids of the rows that meet it."""
    orders: tuple[Column[Any], ...] = ()
    """What indexes sort these rows by."""

    def is_along(self, key: Column[Any] | None) -> bool:
        """Return whether an index has these rows in the order of a key."""
        return any(each is key for each in self.orders)


def few(
    conn: Connection, leads: Sequence[Lead], most: int | None = None
) -> Select[tuple[str]] | None:
    """Return the ids of the rows that the best lead leads to; None if all lead to many.

    Args:
        conn: The connection.
        leads: The leads to choose from.
        most: How many rows are many. None: so many that sorting them takes time.
    """
    most = _FEW if most is None else most
    if not leads:
        return None
    counted = [select(func.count()).select_from(lead.ids.limit(most).subquery()) for lead in leads]
    counts = conn.execute(select(*(each.scalar_subquery() for each in counted))).one()
    least = min(counts)
    return leads[counts.index(least)].ids if least < most else None


def leads_to_flow_runs(conn: Connection, query: RunQuery) -> list[Lead]:
    """Return the conditions with an index that every flow run that matches must meet."""
    leads = list(_to_flow_runs(query))
    if query.task_runs is not None:
        task_runs = few(conn, list(_to_task_runs(query.task_runs)))
        if task_runs is not None:
            theirs = select(TASK_RUN.c.flow_run_id).where(TASK_RUN.c.id.in_(task_runs))
            leads.append(_of_flow_runs(FLOW_RUN.c.id.in_(theirs)))
    return leads


def leads_to_task_runs(conn: Connection, query: RunQuery) -> list[Lead]:
    """Return the conditions with an index that every task run that matches must meet."""
    leads = [] if query.task_runs is None else list(_to_task_runs(query.task_runs))
    flow_runs = few(conn, list(_to_flow_runs(query)))
    if flow_runs is not None:
        leads.append(_of_task_runs(TASK_RUN.c.flow_run_id.in_(flow_runs)))
    return leads


def if_all(given: F | None, nothing: F) -> F:
    """Return a filter if all its conditions must hold, else one without conditions."""
    return given if given is not None and given.operator is Operator.AND else nothing


def _to_flow_runs(query: RunQuery) -> Iterator[Lead]:
    start = FLOW_RUN.c.effective_start_time
    if query.flows is not None:
        yield _of_flow_runs(is_of_flows(FLOW_RUN.c.flow_id, query.flows), orders=(start,))
    if query.deployments is not None:
        yield _of_flow_runs(is_deployed_as(query.deployments), orders=(start,))
    if (in_queues := is_in_queues(FLOW_RUN.c.work_queue_id, query)) is not None:
        yield _of_flow_runs(in_queues)
    if query.flow_runs is not None and query.flow_runs.operator is Operator.AND:
        yield from _by_value(query.flow_runs)
        for span in spans_of_flow_runs(query.flow_runs):
            yield _of_flow_runs(is_within(*span))
        yield from _by_tag(FLOW_RUN_TAG.c.tag, FLOW_RUN_TAG.c.flow_run_id, query.flow_runs.tags)


def _by_value(given: FlowRunFilter) -> Iterator[Lead]:
    runs, start = FLOW_RUN.c, FLOW_RUN.c.effective_start_time
    state = if_all(given.state, StateFilter())
    for column, values, orders in (
        (runs.id, (given.id or IdFilter()).any, ()),
        (runs.name, (given.name or NameFilter()).any, ()),
        (runs.state_type, state.type_any, (start, runs.expected_start_time)),
        (runs.state_name, state.name_any, ()),
        (runs.deployment_id, if_all(given.deployment_id, ReferenceFilter()).any, (start,)),
        (runs.parent_task_run_id, if_all(given.parent_task_run_id, ReferenceFilter()).any, ()),
        (runs.idempotency_key, (given.idempotency_key or KeyFilter()).any, ()),
    ):
        if values is not None:
            yield _of_flow_runs(is_one_of(column, values), orders=orders)
    parent = given.parent_flow_run_id or AnyFilter()
    if parent.any is not None:
        yield _of_flow_runs(is_child_of(parent.any))


def _to_task_runs(given: TaskRunFilter) -> Iterator[Lead]:
    if given.operator is Operator.OR:
        return
    task_runs, expected = TASK_RUN.c, TASK_RUN.c.expected_start_time
    state = if_all(given.state, StateFilter())
    for column, values, orders in (
        (task_runs.id, (given.id or IdFilter()).any, ()),
        (task_runs.name, (given.name or NameFilter()).any, ()),
        (task_runs.state_type, state.type_any, (expected,)),
        (task_runs.state_name, state.name_any, ()),
        (task_runs.flow_run_id, (given.flow_run_id or ReferenceFilter()).any, (expected,)),
    ):
        if values is not None:
            yield _of_task_runs(is_one_of(column, values), orders=orders)
    for span in spans_of_task_runs(given):
        yield _of_task_runs(is_within(*span))
    yield from _by_tag(TASK_RUN_TAG.c.tag, TASK_RUN_TAG.c.task_run_id, given.tags)


def _by_tag(tag: Column[Any], reference: Column[Any], given: TagsFilter | None) -> Iterator[Lead]:
    for each in (if_all(given, TagsFilter()).all or ())[:_TAGS_TRIED]:
        yield Lead(tag == each, select(reference).where(tag == each))


def _of_flow_runs(condition: Clause, *, orders: tuple[Column[Any], ...] = ()) -> Lead:
    return Lead(condition, select(FLOW_RUN.c.id).where(condition), orders)


def _of_task_runs(condition: Clause, *, orders: tuple[Column[Any], ...] = ()) -> Lead:
    return Lead(condition, select(TASK_RUN.c.id).where(condition), orders)
