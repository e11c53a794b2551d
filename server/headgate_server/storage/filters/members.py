"""Members of filters as SQL: the conditions that are said of one column, or of the tags of a row.

`headgate_server.model.matching` means the same. A condition on a missing value is null, which is as good as false: no member of
a filter is ever negated.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Table,
    and_,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import True_
from sqlalchemy.sql.functions import FunctionElement

from headgate_server.model.filters import (
    AnyFilter,
    EqualFilter,
    IdFilter,
    KeyFilter,
    NameFilter,
    Operator,
    QueueNameFilter,
    ReferenceFilter,
    StateFilter,
    TagsFilter,
    TimeFilter,
)
from headgate_server.storage.membership import is_none_of, is_one_of
from headgate_server.storage.times import to_micros

__all__ = [
    "Clause",
    "aside",
    "begins_with",
    "has_any",
    "is_equal",
    "is_within",
    "joined",
    "of_key",
    "of_name",
    "of_queue_name",
    "of_reference",
    "of_state",
    "of_tags",
    "of_text",
    "of_time",
    "without_trivial",
]

Clause: TypeAlias = ColumnElement[bool]

_TAGS_SINGLY_MAX: Final = 20
"""Single conditions on tags are planned better; SQLite takes no expression more than a thousand deep."""


def joined(operator: Operator, *clauses: Clause | None) -> Clause:
    """Return the clauses that are there as one; none hold always."""
    given = [clause for clause in clauses if clause is not None]
    open_ones = without_trivial(given)
    if operator is Operator.AND:
        return and_(*open_ones) if open_ones else true()
    return or_(*open_ones) if open_ones and len(open_ones) == len(given) else true()


def without_trivial(clauses: Iterable[Clause | None]) -> list[Clause]:
    """Return the clauses that are there and do not hold always."""
    return [clause for clause in clauses if clause is not None and not isinstance(clause, True_)]


def has_any(of: Table, *conditions: Clause) -> Clause:
    """Return the condition that a row of a table has others for which these conditions hold."""
    # Only the row itself is taken from outside: the same kind may stand there once more, as with subflows.
    return exists().where(*conditions).correlate(of)


def aside(*conditions: Clause) -> Clause:
    """Return conditions as one that rows are only held against, once they are found by others."""
    return _Aside(and_(*conditions)) if conditions else true()


class _Aside(FunctionElement[bool]):
    """A condition that no index is looked for."""

    type = Boolean()
    inherit_cache = True


@compiles(_Aside, "sqlite")
def _without_index(element: _Aside, compiler: SQLCompiler, **options: Any) -> str:
    # SQLite: without a measure of how rare anything is, it may take the index of what half of all rows have.
    (condition,) = element.clauses
    return f"+({compiler.process(condition, **options)})"


@compiles(_Aside, "postgresql")
def _as_it_is(element: _Aside, compiler: SQLCompiler, **options: Any) -> str:
    (condition,) = element.clauses
    return f"({compiler.process(condition, **options)})"


def is_within(column: ColumnElement[Any], given: TimeFilter) -> Clause:
    """Return the condition that a time lies between the bounds that are given, both included."""
    before, after = to_micros(given.before), to_micros(given.after)
    return joined(
        Operator.AND,
        None if before is None else column <= before,
        None if after is None else column >= after,
    )


def begins_with(column: Column[Any], prefix: str) -> Clause:
    """Return the condition that a text begins with this one, exactly."""
    return func.substr(column, 1, len(prefix)) == prefix


def of_key(column: Column[Any], given: IdFilter | KeyFilter | None) -> Clause | None:
    """Return the conditions on an id or a key that may be missing, if any are given."""
    if given is None:
        return None
    return joined(
        Operator.AND,
        _is_among(column, given.any),
        None if given.not_any is None else is_none_of(column, given.not_any),
    )


def of_name(column: Column[Any], given: NameFilter | None) -> Clause | None:
    """Return the conditions on a name, if any are given."""
    if given is None:
        return None
    like = None if given.like is None else _is_like(column, f"%{given.like}%")
    return joined(Operator.AND, _is_among(column, given.any), like)


def of_queue_name(column: Column[Any], given: QueueNameFilter | None) -> Clause | None:
    """Return the conditions on the name of a queue, if any are given."""
    if given is None:
        return None
    begins = None
    if given.startswith is not None:
        each = [_is_like(column, f"{text}%") for text in sorted(set(given.startswith))]
        begins = or_(*each) if each else false()
    return joined(Operator.AND, _is_among(column, given.any), begins)


def of_text(column: Column[Any], given: AnyFilter | None) -> Clause | None:
    """Return the condition on a text that may be missing, if one is given."""
    return None if given is None else joined(Operator.AND, _is_among(column, given.any))


def of_reference(column: Column[Any], given: ReferenceFilter | None) -> Clause | None:
    """Return the conditions on an id or a text that may be missing, if any are given."""
    if given is None:
        return None
    return joined(given.operator, _is_among(column, given.any), _is_missing(column, given.is_null))


def of_state(
    state_type: Column[Any], state_name: Column[Any], given: StateFilter | None
) -> Clause | None:
    """Return the conditions on a state, if any are given."""
    if given is None:
        return None
    return joined(
        given.operator,
        _is_among(state_type, given.type_any),
        _is_among(state_name, given.name_any),
    )


def of_time(column: Column[Any], given: TimeFilter | None) -> Clause | None:
    """Return the conditions on a time that may be missing, if any are given."""
    if given is None:
        return None
    return joined(Operator.AND, is_within(column, given), _is_missing(column, given.is_null))


def is_equal(column: Column[Any], given: EqualFilter | None, *, to: int) -> Clause | None:
    """Return the condition that a number is this one exactly if a fact holds, if one is given."""
    if given is None:
        return None
    return true() if given.eq is None else (column == to) if given.eq else (column != to)


def of_tags(tag: Column[Any], reference: Column[Any], given: TagsFilter | None) -> Clause | None:
    """Return the conditions on the tags of a row, if any are given.

    Args:
        tag: Where the tags stand.
        reference: What says there whose they are.
        given: The conditions.
    """
    if given is None:
        return None
    (key,) = reference.foreign_keys
    owner = key.column.table
    is_of_row = reference == key.column
    tagged = has_any(owner, is_of_row)
    return joined(
        given.operator,
        None if given.all is None else _has_all(owner, is_of_row, tag, set(given.all)),
        None if given.is_null is None else not_(tagged) if given.is_null else tagged,
    )


def _has_all(owner: Table, is_of_row: Clause, tag: Column[Any], wanted: Collection[str]) -> Clause:
    if len(wanted) > _TAGS_SINGLY_MAX:
        matching = select(func.count()).where(is_of_row, is_one_of(tag, wanted)).correlate(owner)
        return matching.scalar_subquery() == len(wanted)
    return joined(
        Operator.AND, *(has_any(owner, is_of_row, tag == each) for each in sorted(wanted))
    )


def _is_among(column: Column[Any], values: Collection[str] | None) -> Clause | None:
    return None if values is None else is_one_of(column, values)


def _is_missing(column: Column[Any], is_null: bool | None) -> Clause | None:  # noqa: FBT001  a condition like any other
    if is_null is None:
        return None
    return column.is_(None) if is_null else column.is_not(None)


def _is_like(column: Column[Any], pattern: str) -> Clause:
    # Neither database gives the backslash a meaning then; both fold A to Z alone.
    # PostgreSQL: that follows from the C collation of the column.
    escaped = pattern.replace("\\", "\\\\")
    return column.ilike(escaped, escape="\\")
