"""Work pools: created with their default queue, read, changed and deleted with all that is theirs."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from headgate_server.model.conflicts import WorkPoolExistsError
from headgate_server.model.errors import (
    FieldViolation,
    InvalidRequestError,
    WorkPoolNameReservedError,
    WorkPoolNotFoundError,
)
from headgate_server.model.filters import RunQuery
from headgate_server.model.ids import new_id
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.work_commands import (
    CreateWorkPool,
    DeleteWorkPool,
    UpdateWorkPool,
    WorkPoolField,
)
from headgate_server.model.work_pools import (
    DEFAULT_QUEUE_NAME,
    UNREPORTED_TYPE,
    Presence,
    WorkPool,
    WorkQueue,
    WorkStatus,
)
from headgate_server.operations.forgetting import Forgetting
from headgate_server.operations.schema_faults import fault_in_template
from headgate_server.storage import work_pool_lists, work_pools, workers
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.writer import Outcome, Work, Writer, Written

_RESERVED: Final = "prefect"
_DEFAULT_QUEUE_DESCRIPTION: Final = "The work pool's default queue."

A = TypeVar("A")
R = TypeVar("R")


class DeletedWorkPool(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to say of a pool that was deleted."""

    queue_ids: tuple[str, ...]
    """The queues that went with it."""


