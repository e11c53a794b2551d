"""Concurrency limits: set, read, reset and deleted. Slots are taken and given back by transitions."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from headgate_server.model.concurrency_commands import (
    CreateConcurrencyLimit,
    DeleteConcurrencyLimit,
    LimitKey,
    ResetConcurrencyLimit,
)
from headgate_server.model.concurrency_limits import ConcurrencyLimit
from headgate_server.model.conflicts import DataConflictError
from headgate_server.model.errors import ConcurrencyLimitNotFoundError, TaskRunNotFoundError
from headgate_server.model.ids import new_id
from headgate_server.model.paging import Page, PageRequest
from headgate_server.storage import concurrency_limits, flow_runs
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.writer import LostRace, Outcome, Work, Writer, Written


class CreatedConcurrencyLimit(msgspec.Struct, frozen=True, kw_only=True):
    """The limit that a request to set it leads to."""

    limit: ConcurrencyLimit
    created: bool
    """Whether this request made it."""


class DeletedConcurrencyLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to say of a limit that was deleted."""

    tag: str


class ConcurrencyLimits:
    """Sets, reads, resets and deletes concurrency limits."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._create = Work(_create_all, CreatedConcurrencyLimit)
        self._reset = Work(_reset_all, ConcurrencyLimit)
        self._delete = Work(_delete_all, DeletedConcurrencyLimit)
        self._writer = writer

    async def create(self, command: CreateConcurrencyLimit) -> tuple[ConcurrencyLimit, bool]:
        """Set the limit of a tag. Its slots stay.

        Returns:
            The limit, and whether this call created it.
        """
        answer = await self._writer.write(self._create, command)
        return answer.limit, answer.created

    async def get(self, key: LimitKey) -> ConcurrencyLimit:
        """Return a limit.

        Raises:
            ConcurrencyLimitNotFoundError: There is none.
        """
        found = await self._database.read(concurrency_limits.get, key)
        if found is None:
            raise _not_found(key)
        return found

    async def list_page(self, page: PageRequest) -> Page[ConcurrencyLimit]:
        """Return a page of the limits, by tag.

        Raises:
            PageTokenMismatchError: The token belongs to another list.
        """
        return await self._database.read(concurrency_limits.list_page, page)

    async def reset(self, command: ResetConcurrencyLimit) -> ConcurrencyLimit:
        """Give the slots of a limit to the task runs named, and return the limit as it now stands.

        Raises:
            ConcurrencyLimitNotFoundError: The tag has no limit.
            TaskRunNotFoundError: One of the task runs does not exist.
        """
        return await self._writer.write(self._reset, command)

    async def delete(self, command: DeleteConcurrencyLimit) -> None:
        """Delete a limit.

        Raises:
            ConcurrencyLimitNotFoundError: There is none.
            RequestIdReusedError: The request id belongs to another request.
        """
        await self._writer.write(self._delete, command)


def _create_all(
    conn: Connection, now: datetime, commands: Sequence[CreateConcurrencyLimit]
) -> list[Outcome[CreatedConcurrencyLimit]]:
    """Set limits, in order. Of those for one tag the last one holds."""
    proposed = {
        command.tag: ConcurrencyLimit(
            id=new_id(),
            tag=command.tag,
            concurrency_limit=command.concurrency_limit,
            create_time=now,
            update_time=now,
        )
        for command in commands
    }
    concurrency_limits.insert_where_free(conn, list(proposed.values()))
    standing = concurrency_limits.lock(conn, list(proposed))
    unannounced = {tag for tag, limit in standing.items() if limit.id == proposed[tag].id}
    outcomes: list[Outcome[CreatedConcurrencyLimit]] = []
    for command in commands:
        limit = standing.get(command.tag)
        if limit is None:
            outcomes.append(LostRace(DataConflictError()))
            continue
        limit = replace(limit, concurrency_limit=command.concurrency_limit, update_time=now)
        standing[limit.tag] = limit
        outcomes.append(
            Written(CreatedConcurrencyLimit(limit=limit, created=limit.tag in unannounced))
        )
        unannounced.discard(limit.tag)
    concurrency_limits.update_limits(conn, list(standing.values()))
    return outcomes


def _reset_all(
    conn: Connection, now: datetime, commands: Sequence[ResetConcurrencyLimit]
) -> list[Outcome[ConcurrencyLimit]]:
    """Replace the slots of limits, in order."""
    standing = concurrency_limits.lock(conn, list({each.tag for each in commands}))
    wanted = {slot for command in commands for slot in command.active_slots}
    known = flow_runs.task_runs_among(conn, list(wanted))
    changed: dict[str, ConcurrencyLimit] = {}
    outcomes: list[Outcome[ConcurrencyLimit]] = []
    for command in commands:
        limit = standing.get(command.tag)
        if limit is None:
            outcomes.append(ConcurrencyLimitNotFoundError(tag=command.tag))
            continue
        unknown = next((slot for slot in command.active_slots if slot not in known), None)
        if unknown is not None:
            outcomes.append(TaskRunNotFoundError(unknown))
            continue
        slots = tuple(sorted(set(command.active_slots)))
        changed[limit.tag] = replace(limit, active_slots=slots, update_time=now)
        outcomes.append(Written(changed[limit.tag]))
    concurrency_limits.update_limits(conn, list(changed.values()))
    concurrency_limits.replace_slots(conn, list(changed.values()))
    return outcomes


def _delete_all(
    conn: Connection, _now: datetime, commands: Sequence[DeleteConcurrencyLimit]
) -> list[Outcome[DeletedConcurrencyLimit]]:
    """Delete limits. The first to ask for one gets it."""
    tags = concurrency_limits.tags_of(conn, [each.key.id for each in commands if each.key.id])
    named = [_tag_of(command.key, tags) for command in commands]
    standing = concurrency_limits.lock(conn, list({tag for tag in named if tag is not None}))
    going: list[str] = []
    outcomes: list[Outcome[DeletedConcurrencyLimit]] = []
    for command, tag in zip(commands, named, strict=True):
        limit = standing.get(tag) if tag is not None else None
        # The tag may have got another limit since it was looked up.
        if limit is None or command.key.id not in {None, limit.id}:
            outcomes.append(_not_found(command.key))
            continue
        going.append(standing.pop(limit.tag).id)
        outcomes.append(Written(DeletedConcurrencyLimit(tag=limit.tag)))
    concurrency_limits.delete_limits(conn, going)
    return outcomes


def _tag_of(key: LimitKey, tags: dict[str, str]) -> str | None:
    """Return the tag of the limit that is looked for; None if there is no limit with its id."""
    return key.tag if key.id is None else tags.get(key.id)


def _not_found(key: LimitKey) -> ConcurrencyLimitNotFoundError:
    return ConcurrencyLimitNotFoundError(key.id, tag=key.tag)
