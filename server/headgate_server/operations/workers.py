"""Workers: known by their heartbeats."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from headgate_server.model.errors import WorkPoolNotFoundError
from headgate_server.model.ids import new_id
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.work_commands import Heartbeat, WorkerFilter
from headgate_server.model.work_pools import Presence, Worker, WorkerStatus, WorkStatus
from headgate_server.storage import work_pools, workers
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.writer import Outcome, Work, Writer, Written


class Workers:
    """Notes heartbeats of workers, and tells who is there."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        *,
        clock: Callable[[], datetime],
        presence: Presence,
    ) -> None:
        """Make the operation.

        Args:
            database: Where workers are read.
            writer: Where they are written.
            clock: Tells the time.
            presence: Who counts as there.
        """
        self._database = database
        self._writer = writer
        self._clock = clock
        self._presence = presence
        self._heartbeat = Work(_note_all, Worker)

    async def heartbeat(self, command: Heartbeat) -> Worker:
        """Note that a worker is there, and return it as it now stands.

        Raises:
            WorkPoolNotFoundError: There is no such pool.
        """
        return await self._writer.write(self._heartbeat, command)

    async def list_page(
        self, work_pool_name: str, matching: WorkerFilter, page: PageRequest
    ) -> Page[Worker]:
        """Return a page of the workers of a pool that match, those that reported last first.

        Raises:
            WorkPoolNotFoundError: There is no such pool.
            PageTokenMismatchError: The token belongs to another list.
        """
        read = partial(_list_page, now=self._clock(), presence=self._presence)
        return await self._database.read(read, work_pool_name, matching, page)


def _list_page(
    conn: Connection,
    work_pool_name: str,
    matching: WorkerFilter,
    page: PageRequest,
    *,
    now: datetime,
    presence: Presence,
) -> Page[Worker]:
    """Return a page of workers."""
    pool = work_pools.get_pool(conn, work_pool_name)
    if pool is None:
        raise WorkPoolNotFoundError(work_pool_name)
    return workers.list_page(conn, pool.id, matching, page, now=now, presence=presence)


def _note_all(
    conn: Connection, now: datetime, commands: Sequence[Heartbeat]
) -> list[Outcome[Worker]]:
    """Note heartbeats, in order."""
    pools = work_pools.lock_pools(conn, {each.work_pool_name for each in commands})
    keys = {
        (pools[each.work_pool_name].id, each.name)
        for each in commands
        if each.work_pool_name in pools
    }
    known = workers.lock(conn, sorted(keys))
    new = keys - known.keys()
    outcomes: list[Outcome[Worker]] = []
    for command in commands:
        pool = pools.get(command.work_pool_name)
        if pool is None:
            outcomes.append(WorkPoolNotFoundError(command.work_pool_name))
            continue
        key = (pool.id, command.name)
        known[key] = _heard(known.get(key), command, pool.id, now)
        outcomes.append(Written(known[key]))
    workers.insert(conn, [known[key] for key in new])
    workers.update_all(conn, [worker for key, worker in known.items() if key not in new])
    for pool in pools.values():
        if pool.status is WorkStatus.NOT_READY:
            work_pools.update_pool(conn, replace(pool, status=WorkStatus.READY))
    return outcomes


def _heard(worker: Worker | None, command: Heartbeat, work_pool_id: str, now: datetime) -> Worker:
    """Return a worker that has just reported; None stands for one that is new."""
    if worker is None:
        return Worker(
            id=new_id(),
            work_pool_id=work_pool_id,
            name=command.name,
            create_time=now,
            last_heartbeat_time=now,
            heartbeat_interval=command.interval,
        )
    return replace(
        worker,
        last_heartbeat_time=now,
        heartbeat_interval=command.interval or worker.heartbeat_interval,
        status=WorkerStatus.ONLINE,
    )
