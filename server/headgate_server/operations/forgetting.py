"""What runs still say of queues that are gone is taken from them, a number of runs in each transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import msgspec

from headgate_server.storage import work_pools
from headgate_server.storage.database import Connection
from headgate_server.storage.writer import Work, Writer, Written

BATCH: Final = 1000
"""Runs that one transaction writes: others wait for no more than these."""


class ForgetQueues(msgspec.Struct, frozen=True):
    """Take queues from runs."""

    queue_ids: tuple[str, ...]


class Forgotten(msgspec.Struct, frozen=True):
    """What was done about it."""

    runs: int


class Forgetting:
    """Takes queues that are gone from runs.

    Nobody waits for it to be right: a run whose queue is gone is read as one without a queue, and nobody asks for it.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._work = Work(_forget_all, Forgotten)

    async def forget(self, queue_ids: Collection[str]) -> None:
        """Take these queues, which are gone, from all runs."""
        command = ForgetQueues(tuple(queue_ids))
        while (await self._writer.write(self._work, command)).runs == BATCH:
            pass


def _forget_all(
    conn: Connection, _now: datetime, commands: Sequence[ForgetQueues]
) -> list[Written[Forgotten]]:
    """Take queues from a batch of runs each."""
    return [
        Written(Forgotten(work_pools.forget_queues(conn, each.queue_ids, BATCH)))
        for each in commands
    ]
