"""Filters as SQL: the only place that knows what they mean to the database.

`headgate_server.model.matching` means the same. A condition on a missing value is null, which is as good as false: no member of
a filter is ever negated.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final, TypeAlias

from sqlalchemy import Column, ColumnElement, Table, and_, exists, func, not_, or_, select, true
from sqlalchemy.sql.elements import True_

from headgate_server.model.filters import (
    AnyFilter,
    FlowFilter,
    FlowRunFilter,
    IdFilter,
    KeyFilter,
    NameFilter,
    Operator,
    PresenceFilter,
    ReferenceFilter,
    RunQuery,
    StateFilter,
    TagsFilter,
    TimeFilter,
)
from headgate_server.storage.membership import is_none_of, is_one_of
from headgate_server.storage.tables import (
    DEPLOYMENT,
    FLOW,
    FLOW_RUN,
    FLOW_RUN_TAG,
    FLOW_TAG,
    TASK_RUN,
)
from headgate_server.storage.times import to_micros

__all__ = [
    "Clause",
    "flow_conditions",
    "flow_run_conditions",
    "is_of_flows",
    "is_within",
    "starts_with",
]

Clause: TypeAlias = ColumnElement[bool]

_TAGS_SINGLY_MAX: Final = 20
"""Single conditions on tags are planned better; SQLite takes no expression more than a thousand deep."""


def flow_run_conditions(query: RunQuery) -> list[Clause]:
    """Return the conditions on FLOW_RUN that a run must meet to match; none if every run does."""
    return _without_trivial(
        (
            None if query.flows is None else is_of_flows(query.flows),
            None if query.flow_runs is None else _of_run(query.flow_runs),
        )
    )


def flow_conditions(flows: FlowFilter | None, flow_runs: FlowRunFilter | None) -> list[Clause]:
    """Return the conditions on FLOW that a flow must meet to match; none if every flow does.

    If a filter of flow runs is given, even an empty one, a flow must have a run that matches it.
    """
    return _without_trivial(
        (
            None if flows is None else _of_flow(flows),
            None
            if flow_runs is None
            else exists().where(FLOW_RUN.c.flow_id == FLOW.c.id, _of_run(flow_runs)),
        )
    )


def is_of_flows(given: FlowFilter) -> Clause:
    """Return the condition that a run is of a flow that matches."""
    of_flow = _of_flow(given)
    if isinstance(of_flow, True_):
        return of_flow
    return FLOW_RUN.c.flow_id.in_(select(FLOW.c.id).where(of_flow))


def is_within(column: Column[Any], given: TimeFilter) -> Clause:
    """Return the condition that a time lies between the bounds that are given, both included."""
    before, after = to_micros(given.before), to_micros(given.after)
    return _joined(
        Operator.AND,
        None if before is None else column <= before,
        None if after is None else column >= after,
    )


def is_child_of(flow_run_ids: Collection[str]) -> Clause:
    """Return the condition that a run was started by a task run of one of these runs."""
    task_runs = select(TASK_RUN.c.id).where(is_one_of(TASK_RUN.c.flow_run_id, flow_run_ids))
    return FLOW_RUN.c.parent_task_run_id.in_(task_runs)


def starts_with(column: Column[Any], prefix: str) -> Clause:
    """Return the condition that a text begins with this one, exactly."""
    return func.substr(column, 1, len(prefix)) == prefix


def _of_flow(given: FlowFilter) -> Clause:
    return _joined(
        given.operator,
        _of_key(FLOW.c.id, given.id),
        _of_name(FLOW.c.name, given.name),
        _of_tags(FLOW_TAG, FLOW_TAG.c.flow_id == FLOW.c.id, given.tags),
        _of_deployments(given.deployment),
    )


def _of_run(given: FlowRunFilter) -> Clause:
    runs = FLOW_RUN.c
    return _joined(
        given.operator,
        _of_key(runs.id, given.id),
        _of_name(runs.name, given.name),
        _of_tags(FLOW_RUN_TAG, FLOW_RUN_TAG.c.flow_run_id == runs.id, given.tags),
        _of_reference(runs.deployment_id, given.deployment_id),
        _of_reference(runs.work_queue_name, given.work_queue_name),
        _of_state(given.state),
        _of_text(runs.flow_version, given.flow_version),
        _of_start_time(given.start_time),
        _of_time(runs.expected_start_time, given.expected_start_time),
        _of_time(runs.next_scheduled_start_time, given.next_scheduled_start_time),
        _of_parent(given.parent_flow_run_id),
        _of_reference(runs.parent_task_run_id, given.parent_task_run_id),
        _of_key(runs.idempotency_key, given.idempotency_key),
    )


def _of_key(column: Column[Any], given: IdFilter | KeyFilter | None) -> Clause | None:
    if given is None:
        return None
    return _joined(
        Operator.AND,
        _is_among(column, given.any),
        None if given.not_any is None else is_none_of(column, given.not_any),
    )


def _of_name(column: Column[Any], given: NameFilter | None) -> Clause | None:
    if given is None:
        return None
    return _joined(Operator.AND, _is_among(column, given.any), _is_like(column, given.like))


def _of_text(column: Column[Any], given: AnyFilter | None) -> Clause | None:
    return None if given is None else _joined(Operator.AND, _is_among(column, given.any))


def _of_reference(column: Column[Any], given: ReferenceFilter | None) -> Clause | None:
    if given is None:
        return None
    return _joined(given.operator, _is_among(column, given.any), _is_missing(column, given.is_null))


def _of_state(given: StateFilter | None) -> Clause | None:
    if given is None:
        return None
    return _joined(
        given.operator,
        _is_among(FLOW_RUN.c.state_type, given.type_any),
        _is_among(FLOW_RUN.c.state_name, given.name_any),
    )


def _of_tags(table: Table, is_of_row: Clause, given: TagsFilter | None) -> Clause | None:
    """Return the condition on the tags of a row, which are the rows of a table for which `is_of_row` holds."""
    if given is None:
        return None
    has_any = exists().where(is_of_row)
    return _joined(
        given.operator,
        None if given.all is None else _has_all(table, is_of_row, set(given.all)),
        None if given.is_null is None else not_(has_any) if given.is_null else has_any,
    )


def _has_all(table: Table, is_of_row: Clause, tags: Collection[str]) -> Clause:
    if len(tags) > _TAGS_SINGLY_MAX:
        matching = select(func.count()).where(is_of_row, is_one_of(table.c.tag, tags))
        return matching.scalar_subquery() == len(tags)
    each = (exists().where(is_of_row, table.c.tag == tag) for tag in sorted(tags))
    return _joined(Operator.AND, *each)


def _of_time(column: Column[Any], given: TimeFilter | None) -> Clause | None:
    if given is None:
        return None
    return _joined(Operator.AND, is_within(column, given), _is_missing(column, given.is_null))


def _of_start_time(given: TimeFilter | None) -> Clause | None:
    if given is None:
        return None
    # A start time is the effective start time, too, and that one has an index.
    return _joined(
        Operator.AND,
        _of_time(FLOW_RUN.c.start_time, given),
        is_within(FLOW_RUN.c.effective_start_time, given),
    )


def _of_parent(given: AnyFilter | None) -> Clause | None:
    if given is None:
        return None
    return true() if given.any is None else is_child_of(given.any)


def _of_deployments(given: PresenceFilter | None) -> Clause | None:
    if given is None:
        return None
    if given.is_null is None:
        return true()
    has_any = exists().where(DEPLOYMENT.c.flow_id == FLOW.c.id)
    return not_(has_any) if given.is_null else has_any


def _is_among(column: Column[Any], values: Collection[str] | None) -> Clause | None:
    return None if values is None else is_one_of(column, values)


def _is_missing(column: Column[Any], is_null: bool | None) -> Clause | None:  # noqa: FBT001  a condition like any other
    if is_null is None:
        return None
    return column.is_(None) if is_null else column.is_not(None)


def _is_like(column: Column[Any], text: str | None) -> Clause | None:
    if text is None:
        return None
    # Neither database gives the backslash a meaning then; both fold A to Z alone.
    # PostgreSQL: that follows from the C collation of the column.
    escaped = text.replace("\\", "\\\\")
    return column.ilike(f"%{escaped}%", escape="\\")


def _joined(operator: Operator, *clauses: Clause | None) -> Clause:
    """Return the clauses that are there as one; none hold always."""
    given = [clause for clause in clauses if clause is not None]
    open_ones = _without_trivial(given)
    if operator is Operator.AND:
        return and_(*open_ones) if open_ones else true()
    return or_(*open_ones) if open_ones and len(open_ones) == len(given) else true()


def _without_trivial(clauses: Iterable[Clause | None]) -> list[Clause]:
    """Return the clauses that are there and do not hold always."""
    return [clause for clause in clauses if clause is not None and not isinstance(clause, True_)]
