"""Cores: which of them processes run on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

Cores: TypeAlias = frozenset[int] | None
"""The cores that a process may use. None leaves that to the system."""


def shared_out() -> tuple[Cores, Cores]:
    """Return a core for servers, and the others for what loads them."""
    first, *others = sorted(os.sched_getaffinity(0))
    return frozenset({first}), frozenset(others or {first})


@contextmanager
def started_on(cores: Cores) -> Iterator[None]:
    """Let the processes that are started meanwhile use these cores only."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
