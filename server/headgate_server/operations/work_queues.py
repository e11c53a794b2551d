"""Work queues: created, read, changed and deleted; their places within their pool stay unique."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from headgate_server.model.conflicts import WorkQueueExistsError, WorkQueueIsDefaultError
from headgate_server.model.errors import (
    HeadgateError,
    WorkPoolNotFoundError,
    WorkQueueNotFoundError,
)
from headgate_server.model.filters import RunQuery
from headgate_server.model.ids import new_id
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.states import LATE_NAME
from headgate_server.model.work_commands import (
    CreateWorkQueue,
    DeleteWorkQueue,
    QueueKey,
    UpdateWorkQueue,
    WorkQueueField,
)
from headgate_server.model.work_pools import (
    Presence,
    WorkPool,
    WorkQueue,
    WorkQueueHealth,
    WorkStatus,
    health_of,
)
from headgate_server.operations.forgetting import Forgetting
from headgate_server.storage import work_pool_lists, work_pools
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.writer import Outcome, Work, Writer, Written

A = TypeVar("A")
R = TypeVar("R")


class DeletedWorkQueue(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to say of a queue that was deleted."""

    id: str


class WorkQueues:
    """Creates, reads, changes and deletes work queues."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        *,
        clock: Callable[[], datetime],
        presence: Presence,
        note_change: Callable[[], None],
    ) -> None:
        """Make the operation.

        Args:
            database: Where queues are read.
            writer: Where they are written.
            clock: Tells the time.
            presence: Who counts as there.
            note_change: Called after each change.
        """
        self._database = database
        self._writer = writer
        self._clock = clock
        self._note_change = note_change
        self._forgetting = Forgetting(writer)
        self._create = Work(_create_all, WorkQueue)
        self._update = Work(partial(_update_all, presence=presence), WorkQueue)
        self._delete = Work(_delete_all, DeletedWorkQueue)

    async def create(self, command: CreateWorkQueue) -> WorkQueue:
        """Create a queue in a pool.

        Raises:
            WorkPoolNotFoundError: There is no such pool.
            WorkQueueExistsError: The pool has a queue with this name.
            RequestIdReusedError: The request id belongs to another request.
        """
        return await self._write(self._create, command)

    async def get(self, key: QueueKey) -> WorkQueue:
        """Return a queue.

        Raises:
            WorkPoolNotFoundError: There is no such pool.
            WorkQueueNotFoundError: There is no such queue.
        """
        return await self._database.read(_get, key)

    async def health(self, key: QueueKey) -> tuple[WorkQueue, WorkQueueHealth]:
        """Return a queue and how well it is served.

        Raises:
            WorkPoolNotFoundError: There is no such pool.
            WorkQueueNotFoundError: There is no such queue.
        """
        queue, late = await self._database.read(_get_with_late, key)
        return queue, health_of(queue, late, self._clock())

    async def list_page(
        self, work_pool_name: str | None, query: RunQuery, page: PageRequest
    ) -> Page[WorkQueue]:
        """Return a page of the queues that match: those of one pool by priority, or those of all by name.

        Raises:
            WorkPoolNotFoundError: There is no such pool.
            PageTokenMismatchError: The token belongs to another list.
        """
        return await self._database.read(_list_page, work_pool_name, query, page)

    async def update(self, command: UpdateWorkQueue) -> WorkQueue:
        """Replace fields of a queue, and return it as it now stands.

        Raises:
            WorkPoolNotFoundError: There is no such pool.
            WorkQueueNotFoundError: There is no such queue.
            WorkQueueExistsError: Another queue of the pool has the new name.
        """
        return await self._write(self._update, command)

    async def delete(self, command: DeleteWorkQueue) -> None:
        """Delete a queue, and take it from the runs in it.

        Raises:
            WorkPoolNotFoundError: There is no such pool.
            WorkQueueNotFoundError: There is no such queue.
            WorkQueueIsDefaultError: It is the default queue of its pool.
            RequestIdReusedError: The request id belongs to another request.
        """
        gone = await self._write(self._delete, command)
        await self._forgetting.forget((gone.id,))

    async def _write(self, work: Work[A, R], command: A) -> R:
        """Make a change, and say so."""
        answer = await self._writer.write(work, command)
        self._note_change()
        return answer


def _get(conn: Connection, key: QueueKey) -> WorkQueue:
    """Return a queue by its id or by names."""
    if key.id is not None:
        queue = work_pools.get_queue(conn, key.id)
    else:
        pool = work_pools.get_pool(conn, key.work_pool_name)
        if pool is None:
            raise WorkPoolNotFoundError(key.work_pool_name)
        queue = work_pools.find_queue(conn, pool.id, key.name)
    if queue is None:
        raise WorkQueueNotFoundError(key.id, work_pool_name=key.work_pool_name, name=key.name)
    return queue


def _get_with_late(conn: Connection, key: QueueKey) -> tuple[WorkQueue, int]:
    """Return a queue and how many of its runs are late."""
    queue = _get(conn, key)
    return queue, work_pools.count_late(conn, queue.id, LATE_NAME)


def _list_page(
    conn: Connection, work_pool_name: str | None, query: RunQuery, page: PageRequest
) -> Page[WorkQueue]:
    """Return a page of queues."""
    if work_pool_name is None:
        return work_pool_lists.list_queues(conn, query, page, work_pool_id=None)
    pool = work_pools.get_pool(conn, work_pool_name)
    if pool is None:
        raise WorkPoolNotFoundError(work_pool_name)
    return work_pool_lists.list_queues(conn, query, page, work_pool_id=pool.id)


def _create_all(
    conn: Connection, now: datetime, commands: Sequence[CreateWorkQueue]
) -> list[Outcome[WorkQueue]]:
    """Create queues. The first to ask for a name gets it."""
    pools = work_pools.lock_pools(conn, {each.work_pool_name for each in commands})
    outcomes: list[Outcome[WorkQueue]] = []
    for command in commands:
        pool = pools.get(command.work_pool_name)
        if pool is None:
            outcomes.append(WorkPoolNotFoundError(command.work_pool_name))
            continue
        standing = work_pools.lock_queues(conn, pool.id)
        if any(queue.name == command.name for queue in standing):
            outcomes.append(WorkQueueExistsError(pool.name, command.name))
            continue
        queue = _new_queue(command, pool, standing, now)
        work_pools.insert_queue(conn, queue)
        _make_room(conn, queue, standing)
        outcomes.append(Written(queue))
    return outcomes


def _new_queue(
    command: CreateWorkQueue, pool: WorkPool, standing: Sequence[WorkQueue], now: datetime
) -> WorkQueue:
    """Return a new queue of a pool that has these."""
    return WorkQueue(
        id=new_id(),
        work_pool_id=pool.id,
        work_pool_name=pool.name,
        name=command.name,
        create_time=now,
        update_time=now,
        description=command.description,
        is_paused=command.is_paused,
        concurrency_limit=command.concurrency_limit,
        priority=command.priority or work_pools.free_priority(standing),
        status=WorkStatus.PAUSED if command.is_paused else WorkStatus.NOT_READY,
    )


def _make_room(conn: Connection, queue: WorkQueue, standing: Sequence[WorkQueue]) -> None:
    """Move queues back that stand where a queue now stands, and those that are in their way, in order."""
    moved: list[tuple[str, int]] = []
    last = queue.priority
    for other in standing:
        if other.id == queue.id or other.priority < queue.priority:
            continue
        if other.priority > last:
            break
        last += 1
        moved.append((other.id, last))
    work_pools.set_priorities(conn, moved)


def _update_all(
    conn: Connection, now: datetime, commands: Sequence[UpdateWorkQueue], *, presence: Presence
) -> list[Outcome[WorkQueue]]:
    """Change queues, in order."""
    outcomes: list[Outcome[WorkQueue]] = []
    for command in commands:
        found = _lock(conn, command.key)
        if isinstance(found, HeadgateError):
            outcomes.append(found)
            continue
        _, before, standing = found
        queue = _changed(before, command, now, presence)
        if any(each.name == queue.name and each.id != queue.id for each in standing):
            outcomes.append(WorkQueueExistsError(queue.work_pool_name, queue.name))
            continue
        work_pools.update_queue(conn, queue)
        if queue.priority != before.priority:
            _make_room(conn, queue, standing)
        outcomes.append(Written(queue))
    return outcomes


def _changed(
    queue: WorkQueue, command: UpdateWorkQueue, now: datetime, presence: Presence
) -> WorkQueue:
    """Return a queue with the fields that a command names, and the status that follows from them."""
    new = {
        WorkQueueField.NAME: ("name", command.name),
        WorkQueueField.DESCRIPTION: ("description", command.description),
        WorkQueueField.PAUSED: ("is_paused", command.is_paused),
        WorkQueueField.CONCURRENCY_LIMIT: ("concurrency_limit", command.concurrency_limit),
        WorkQueueField.PRIORITY: ("priority", command.priority),
    }
    values = dict(new[field] for field in command.fields)
    changed = replace(queue, update_time=now, **values)
    if changed.is_paused == queue.is_paused:
        return changed
    if changed.is_paused:
        return replace(changed, status=WorkStatus.PAUSED)
    is_served = presence.is_served(queue, now)
    return replace(changed, status=WorkStatus.READY if is_served else WorkStatus.NOT_READY)


def _delete_all(
    conn: Connection, _now: datetime, commands: Sequence[DeleteWorkQueue]
) -> list[Outcome[DeletedWorkQueue]]:
    """Delete queues. The first to ask for one gets it."""
    outcomes: list[Outcome[DeletedWorkQueue]] = []
    for command in commands:
        found = _lock(conn, command.key)
        if isinstance(found, HeadgateError):
            outcomes.append(found)
            continue
        pool, queue, _ = found
        if queue.id == pool.default_queue_id:
            outcomes.append(WorkQueueIsDefaultError(pool.name, queue.name))
            continue
        work_pools.delete_queue(conn, queue.id)
        outcomes.append(Written(DeletedWorkQueue(id=queue.id)))
    return outcomes


def _lock(
    conn: Connection, key: QueueKey
) -> tuple[WorkPool, WorkQueue, Sequence[WorkQueue]] | HeadgateError:
    """Return a queue with its pool and all queues of that, and let nobody else change them until the commit."""
    missing = WorkQueueNotFoundError(key.id, work_pool_name=key.work_pool_name, name=key.name)
    if key.id is None:
        pool = work_pools.lock_pools(conn, {key.work_pool_name}).get(key.work_pool_name)
        if pool is None:
            return WorkPoolNotFoundError(key.work_pool_name)
    else:
        known = work_pools.get_queue(conn, key.id)
        pool = None if known is None else work_pools.lock_pool(conn, known.work_pool_id)
        if pool is None:
            return missing
    standing = work_pools.lock_queues(conn, pool.id)
    for queue in standing:
        if queue.id == key.id or (key.id is None and queue.name == key.name):
            return pool, queue, standing
    return missing
