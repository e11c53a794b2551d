"""Lists that come in pages."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from headgate.models import Page

ItemT = TypeVar("ItemT")


async def across_pages(
    read: Callable[[str], Awaitable[Page[ItemT]]],
) -> AsyncGenerator[ItemT, None]:
    """Yield the items of all pages.

    Args:
        read: Reads the page that a page token asks for; the first one with an empty token.
    """
    token = ""
    while True:
        page = await read(token)
        for item in page.items:
            yield item
        token = page.next_page_token
        if not token:
            return
