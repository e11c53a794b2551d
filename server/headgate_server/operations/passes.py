"""Background passes: each does what is due, once, and can be run by several servers at the same time without harm."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import msgspec

from headgate_server.model.commands import Proposal
from headgate_server.model.conflicts import VersionMismatchError
from headgate_server.model.errors import FlowRunNotFoundError
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import LATE_NAME, ProposedState, StateDetails, StateType
from headgate_server.model.verdicts import Verdict
from headgate_server.operations.transitions import Transitions
from headgate_server.orchestration.flow_rules import end_of_expired_pause
from headgate_server.storage import due, events, idempotency_keys, requests
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.due import Place
from headgate_server.storage.writer import Work, Writer, Written

LATE_BATCH: Final = 400
EXPIRED_BATCH: Final = 200
TRIM_BATCH: Final = 5000


class Trim(msgspec.Struct, frozen=True):
    """Drop what is no longer promised."""

    retention: timedelta
    """How long changes are kept in the log."""


class Trimmed(msgspec.Struct, frozen=True):
    """What a trim did."""

    dropped: int


class Passes:
    """What the clock makes the service do."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        transitions: Transitions,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._writer = writer
        self._transitions = transitions
        self._clock = clock
        self._trim = Work(_trim_all, Trimmed)

    async def mark_late(self, late_after: timedelta) -> int:
        """Mark scheduled runs late that should have started; return how many were marked.

        A run counts as late from exactly `late_after` past its time. Only states named Scheduled are looked at.
        """
        find = partial(due.late_runs, due_by=self._clock() - late_after, limit=LATE_BATCH)
        return await self._for_each(find, self._transitions.mark_late, _late)

    async def expire_pauses(self) -> int:
        """Fail paused runs whose time is over; return how many were failed."""
        find = partial(due.expired_pauses, now=self._clock(), limit=EXPIRED_BATCH)
        return await self._for_each(find, self._transitions.propose, _expired)

    async def trim(self, retention: timedelta) -> int:
        """Drop changes, answers and keys that are no longer promised; return how many were dropped."""
        dropped = 0
        while (batch := await self._writer.write(self._trim, Trim(retention))).dropped:
            dropped += batch.dropped
        return dropped

    async def _for_each(
        self,
        find: Callable[..., tuple[Sequence[FlowRun], Place | None]],
        write: Callable[[Proposal], Awaitable[Verdict]],
        proposal_for: Callable[[FlowRun], Proposal],
    ) -> int:
        """Propose a state for every run that is found, a page at a time; return how many were written."""
        written, place = 0, None
        while True:
            runs, place = await self._database.read(find, after=place)
            answers = await asyncio.gather(
                *(write(proposal_for(run)) for run in runs), return_exceptions=True
            )
            for answer in answers:
                if isinstance(answer, Verdict):
                    written += answer.is_written
                elif not isinstance(answer, FlowRunNotFoundError | VersionMismatchError):
                    raise answer
            if place is None:
                return written


def _late(run: FlowRun) -> Proposal:
    """Return the proposal that marks a run late, unless it has moved on since it was found."""
    details = StateDetails(scheduled_time=run.next_scheduled_start_time)
    state = ProposedState(type=StateType.SCHEDULED, name=LATE_NAME, details=details)
    return Proposal(flow_run_id=run.id, state=state, expected_version=run.version)


def _expired(run: FlowRun) -> Proposal:
    """Return the proposal that ends an expired pause, unless the run has moved on since it was found."""
    assert run.state is not None
    return Proposal(
        flow_run_id=run.id,
        state=end_of_expired_pause(run.state),
        force=True,
        expected_version=run.version,
    )


def _trim_all(conn: Connection, now: datetime, commands: Sequence[Trim]) -> list[Written[Trimmed]]:
    """Drop a batch of what is no longer promised."""
    return [
        Written(
            Trimmed(
                dropped=events.trim(conn, now - command.retention, TRIM_BATCH)
                + requests.forget_expired(conn, now, TRIM_BATCH)
                + idempotency_keys.forget_expired(conn, now, TRIM_BATCH)
            )
        )
        for command in commands
    ]
