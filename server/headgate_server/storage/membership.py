"""Whether a column is one of many values, said with one parameter however many there are."""

from collections.abc import Collection
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Dialect,
    Text,
    bindparam,
    false,
    not_,
    or_,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["is_none_of", "is_one_of"]

_ENCODE: Final = msgspec.json.Encoder().encode


def is_one_of(column: Column[Any], values: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a text is one of these; a missing one never is."""
    distinct = sorted(set(values))
    if not distinct:
        return false()
    if len(distinct) == 1:
        # An index that begins with this column has the rows in the order of its other columns.
        return column == distinct[0]
    return _OneOf(column, bindparam(None, distinct, type_=_Texts()))


def is_none_of(column: Column[Any], values: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a text is none of these; a missing one never is one."""
    if not values:
        return true()
    is_other = not_(is_one_of(column, values))
    return or_(column.is_(None), is_other) if column.nullable else is_other


class _OneOf(FunctionElement[bool]):
    """`column IN values`, as each database says it best."""

    inherit_cache = True


class _Texts(TypeDecorator[list[str]]):
    """Many texts as one parameter."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """SQLite: a JSON text. PostgreSQL: an array."""
        return dialect.type_descriptor(ARRAY(Text()) if _has_arrays(dialect) else Text())

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> object:
        """Return the texts as the driver takes them."""
        return value if _has_arrays(dialect) else _ENCODE(value).decode()


@compiles(_OneOf, "sqlite")
def _in_json(element: _OneOf, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({column} IN (SELECT value FROM json_each({values})))"  # noqa: S608  nothing of a caller's is in it


@compiles(_OneOf, "postgresql")
def _in_array(element: _OneOf, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({column} = ANY ({values}))"


def _has_arrays(dialect: Dialect) -> bool:
    return dialect.name == "postgresql"
