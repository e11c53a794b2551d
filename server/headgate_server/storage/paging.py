"""Pages of a list by keyset: a page goes on where the one before ended, whatever was inserted meanwhile.

A list is sorted by a key and then by id in the same direction; rows without a key come last in both directions. An index has
those rows at one end, which is the wrong one for one of the directions, so the rows with a key and the rows without one are
two parts, each read along the index.
"""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    tuple_,
    union_all,
)

from headgate_server.model.errors import PageTokenMismatchError
from headgate_server.model.paging import Page, PageRequest
from headgate_server.storage.membership import is_one_of

__all__ = ["Lead", "Near", "Order", "read_page"]

_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
_DIGEST_BYTES: Final = 12

_Value: TypeAlias = (
    Annotated[int, msgspec.Meta(ge=_INT64_MIN, le=_INT64_MAX)]
    | Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]
)


class Lead(msgspec.Struct, frozen=True):
    """A column with the values that the rows of a list have in it, to be read value by value along an index.

    PostgreSQL: it takes rows with a value for evenly spread along the key, and walks along the index of the key alone past all
    that have another, however many come first.
    """

    column: Column[Any]
    """A text."""
    values: tuple[str, ...]
    """At least one; each is another part of the index."""


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """Where nearly all keys of a list lie."""

    lowest: int | None
    """None: there is no end in this direction."""
    highest: int | None
    elsewhere: ColumnElement[bool]
    """What the rows with other keys meet; an index has few such rows."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """How a list is sorted."""

    key: Column[Any] | None = None
    """A number or a text; only numbers may be missing. None sorts by id alone."""
    id: Column[Any]
    """Tells rows with the same key apart: a number or a text that every row has."""
    is_descending: bool = False
    lowest: int | None = None
    """Least key in the list as its conditions have it. With a bound there are no rows without a key."""
    highest: int | None = None
    """Greatest key in the list as its conditions have it. With a bound there are no rows without a key."""
    is_key_missing: bool = False
    """Whether no row of the list has a key, by its conditions."""
    is_gathered: bool = False
    """Whether the rows are to be found first and sorted then, not met along an index of the key."""
    lead: Lead | None = None
    """Values that an index has before the key; the list has the rows with one of them, its conditions need not say so."""
    near: Near | None = None
    """Where the walk along the index begins and ends; rows with keys elsewhere are gathered."""

    @property
    def has_rows_without_key(self) -> bool:
        """Whether there may be any."""
        return bool(
            self.key is not None
            and self.key.nullable
            and self.lowest is None
            and self.highest is None
        )

    def narrowed(self, lowest: int | None, highest: int | None) -> "Order":
        """Return this order between two more bounds."""
        return msgspec.structs.replace(
            self,
            lowest=max((each for each in (self.lowest, lowest) if each is not None), default=None),
            highest=min(
                (each for each in (self.highest, highest) if each is not None), default=None
            ),
        )


class _Position(msgspec.Struct, frozen=True, array_like=True):
    """The row that a page ends with."""

    id: _Value
    key: _Value | None
    """None for a row without a key, and in lists without one."""


class _Token(msgspec.Struct, frozen=True, array_like=True):
    """What a page token says. It keeps nothing secret and permits nothing: whoever makes one up reads their own list."""

    digest: bytes
    position: _Position


def read_page(
    conn: Connection,
    statement: Select[Any],
    conditions: Sequence[ColumnElement[bool]],
    order: Order,
    request: PageRequest,
    *arguments: object,
) -> Page[Row[Any]]:
    """Return one page of the rows that a statement selects.

    Args:
        conn: The connection.
        statement: What to select, without conditions or order.
        conditions: Which rows.
        order: How to sort them.
        request: Which page.
        arguments: All that makes this list another one, besides its order. A token serves no list but its own.

    Raises:
        PageTokenMismatchError: The token is not of this list.
    """
    sorting = f"{order.key} {order.id} {order.is_descending}"
    list_digest = _digest((*arguments, sorting))
    after = _read_token(request.token, order, list_digest) if request.token else None
    to_skip = 0 if request.token else request.offset
    rows: list[Row[Any]] = []
    for part in _parts(statement, conditions, order, after):
        wanted = request.size + 1 - len(rows)
        found = conn.execute(part.take(wanted, after=to_skip)).fetchall()
        rows += found
        if len(rows) > request.size:
            last = rows[request.size - 1]
            position = _Position(id=last.page_id, key=last.page_key)
            return Page(
                items=tuple(rows[: request.size]), next_token=_make_token(position, list_digest)
            )
        to_skip = 0 if found or not to_skip else to_skip - part.count(conn, at_most=to_skip)
    return Page(items=tuple(rows))


class _Part(msgspec.Struct, frozen=True):
    """Rows of a list that follow each other."""

    rows: Select[Any]
    """In no order, and whatever they have in the lead."""
    order: Order
    by: tuple[ColumnElement[Any], ...]
    """What they are sorted by."""

    def take(self, limit: int, *, after: int) -> Select[Any]:
        """Return the statement for the first of the rows behind so many."""
        lead = self.order.lead
        if lead is None:
            return self._sorted(self.rows, self.by).limit(limit).offset(after)
        if len(lead.values) == 1:
            return self._along(lead.column, lead.values[0]).limit(limit).offset(after)
        by_value = (
            self._along(lead.column, value).limit(limit + after).subquery() for value in lead.values
        )
        merged = union_all(*(select(each) for each in by_value)).subquery()
        sorted_by = (merged.c.page_key, merged.c.page_id)[-len(self.by) :]
        return self._sorted(select(merged), sorted_by).limit(limit).offset(after)

    def count(self, conn: Connection, *, at_most: int) -> int:
        """Return how many rows there are."""
        lead = self.order.lead
        among = [] if lead is None else [is_one_of(lead.column, lead.values)]
        ids = self.rows.with_only_columns(literal(1)).where(*among).limit(at_most).subquery()
        return conn.execute(select(func.count()).select_from(ids)).scalar_one()

    def _along(self, lead: Column[Any], value: str) -> Select[Any]:
        """Return the rows with a value, sorted."""
        # An equation would leave the choice among indexes; in this order only the one that begins with the lead has them.
        rows = self.rows.where(lead >= value, lead <= value)
        return self._sorted(rows, (lead, *self.by))

    def _sorted(self, rows: Select[Any], by: Sequence[ColumnElement[Any]]) -> Select[Any]:
        return rows.order_by(*(each.desc() if self.order.is_descending else each for each in by))


def _parts(
    statement: Select[Any],
    conditions: Sequence[ColumnElement[bool]],
    order: Order,
    after: _Position | None,
) -> list[_Part]:
    """Return what is left of a list, in parts that follow each other."""
    statement = statement.add_columns(
        order.id.label("page_id"), (null() if order.key is None else order.key).label("page_key")
    )
    beyond = [] if after is None else [_is_beyond(order, (_id_in(order), after.id))]
    if order.key is None:
        return [_Part(statement.where(*beyond, *conditions), order, (_id_in(order),))]
    if order.is_gathered and order.has_rows_without_key and not order.is_key_missing:
        return [_gathered(statement.where(*conditions), order, after)]
    parts = []
    if not order.is_key_missing and (after is None or after.key is not None):
        for stretch, begun_at in _stretches(order, after):
            key, row_id = _key_in(stretch), _id_in(stretch)
            # Where several conditions bound a key, both databases begin at the first: that must be the one that leads furthest.
            bounds = _bounds(key, row_id, stretch, begun_at)
            rows = statement.where(*bounds, *conditions, *_elsewhere(order, stretch))
            parts.append(_Part(rows, stretch, (key, row_id)))
        beyond = []
    if order.has_rows_without_key:
        key, row_id = _key_in(order), _id_in(order)
        without_key = statement.where(key.is_(None), *beyond, *conditions)
        # An index that begins with a lead goes on with the key.
        by = (row_id,) if order.lead is None else (key, row_id)
        parts.append(_Part(without_key, order, by))
    return parts


def _gathered(rows: Select[Any], order: Order, after: _Position | None) -> _Part:
    """Return all rows of a list that is to be gathered, with a key or without one: it takes no index, so one look is enough."""
    key, row_id = _key_in(order), _id_in(order)
    if after is not None and after.key is None:
        rows = rows.where(key.is_(None), _is_beyond(order, (row_id, after.id)))
    elif after is not None:
        is_beyond = _is_beyond(order, (key, after.key), (row_id, after.id))
        rows = rows.where(or_(is_beyond, key.is_(None)))
    are_last = key.is_not(None) if order.is_descending else key.is_(None)
    return _Part(rows, order, (are_last, key, row_id))


def _stretches(order: Order, after: _Position | None) -> Iterator[tuple[Order, _Position | None]]:
    """Yield the stretches of the keys that are left of a list one after the other, and the position if it lies within."""
    stretches, near = [order], order.near
    if near is not None:
        stretches = [order.narrowed(near.lowest, near.highest)]
        gathered = msgspec.structs.replace(order, is_gathered=True, lead=None)
        if near.lowest is not None:
            stretches.insert(0, gathered.narrowed(None, near.lowest - 1))
        if near.highest is not None:
            stretches.append(gathered.narrowed(near.highest + 1, None))
    for stretch in reversed(stretches) if order.is_descending else stretches:
        lowest = _INT64_MIN if stretch.lowest is None else stretch.lowest
        highest = _INT64_MAX if stretch.highest is None else stretch.highest
        place = after.key if near is not None and after is not None else None
        if not isinstance(place, int) or lowest <= place <= highest:
            yield stretch, after
        elif (highest < place) is order.is_descending:
            yield stretch, None


def _elsewhere(order: Order, stretch: Order) -> Iterator[ColumnElement[bool]]:
    """Yield what else the rows of a stretch meet, if it is not the one where nearly all keys lie."""
    if order.near is not None and stretch.is_gathered:
        yield order.near.elsewhere
        if order.lead is not None:
            yield is_one_of(order.lead.column, order.lead.values)


def _bounds(
    key: ColumnElement[Any], row_id: ColumnElement[Any], order: Order, after: _Position | None
) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions that a row has a key in the bounds of the list, and comes after a position."""
    is_nullable = order.key is not None and order.key.nullable
    if after is not None:
        yield _is_beyond(order, (key, after.key), (row_id, after.id))
    if order.lowest is not None and (after is None or order.is_descending):
        yield key >= order.lowest
    if order.highest is not None and (after is None or not order.is_descending):
        yield key <= order.highest
    if is_nullable and after is not None:
        yield key.is_not(None)
    elif is_nullable and order.lowest is None:
        # SQLite: a bound makes it begin behind the missing keys; IS NOT NULL would have it pass over each of them.
        yield key > _INT64_MIN


