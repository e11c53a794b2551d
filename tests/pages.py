"""Lists as they should be: in the order that its name says, cut into pages; and as they are, read page after page."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection

from headgate_server.model.paging import Page, PageRequest

_KEYS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "ID": lambda each: each.id,
    "START_TIME": lambda each: each.start_time or each.expected_start_time,
    "EXPECTED_START_TIME": lambda each: each.expected_start_time,
    "NEXT_SCHEDULED_START_TIME": lambda each: each.next_scheduled_start_time,
    "END_TIME": lambda each: each.end_time,
    "NAME": lambda each: each.name.encode(),
    "CREATED": lambda each: each.create_time,
    "UPDATED": lambda each: each.update_time,
    "PRIORITY": lambda each: each.priority,
}


def in_order(entities: Iterable[Any], sort: str) -> list[str]:
    """Return the ids of entities by a key, those without it last, then by id in the same direction."""
    name, direction = sort.rsplit("_", 1)
    key, is_descending = _KEYS[name], direction == "DESC"
    everything = list(entities)
    with_key = [each for each in everything if key(each) is not None]
    without_key = [each for each in everything if key(each) is None]
    with_key.sort(key=lambda each: (key(each), each.id), reverse=is_descending)
    without_key.sort(key=lambda each: each.id, reverse=is_descending)
    return [each.id for each in (*with_key, *without_key)]


def cut(ids: list[str], first: PageRequest) -> list[list[str]]:
    """Return the ids as pages; nothing is one empty page."""
    starts = range(first.offset, len(ids), first.size)
    return [ids[start : start + first.size] for start in starts] or [[]]


def read_pages(
    conn: Connection, list_page: Callable[..., Page[Any]], *arguments: Any, first: PageRequest
) -> list[list[str]]:
    """Return the ids on all pages of a list."""
    pages, request = [], first
    while True:
        page = list_page(conn, *arguments, request)
        pages.append([item.id for item in page.items])
        if not page.next_token:
            return pages
        request = PageRequest(size=first.size, token=page.next_token)