class WorkPools:
    """Creates, reads, changes and deletes work pools."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        *,
        presence: Presence,
        note_change: Callable[[], None],
    ) -> None:
        """Make the operation.

        Args:
            database: Where pools are read.
            writer: Where they are written.
            presence: Who counts as there.
            note_change: Called after each change.
        """
        self._database = database
        self._writer = writer
        self._note_change = note_change
        self._forgetting = Forgetting(writer)
        self._create = Work(_create_all, WorkPool)
        self._update = Work(partial(_update_all, presence=presence), WorkPool)
        self._delete = Work(_delete_all, DeletedWorkPool)

    async def create(self, command: CreateWorkPool) -> WorkPool:
        """Create a pool with its default queue.

        Raises:
            InvalidRequestError: The variables of the template are no schema.
            WorkPoolNameReservedError: The name is not for callers.
            WorkPoolExistsError: The name is taken.
            RequestIdReusedError: The request id belongs to another request.
        """
        if command.name.lower().startswith(_RESERVED):
            raise WorkPoolNameReservedError(command.name)
        await _check_template(command.base_job_template_json)
        return await self._write(self._create, command)

    async def get(self, name: str) -> WorkPool:
        """Return a pool.

        Raises:
            WorkPoolNotFoundError: There is none with this name.
        """
        found = await self._database.read(work_pools.get_pool, name)
        if found is None:
            raise WorkPoolNotFoundError(name)
        return found

    async def list_page(self, query: RunQuery, page: PageRequest) -> Page[WorkPool]:
        """Return a page of the pools that match, by name.

        Raises:
            PageTokenMismatchError: The token belongs to another list.
        """
        return await self._database.read(work_pool_lists.list_pools, query, page)

    async def update(self, command: UpdateWorkPool) -> WorkPool:
        """Replace fields of a pool, and return it as it now stands.

        Raises:
            InvalidRequestError: The variables of the template are no schema.
            WorkPoolNotFoundError: There is none with this name.
        """
        if WorkPoolField.BASE_JOB_TEMPLATE_JSON in command.fields:
            await _check_template(command.base_job_template_json)
        return await self._write(self._update, command)

    async def delete(self, command: DeleteWorkPool) -> None:
        """Delete a pool with its queues and workers, and take its queues from the runs in them.

        Raises:
            WorkPoolNotFoundError: There is none with this name.
            RequestIdReusedError: The request id belongs to another request.
        """
        gone = await self._write(self._delete, command)
        await self._forgetting.forget(gone.queue_ids)

    async def _write(self, work: Work[A, R], command: A) -> R:
        """Make a change, and say so."""
        answer = await self._writer.write(work, command)
        self._note_change()
        return answer


async def _check_template(text: str) -> None:
    """See that a base job template can be used, beside the loop: it may take a while.

    Raises:
        InvalidRequestError: It cannot.
    """
    fault = None if text == "{}" else await asyncio.to_thread(fault_in_template, text)
    if fault:
        raise InvalidRequestError([FieldViolation("base_job_template_json", fault)])


def _create_all(
    conn: Connection, now: datetime, commands: Sequence[CreateWorkPool]
) -> list[Outcome[WorkPool]]:
    """Create pools. The first to ask for a name gets it."""
    outcomes: list[Outcome[WorkPool]] = []
    for command in commands:
        if work_pools.get_pool(conn, command.name) is not None:
            outcomes.append(WorkPoolExistsError(command.name))
            continue
        pool, queue = _new_pool(command, now)
        work_pools.insert_pool(conn, pool)
        work_pools.insert_queue(conn, queue)
        outcomes.append(Written(pool))
    return outcomes


def _new_pool(command: CreateWorkPool, now: datetime) -> tuple[WorkPool, WorkQueue]:
    """Return a new pool and its default queue."""
    pool_id, queue_id = new_id(), new_id()
    pool = WorkPool(
        id=pool_id,
        name=command.name,
        create_time=now,
        update_time=now,
        type=command.type,
        default_queue_id=queue_id,
        description=command.description,
        base_job_template_json=command.base_job_template_json,
        is_paused=command.is_paused,
        concurrency_limit=command.concurrency_limit,
    )
    queue = WorkQueue(
        id=queue_id,
        work_pool_id=pool_id,
        work_pool_name=command.name,
        name=DEFAULT_QUEUE_NAME,
        create_time=now,
        update_time=now,
        description=_DEFAULT_QUEUE_DESCRIPTION,
    )
    return replace(pool, status=_status(pool, has_online_worker=False)), queue


def _update_all(
    conn: Connection, now: datetime, commands: Sequence[UpdateWorkPool], *, presence: Presence
) -> list[Outcome[WorkPool]]:
    """Change pools, in order."""
    standing = work_pools.lock_pools(conn, {each.name for each in commands})
    outcomes: list[Outcome[WorkPool]] = []
    for command in commands:
        before = standing.get(command.name)
        if before is None:
            outcomes.append(WorkPoolNotFoundError(command.name))
            continue
        pool = _changed(before, command, now)
        if pool.is_paused != before.is_paused:
            is_worked_on = workers.has_online(conn, pool.id, now, presence)
            pool = replace(pool, status=_status(pool, has_online_worker=is_worked_on))
        work_pools.update_pool(conn, pool)
        standing[pool.name] = pool
        outcomes.append(Written(pool))
    return outcomes


def _changed(pool: WorkPool, command: UpdateWorkPool, now: datetime) -> WorkPool:
    """Return a pool with the fields that a command names."""
    new = {
        WorkPoolField.DESCRIPTION: ("description", command.description),
        WorkPoolField.BASE_JOB_TEMPLATE_JSON: (
            "base_job_template_json",
            command.base_job_template_json,
        ),
        WorkPoolField.PAUSED: ("is_paused", command.is_paused),
        WorkPoolField.CONCURRENCY_LIMIT: ("concurrency_limit", command.concurrency_limit),
    }
    values = dict(new[field] for field in command.fields)
    return replace(pool, update_time=now, **values)


def _status(pool: WorkPool, *, has_online_worker: bool) -> WorkStatus | None:
    """Return the status of a pool that was just made, paused, or let go on."""
    if pool.type == UNREPORTED_TYPE:
        return None
    if pool.is_paused:
        return WorkStatus.PAUSED
    return WorkStatus.READY if has_online_worker else WorkStatus.NOT_READY


def _delete_all(
    conn: Connection, _now: datetime, commands: Sequence[DeleteWorkPool]
) -> list[Outcome[DeletedWorkPool]]:
    """Delete pools. The first to ask for one gets it."""
    standing = work_pools.lock_pools(conn, {each.name for each in commands})
    outcomes: list[Outcome[DeletedWorkPool]] = []
    for command in commands:
        pool = standing.pop(command.name, None)
        if pool is None:
            outcomes.append(WorkPoolNotFoundError(command.name))
            continue
        queue_ids = tuple(queue.id for queue in work_pools.lock_queues(conn, pool.id))
        work_pools.delete_pool(conn, pool.id)
        outcomes.append(Written(DeletedWorkPool(queue_ids=queue_ids)))
    return outcomes
