"""Flows: created, read, changed and deleted with all their runs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from headgate_server.model.commands import CreateFlow, DeleteFlow
from headgate_server.model.conflicts import DataConflictError
from headgate_server.model.errors import FlowNotFoundError
from headgate_server.model.filters import RunQuery
from headgate_server.model.flows import Flow, FlowSort
from headgate_server.model.ids import new_id
from headgate_server.model.paging import Page, PageRequest
from headgate_server.operations.deletion import delete_locked
from headgate_server.storage import flow_lists, flows
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.writer import LostRace, Outcome, Unfinished, Work, Writer, Written

_RUNS_AT_ONCE: Final = 500
"""Runs that one transaction deletes: enough to be fast, few enough to hold all there is to say of them."""


class CreatedFlow(msgspec.Struct, frozen=True, kw_only=True):
    """The flow that a request to create leads to."""

    flow: Flow
    created: bool
    """Whether this request made it."""


class TagFlow(msgspec.Struct, frozen=True, kw_only=True):
    """Replace the tags of a flow."""

    flow_id: str
    tags: tuple[str, ...]


class FlowDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """Delete a flow, or what is left of it."""

    request: DeleteFlow
    deleted_flow_runs: int = 0
    """How many of its runs are deleted already."""

    @property
    def request_id(self) -> str | None:
        """The id of the request, by which a repeat is known."""
        return self.request.request_id


class DeletedFlow(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to say of a flow that was deleted."""

    deleted_flow_runs: int
    revision: int = 0
    """Revision of the last change; 0 when the flow had no runs."""


class Flows:
    """Creates, reads, changes and deletes flows."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self._create = Work(_create_all, CreatedFlow)
        self._tag = Work(_tag_all, Flow)
        self._delete = Work(_delete_all, DeletedFlow)

    async def create(self, command: CreateFlow) -> tuple[Flow, bool]:
        """Create a flow, or return the one that has the name as it is.

        Returns:
            The flow, and whether this call created it.
        """
        answer = await self._writer.write(self._create, command)
        return answer.flow, answer.created

    async def get(self, flow_id: str | None, name: str | None) -> Flow:
        """Return a flow by its id or, without one, by its name.

        Raises:
            FlowNotFoundError: There is no such flow.
        """
        if flow_id is not None:
            flow = await self._database.read(flows.get, flow_id)
        else:
            flow = await self._database.read(flows.get_by_name, name or "")
        if flow is None:
            raise FlowNotFoundError(flow_id, name=name)
        return flow

    async def list_page(self, query: RunQuery, sort: FlowSort, page: PageRequest) -> Page[Flow]:
        """Return a page of the flows that match, and that have what else is asked for.

        Raises:
            PageTokenMismatchError: The token belongs to another list.
        """
        return await self._database.read(flow_lists.list_page, query, sort, page)

    async def count(self, query: RunQuery) -> int:
        """Return how many flows match, and have what else is asked for."""
        return await self._database.read(flow_lists.count, query)

    async def update_tags(self, flow_id: str, tags: tuple[str, ...]) -> Flow:
        """Replace the tags of a flow, and return it as it now stands.

        Raises:
            FlowNotFoundError: There is no such flow.
        """
        return await self._writer.write(self._tag, TagFlow(flow_id=flow_id, tags=tags))

    async def delete(self, command: DeleteFlow) -> int:
        """Delete a flow with its runs, their states and their inputs; return how many runs that were.

        Runs go some hundred in a transaction, and the flow with the last of them.

        Raises:
            FlowNotFoundError: There is no such flow.
            RequestIdReusedError: The request id belongs to another request.
        """
        deletion = FlowDeletion(request=command)
        return (await self._writer.write(self._delete, deletion)).deleted_flow_runs


def _create_all(
    conn: Connection, now: datetime, commands: Sequence[CreateFlow]
) -> list[Outcome[CreatedFlow]]:
    """Create flows, or find those that have the names. The first to ask for a name decides about the tags."""
    proposed: dict[str, Flow] = {}
    for command in commands:
        if command.name not in proposed:
            proposed[command.name] = Flow(
                id=new_id(), name=command.name, create_time=now, update_time=now, tags=command.tags
            )
    standing = flows.insert_or_get(conn, proposed)
    unannounced = {name for name, flow in standing.items() if flow.id == proposed[name].id}
    outcomes: list[Outcome[CreatedFlow]] = []
    for command in commands:
        flow = standing.get(command.name)
        if flow is None:
            outcomes.append(LostRace(DataConflictError()))
            continue
        outcomes.append(Written(CreatedFlow(flow=flow, created=flow.name in unannounced)))
        unannounced.discard(flow.name)
    return outcomes


def _tag_all(conn: Connection, now: datetime, commands: Sequence[TagFlow]) -> list[Outcome[Flow]]:
    """Replace tags of flows, in order."""
    standing = flows.lock(conn, list({each.flow_id for each in commands}))
    changed: dict[str, Flow] = {}
    outcomes: list[Outcome[Flow]] = []
    for command in commands:
        if command.flow_id not in standing:
            outcomes.append(FlowNotFoundError(command.flow_id))
            continue
        flow = replace(standing[command.flow_id], tags=command.tags, update_time=now)
        changed[flow.id] = flow
        outcomes.append(Written(flow))
    flows.update_tags(conn, list(changed.values()))
    return outcomes


def _delete_all(
    conn: Connection, now: datetime, commands: Sequence[FlowDeletion]
) -> list[Outcome[DeletedFlow] | Unfinished]:
    """Delete flows whose last runs go with them, and some runs of those that have more. The first to ask for one gets it."""
    standing = flows.lock(conn, list({each.request.flow_id for each in commands}))
    shrinking: set[str] = set()
    outcomes: list[Outcome[DeletedFlow] | Unfinished] = []
    for command in commands:
        flow_id = command.request.flow_id
        if flow_id in shrinking:
            outcomes.append(Unfinished(command))
            continue
        if standing.pop(flow_id, None) is None:
            outcomes.append(FlowNotFoundError(flow_id))
            continue
        run_ids = flows.lock_runs(conn, flow_id, _RUNS_AT_ONCE + 1)
        is_last = len(run_ids) <= _RUNS_AT_ONCE
        changes = delete_locked(conn, now, run_ids[:_RUNS_AT_ONCE])
        deleted = command.deleted_flow_runs + min(len(run_ids), _RUNS_AT_ONCE)
        if is_last:
            flows.delete_flow(conn, flow_id)
            outcomes.append(Written(DeletedFlow(deleted_flow_runs=deleted), changes))
        else:
            shrinking.add(flow_id)
            outcomes.append(Unfinished(replace(command, deleted_flow_runs=deleted), changes))
    return outcomes
