"""Workers: processes that load and watch servers, so that a server never shares its interpreter with what measures it."""

import asyncio
import multiprocessing
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

import uvloop

from benchmarks.cores import Cores, started_on

P = ParamSpec("P")
R = TypeVar("R")


class Worker:
    """Another process with one event loop, which runs the coroutine functions it is sent one after the other.

    What they leave running in the loop goes on between them: watchers keep on reading.
    """

    def __init__(self, cores: Cores = None) -> None:
        """Start the process, on some cores or on any."""
        context = multiprocessing.get_context("spawn")
        self._pipe, other_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(other_end,), daemon=True)
        with started_on(cores):
            self._process.start()
        other_end.close()

    def __enter__(self) -> Self:
        """Return the worker."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(10)
        self._process.kill()

    def run(self, function: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a coroutine function of a module over there, and return what it returns.

        Raises:
            RuntimeError: It raised; the text is the traceback.
        """
        self._pipe.send((function, args, kwargs))
        is_good, value = self._pipe.recv()
        if not is_good:
            raise RuntimeError(value)
        result: R = value
        return result


def _serve(pipe: Connection) -> None:
    """Run what comes through the pipe until it is closed."""
    uvloop.run(_serve_loop(pipe))


async def _serve_loop(pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            function, args, kwargs = await loop.run_in_executor(None, pipe.recv)
        except (EOFError, ConnectionError):
            return
        outcome = await _outcome(function, args, kwargs)
        # Whoever asked may have been stopped meanwhile.
        with suppress(ConnectionError):
            pipe.send(outcome)


async def _outcome(
    function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[bool, Any]:
    """Return whether a function succeeds, and what it returns or how it fails."""
    try:
        return True, await function(*args, **kwargs)
    except Exception:  # noqa: BLE001 - the process that asked is told, whatever it is
        return False, traceback.format_exc()
