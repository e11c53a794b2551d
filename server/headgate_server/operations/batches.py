"""Batches: many flow runs created, moved on or deleted by one call, each by itself.

Every item goes through the writer as a single call would, with the same rules, events and answers to repeats. What a batch
saves is the calls. Items are handed over in chunks, so that the changes of others come between them.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Generic, TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from headgate_server.model.batch_commands import (
    ChangeMatching,
    Creation,
    DeleteMatching,
    Deletion,
    NamedProposal,
    ProposeMatching,
    Proposing,
    item_request_id,
)
from headgate_server.model.commands import DeleteFlowRun
from headgate_server.model.errors import HeadgateError, OverloadedError, UnavailableError
from headgate_server.model.filters import FlowRunSort, RunQuery
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.paging import PageRequest
from headgate_server.model.verdicts import Verdict
from headgate_server.operations.creation import CreatedFlowRun, create_all
from headgate_server.operations.deletion import DeletedFlowRun, delete_all
from headgate_server.operations.transitions import carry_out
from headgate_server.storage import flow_run_lists, flow_runs, requests
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.writer import BATCH_SIZE, Outcome, Work, Writer, Written

CommandT = TypeVar("CommandT")
AnswerT = TypeVar("AnswerT")
AboutARunT = TypeVar("AboutARunT", CreatedFlowRun, Verdict)

Settled: TypeAlias = AnswerT | HeadgateError
"""The answer to one item, or why it was refused."""

SAMPLE_SIZE: Final = 20
"""Runs that a dry run shows."""

_NEWEST_FIRST: Final = FlowRunSort.ID_DESC
# A server in such a state can do no more for the next item than for this one.
_UNWILLING: Final = (UnavailableError, OverloadedError)


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What would be changed."""

    matching_count: int = 0
    sample: tuple[FlowRun, ...] = ()
    """The newest runs that match, in BASIC view."""


class Changed(msgspec.Struct, Generic[AnswerT], frozen=True, kw_only=True):
    """What became of runs that were named or that matched."""

    flow_run_ids: tuple[str, ...] = ()
    """The runs, in the order of the outcomes; an empty text for an item that could not be read."""
    outcomes: Sequence[Settled[AnswerT]] = ()
    next_token: str = ""
    """Asks for the next page of the runs that match; empty when none is left."""
    preview: Preview = Preview()
    """What would have been changed, if no more was asked."""


