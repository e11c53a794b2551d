"""Patience: ends what takes too long, at next to no cost for what does not.

A timer for each call would cost more than many calls do. But all have the same time, so they run out of it in the order in which
they began: one timer looks at the oldest now and then.
"""

import asyncio
from datetime import timedelta
from time import perf_counter
from typing import Any, Final

_LOOKS: Final = 20
"""How often the oldest is looked at in the time that each has; nothing overruns by more than this part of it."""


def current_task() -> asyncio.Task[Any]:
    """Return the task that carries the current call."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("gRPC runs every call in a task")
    return task


class Patience:
    """Cancels tasks that have been busy for too long."""

    def __init__(self, limit: timedelta) -> None:
        """Allow each task so much time."""
        self._limit_seconds = limit.total_seconds()
        self._began: dict[asyncio.Task[Any], float] = {}
        self._lost: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return how many tasks are busy."""
        return len(self._began)

    def begin(self, task: asyncio.Task[Any]) -> float:
        """Note that a task gets busy; return the time on `perf_counter`."""
        now = self._began[task] = perf_counter()
        if self._timer is None:
            self._set_timer()
        return now

    def end(self, task: asyncio.Task[Any]) -> None:
        """Note that a task is done."""
        if self._began.pop(task, None) is None:
            self._lost.discard(task)

    def is_lost_with(self, task: asyncio.Task[Any]) -> bool:
        """Tell a busy task that was cancelled whether it was for taking too long, and for nothing else.

        The cancellation is taken back then, so that the task can say so.
        """
        return task in self._lost and task.uncancel() == 0

    def _look(self) -> None:
        latest = perf_counter() - self._limit_seconds
        while self._began:
            task, began = next(iter(self._began.items()))
            if began > latest:
                break
            del self._began[task]
            self._lost.add(task)
            task.cancel()
        self._timer = None
        if self._began:
            self._set_timer()

    def _set_timer(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._limit_seconds / _LOOKS, self._look)
