"""What the server can say of itself."""

from collections.abc import Callable

from headgate_server.model.server_info import Limits, ServerInfo
from headgate_server.storage import events, schema
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.events import LogPosition

CAPABILITIES = (
    "analytics",
    "batches",
    "concurrency-limits",
    "deployments",
    "request-ids",
    "task-runs",
    "wait-flow-runs",
    "watch-due-flow-runs",
    "watch-flow-run-inputs",
    "watch-flow-runs",
    "watch-task-runs",
    "work-pools",
)
"""What the server can do beyond the first version of the contract, sorted."""


class ServerFacts:
    """Tells the server's version, limits and place in the log."""

    def __init__(
        self, database: Database, *, version: str, limits: Limits, watch_count: Callable[[], int]
    ) -> None:
        self._database = database
        self._watch_count = watch_count
        self._version = version
        self._limits = limits

    async def info(self) -> ServerInfo:
        """Return what the server is.

        Raises:
            DatabaseUnavailableError: The database did not answer.
        """
        log, revision = await self._database.read(_look)
        return ServerInfo(
            version=self._version,
            capabilities=CAPABILITIES,
            limits=self._limits,
            database_kind=self._database.kind,
            head_revision=log.revision,
            oldest_revision=log.oldest_revision,
            epoch=log.epoch,
            schema_revision=revision,
            watch_count=self._watch_count(),
        )


def _look(conn: Connection) -> tuple[LogPosition, str]:
    return events.position(conn), schema.current_revision(conn) or ""
