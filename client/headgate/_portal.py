"""A way from blocking code into one event loop, which runs in a thread of its own.

gRPC wants one event loop in a process, so everybody who blocks shares this one. It starts with its
first user and stops with its last.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from headgate.errors import ClientClosedError

_CLOSED: Final = "The client is closed."

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Portal:
    """Runs coroutines for threads that block until they are done."""

    def __init__(self) -> None:
        """Start nothing yet."""
        # Reentrant, because a forgotten client leaves whenever it is collected.
        self._lock = threading.RLock()
        self._users = 0
        self._running: _Running | None = None
        self._waiting: set[Future[Any]] = set()

    def enter(self) -> None:
        """Count a user; the first one starts the loop."""
        with self._lock:
            self._users += 1
            self._running = self._running or _start()

    def leave(self) -> None:
        """Forget a user; the last one stops the loop and waits until it has stopped."""
        with self._lock:
            self._users -= 1
            if self._users or self._running is None:
                return
            running, self._running = self._running, None
            running.loop.call_soon_threadsafe(running.stop.set)
            if threading.current_thread() is not running.thread:
                running.thread.join()
            for future in self._waiting:
                future.cancel()

    def run(self, coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run a coroutine in the loop and return its result.

        An interrupt of the waiting thread, as by Ctrl-C, cancels the coroutine.

        Args:
            coroutine: What to run.

        Raises:
            ClientClosedError: The last user has left, before or meanwhile.
            RuntimeError: The calling thread is the one that runs the loop.
        """
        with self._lock:
            if self._running is None:
                coroutine.close()
                raise ClientClosedError(_CLOSED)
            if threading.current_thread() is self._running.thread:
                coroutine.close()
                message = "A blocking call would wait for the very thread that makes it."
                raise RuntimeError(message)
            future = asyncio.run_coroutine_threadsafe(coroutine, self._running.loop)
            self._waiting.add(future)
        try:
            return future.result()
        except CancelledError:
            raise ClientClosedError(_CLOSED) from None
        finally:
            future.cancel()
            with self._lock:
                self._waiting.discard(future)


@dataclass(frozen=True, slots=True)
class _Running:
    """A loop, the thread it runs in, and the event that stops it."""

    thread: threading.Thread
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event


def _start() -> _Running:
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="headgate", daemon=True)
    thread.start()
    return _Running(thread, *started.result())


PORTAL: Final = Portal()
"""The one portal of this process."""


class BlockingIterator(Generic[ItemT]):
    """Iterates over what an async generator yields, and blocks until there is something.

    Close it to end it early, also from another thread; used in `with`, it closes itself.
    """

    def __init__(self, portal: Portal, items: AsyncGenerator[ItemT, None]) -> None:
        """Iterate over these items in the loop of this portal."""
        self._portal = portal
        self._items = items
        self._reader: asyncio.Task[Any] | None = None
        self._closed = False

    def __iter__(self) -> Iterator[ItemT]:
        """Return the iterator itself."""
        return self

    def __next__(self) -> ItemT:
        """Return the next item; block until there is one."""
        item = self._portal.run(self._next())
        if item is None:
            raise StopIteration
        return item[0]

    def __enter__(self) -> Self:
        """Return the iterator itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the iterator."""
        self.close()

    def close(self) -> None:
        """End the iteration and what stands behind it. Whoever waits for an item gets none."""
        with suppress(ClientClosedError):
            self._portal.run(self._close())

    async def _next(self) -> tuple[ItemT] | None:
        self._reader = asyncio.current_task()
        try:
            return (await anext(self._items),)
        except StopAsyncIteration:
            return None
        except asyncio.CancelledError:
            if self._closed:
                return None
            raise
        finally:
            self._reader = None

    async def _close(self) -> None:
        self._closed = True
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])
        await self._items.aclose()
