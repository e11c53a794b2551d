"""Paging: which part of a list is asked for."""

from typing import Final

from headgate_server.model.paging import PageRequest
from headgate_server.rpc.convert.checks import Checks

_SIZE_DEFAULT: Final = PageRequest().size


def read_page(size: int, token: str, checks: Checks, *, offset: int = 0) -> PageRequest:
    """Read which page is asked for. The token is left to the list that made it."""
    return PageRequest(
        size=min(checks.count(size, "page_size") or _SIZE_DEFAULT, checks.limits.page_size),
        token=token,
        offset=checks.count(offset, "offset"),
    )
