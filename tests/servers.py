"""What a server keeps for itself when several of them share one PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from headgate_server.metrics import Metrics
from headgate_server.model.events import Event
from headgate_server.storage.database import Database
from headgate_server.storage.writer import Writer


class Server:
    """A database of its own, and a writer on it."""

    def __init__(self, url: str, clock: Callable[[], datetime]) -> None:
        self.database = Database.open(url)
        self.metrics = Metrics()
        self.published: list[Event] = []
        self.writer = Writer(
            self.database,
            clock=clock,
            publish=self.published.extend,
            metrics=self.metrics,
            waiting_max=1000,
        )

    @property
    def lost_races(self) -> float:
        """How many races this server has lost."""
        return self.metrics.registry.get_sample_value("headgate_lost_races_total") or 0


@asynccontextmanager
async def running_servers(
    count: int, url: str, clock: Callable[[], datetime]
) -> AsyncIterator[list[Server]]:
    """Run servers on one database."""
    servers = [Server(url, clock) for _ in range(count)]
    running = [asyncio.create_task(server.writer.run()) for server in servers]
    try:
        yield servers
    finally:
        for server in servers:
            server.writer.close()
        await asyncio.gather(*running)
        for server in servers:
            await server.database.close()