def _id_in(order: Order) -> ColumnElement[Any]:
    return _without_index(order.id) if order.is_gathered else order.id


def _key_in(order: Order) -> ColumnElement[Any]:
    assert order.key is not None
    return _without_index(order.key) if order.is_gathered else order.key


def _without_index(column: Column[Any]) -> ColumnElement[Any]:
    """Return the value of a column in a form that no index has."""
    if column.type.python_type is int:
        return column + literal_column("0", column.type)
    return column + literal_column("''", column.type)


def _is_beyond(order: Order, *place: tuple[ColumnElement[Any], object]) -> ColumnElement[bool]:
    """Return the condition that a row comes after the one that has these values."""
    row = tuple_(*(column for column, _ in place))
    last = tuple_(*(literal(value, column.type) for column, value in place))
    return row < last if order.is_descending else row > last


def _make_token(position: _Position, list_digest: bytes) -> str:
    token = _Token(digest=_digest((list_digest, position)), position=position)
    return urlsafe_b64encode(msgspec.msgpack.encode(token)).rstrip(b"=").decode()


def _read_token(text: str, order: Order, list_digest: bytes) -> _Position:
    """Return the position in a token.

    Raises:
        PageTokenMismatchError: The token is not of this list.
    """
    try:
        encoded = text.encode("ascii") + b"=" * (-len(text) % 4)
        token = msgspec.msgpack.decode(b64decode(encoded, b"-_", validate=True), type=_Token)
    except (ValueError, msgspec.DecodeError) as error:
        raise PageTokenMismatchError from error
    # Only this text says this, so that nothing of it can be changed unnoticed.
    if text != _make_token(token.position, list_digest) or not _fits(token.position, order):
        raise PageTokenMismatchError
    return token.position


def _fits(position: _Position, order: Order) -> bool:
    """Return whether a position has the types of an order."""
    if not isinstance(position.id, order.id.type.python_type):
        return False
    if position.key is None:
        return order.key is None or order.has_rows_without_key
    return order.key is not None and isinstance(position.key, order.key.type.python_type)


def _digest(value: object) -> bytes:
    """Return what tells a value from others, in every process and version alike."""
    encoded = msgspec.json.encode(value, order="deterministic")
    return sha256(encoded).digest()[:_DIGEST_BYTES]
