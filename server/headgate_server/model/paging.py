"""Pages: how much of a list is asked for, and what comes back."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is asked for."""

    size: int = 200
    """Items at most, 1 or more."""
    token: str = ""
    """The token of the page before; empty for the first page."""
    offset: int = 0
    """Items to skip before the first one, on the first page only."""


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list."""

    items: tuple[T, ...]
    next_token: str = ""
    """Asks for the next page; empty at the end of the list."""