class _Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of one page, as they were found."""

    runs: tuple[tuple[str, int], ...]
    """Ids and versions, newest first."""
    next_token: str = ""


class _Keep(msgspec.Struct, frozen=True, kw_only=True):
    """Remember what a request found, so that a repeat finds the same."""

    request: ChangeMatching
    selection: _Selection

    @property
    def request_id(self) -> str | None:
        """The id of the request, by which a repeat is known."""
        return self.request.request_id


class Batches:
    """Creates, moves on and deletes many flow runs at once."""

    def __init__(
        self, database: Database, writer: Writer, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._create = Work(create_all, CreatedFlowRun)
        self._propose = Work(carry_out, Verdict)
        self._delete = Work(delete_all, DeletedFlowRun)
        self._keep = Work(_keep_all, _Selection)

    async def create(self, items: Sequence[Creation]) -> list[Settled[CreatedFlowRun]]:
        """Create runs, or find those that hold the idempotency keys.

        Returns:
            What became of each item, with the runs in BASIC view.

        Raises:
            UnavailableError: The server cannot take on any of them.
            OverloadedError: Too many changes wait; nothing was done.
        """
        outcomes = await self._carry_out(self._create, items)
        return _in_basic_view(outcomes)

    async def set_states(self, asked: Sequence[Proposing] | ProposeMatching) -> Changed[Verdict]:
        """Let the rules judge proposed states, or one state for a page of the runs that match.

        A run that matched and took another state before its turn is left alone.

        Returns:
            What became of each, with the runs in BASIC view.

        Raises:
            PageTokenMismatchError: The token belongs to another list.
            RequestIdReusedError: The request id belongs to another request.
            UnavailableError: The server cannot take on any of them.
            OverloadedError: Too many changes wait; nothing was done.
        """
        if not isinstance(asked, ProposeMatching):
            outcomes = await self._carry_out(self._propose, asked)
            return Changed(flow_run_ids=_ids(asked), outcomes=_in_basic_view(outcomes))
        if asked.dry_run:
            return Changed(preview=await self._database.read(_preview, asked.query))
        found = await self._select(asked)
        items = _proposals(asked, found)
        outcomes = await self._carry_out(self._propose, items)
        return Changed(
            flow_run_ids=_ids(items),
            outcomes=_in_basic_view(outcomes),
            next_token=found.next_token,
        )

    async def delete(self, asked: Sequence[Deletion] | DeleteMatching) -> Changed[DeletedFlowRun]:
        """Delete runs with their states and inputs: those named, or a page of those that match.

        A run that matched and took another state before its turn is left alone.

        Raises:
            PageTokenMismatchError: The token belongs to another list.
            RequestIdReusedError: The request id belongs to another request.
            UnavailableError: The server cannot take on any of them.
            OverloadedError: Too many changes wait; nothing was done.
        """
        if not isinstance(asked, DeleteMatching):
            outcomes = await self._carry_out(self._delete, asked)
            return Changed(flow_run_ids=_ids(asked), outcomes=outcomes)
        if asked.dry_run:
            return Changed(preview=await self._database.read(_preview, asked.query))
        found = await self._select(asked)
        items = _deletions(asked, found)
        outcomes = await self._carry_out(self._delete, items)
        return Changed(flow_run_ids=_ids(items), outcomes=outcomes, next_token=found.next_token)

    async def _select(self, command: ChangeMatching) -> _Selection:
        """Find the runs that a command means; a repeat of a request means those that it meant at first."""
        if command.request_id is not None:
            kept: _Selection | None = await self._database.read(
                requests.recall, self._clock(), command, _Selection
            )
            if kept is not None:
                return kept
        page = await self._database.read(
            flow_run_lists.list_page, command.query, _NEWEST_FIRST, command.page, is_full=False
        )
        found = _Selection(
            runs=tuple((run.id, run.version) for run in page.items), next_token=page.next_token
        )
        if command.request_id is None:
            return found
        return await self._writer.write(self._keep, _Keep(request=command, selection=found))

    async def _carry_out(
        self, work: Work[CommandT, AnswerT], items: Sequence[CommandT | HeadgateError]
    ) -> list[Settled[AnswerT]]:
        """Carry out what could be read, a chunk at a time.

        Once a server refuses a whole chunk for its own sake, the rest is refused likewise without being tried.
        """
        commands = [item for item in items if not isinstance(item, HeadgateError)]
        answers: list[Settled[AnswerT]] = []
        while len(answers) < len(commands):
            chunk = await self._write_chunk(work, commands[len(answers) :][:BATCH_SIZE])
            if all(isinstance(answer, _UNWILLING) for answer in chunk):
                if not answers and isinstance(chunk[0], HeadgateError):
                    raise chunk[0]
                chunk = chunk[:1] * (len(commands) - len(answers))
            answers += chunk
        following = iter(answers)
        return [item if isinstance(item, HeadgateError) else next(following) for item in items]

    async def _write_chunk(
        self, work: Work[CommandT, AnswerT], commands: Sequence[CommandT]
    ) -> list[Settled[AnswerT]]:
        """Return the answer to each command, or what it is refused with."""
        try:
            outcomes = await self._writer.write_each(work, commands)
        except _UNWILLING as error:
            return [error] * len(commands)
        answers: list[Settled[AnswerT]] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, HeadgateError):
                raise outcome
            answers.append(outcome)
        return answers


def _proposals(command: ProposeMatching, found: _Selection) -> list[Proposing]:
    """Return what a command proposes for the runs that were found."""
    return [
        NamedProposal(
            flow_run_id=run_id,
            state=command.state,
            force=command.force,
            expected_version=version,
            request_id=item_request_id(command.request_id, index),
        )
        for index, (run_id, version) in enumerate(found.runs)
    ]


def _deletions(command: DeleteMatching, found: _Selection) -> list[Deletion]:
    """Return what it takes to delete the runs that were found."""
    return [
        DeleteFlowRun(
            flow_run_id=run_id,
            expected_version=version,
            request_id=item_request_id(command.request_id, index),
        )
        for index, (run_id, version) in enumerate(found.runs)
    ]


def _ids(items: Sequence[Proposing] | Sequence[Deletion]) -> tuple[str, ...]:
    return tuple("" if isinstance(item, HeadgateError) else item.flow_run_id for item in items)


def _in_basic_view(outcomes: Sequence[Settled[AboutARunT]]) -> list[Settled[AboutARunT]]:
    """Return outcomes without what may be large of the runs in them."""
    return [
        outcome
        if isinstance(outcome, HeadgateError)
        or outcome.run is (run := flow_runs.basic(outcome.run))
        else replace(outcome, run=run)
        for outcome in outcomes
    ]


def _preview(conn: Connection, query: RunQuery) -> Preview:
    """Count the runs that match, and return the newest, as of one moment."""
    page = flow_run_lists.list_page(
        conn, query, _NEWEST_FIRST, PageRequest(size=SAMPLE_SIZE), is_full=False
    )
    return Preview(matching_count=flow_run_lists.count(conn, query), sample=page.items)


def _keep_all(
    _conn: Connection, _now: datetime, commands: Sequence[_Keep]
) -> list[Outcome[_Selection]]:
    """Let the writer remember what requests found."""
    return [Written(each.selection) for each in commands]
