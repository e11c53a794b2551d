"""The scheduler: makes the runs that the schedules of deployments name, some time ahead of them.

Any number of servers may do so at once. The dates are worked out beside the writer; the deployment is locked when they are
written, so that nobody makes runs of a version that was replaced meanwhile, and each date holds an idempotency key.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, NamedTuple, Self

import msgspec
import structlog

from headgate_server.forms.schedules import dates_to_schedule
from headgate_server.model.commands import CreateFlowRun
from headgate_server.model.deployment_commands import ScheduleDeployment, ScheduleRuns
from headgate_server.model.deployments import Deployment
from headgate_server.model.errors import HeadgateError, OverloadedError, UnavailableError
from headgate_server.model.events import Change
from headgate_server.model.foresight import Foresight
from headgate_server.model.states import ProposedState, StateDetails, StateType
from headgate_server.operations.creation import CreatedFlowRun, create_all
from headgate_server.storage import deployments, scheduling
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.writer import ATTEMPTS, Outcome, Work, Writer, Written

AUTO_SCHEDULED_TAG: Final = "auto-scheduled"
STATE_MESSAGE: Final = "Flow run scheduled"
CHANGED_LATELY: Final = timedelta(seconds=6)
"""How long ago a deployment may have changed to be looked at again: a little longer than from one look to the next."""

_LOG: Final = structlog.stdlib.get_logger(__name__)


class ScheduledRuns(msgspec.Struct, frozen=True, kw_only=True):
    """The runs that were made of some dates of a deployment."""

    flow_run_ids: tuple[str, ...] = ()
    """Of the dates that had no run, in their order."""
    is_outdated: bool = False
    """Whether the deployment had changed since the dates were worked out, so that nothing was made."""
    revision: int = 0
    """Revision of the last change; 0 when nothing was made."""


class Scheduling:
    """Makes runs ahead of their time."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        *,
        clock: Callable[[], datetime],
        foresight: Foresight,
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._foresight = foresight
        self._make = Work(_make_all, ScheduledRuns)

    async def schedule(self, command: ScheduleDeployment) -> list[str]:
        """Make the runs of one deployment, paused or not, for a span of time; return their ids in the order of their dates.

        A deployment that does not exist has none.
        """
        walk = self._walk(command)
        for _ in range(ATTEMPTS):
            deployment = await self._database.read(deployments.get, command.deployment_id)
            if deployment is None:
                break
            dates = await asyncio.to_thread(_dates, deployment, walk)
            made = await self._make_in_turn(_portions(deployment, dates, self._foresight))
            if made is not None:
                return made
        return []

    async def schedule_those_in_need(self) -> int:
        """Make the runs of every deployment that has too few ahead; return how many were made."""
        foresight, now = self._foresight, self._clock()
        made, place = 0, None
        while True:
            found, place = await self._database.read(
                scheduling.in_need_of_runs,
                now,
                min_runs=foresight.min_runs,
                min_time=foresight.min_time,
                after=place,
                limit=foresight.deployment_batch,
            )
            made += await self._make_runs(found, now)
            if place is None:
                return made

    async def schedule_those_changed(self) -> int:
        """Make the runs of every deployment that changed a moment ago; return how many were made."""
        now = self._clock()
        made, place = 0, None
        while True:
            found, place = await self._database.read(
                scheduling.changed_lately,
                now - CHANGED_LATELY,
                after=place,
                limit=self._foresight.deployment_batch,
            )
            made += await self._make_runs(found, now)
            if place is None:
                return made

    async def _make_in_turn(self, portions: Iterable[ScheduleRuns]) -> list[str] | None:
        """Make runs of one deployment; return their ids, or None if it changed meanwhile."""
        made: list[str] = []
        for runs in portions:
            answer = await self._writer.write(self._make, runs)
            if answer.is_outdated:
                return None
            made += answer.flow_run_ids
        return made

    async def _make_runs(self, found: Sequence[Deployment], now: datetime) -> int:
        """Make the runs of some deployments, and pass over those that cannot be scheduled; return how many were made.

        Raises:
            UnavailableError: The database did not answer, or the server is shutting down.
            OverloadedError: Too many changes wait.
        """
        made = 0
        walk = _Walk.from_foresight(self._foresight, now)
        for batch in await asyncio.to_thread(_batches, found, walk, self._foresight):
            answers = await self._writer.write_each(self._make, batch)
            for runs, answer in zip(batch, answers, strict=True):
                if isinstance(answer, ScheduledRuns):
                    made += len(answer.flow_run_ids)
                elif not isinstance(answer, HeadgateError) or isinstance(answer, _PUTS_OFF):
                    raise answer
                else:
                    _skip(runs.deployment_id, answer)
        return made

    def _walk(self, command: ScheduleDeployment) -> "_Walk":
        """Return which dates a caller asks for."""
        usual = _Walk.from_foresight(self._foresight, command.start_time or self._clock())
        return _Walk(
            start=usual.start,
            end=command.end_time or usual.end,
            min_runs=usual.min_runs if command.min_runs is None else command.min_runs,
            max_runs=usual.max_runs if command.max_runs is None else command.max_runs,
            min_time=usual.min_time if command.min_time is None else command.min_time,
        )


_PUTS_OFF: Final = (UnavailableError, OverloadedError)
"""What says nothing of a deployment, so that the whole pass had better come later."""


class _Walk(NamedTuple):
    """Which dates of each schedule are taken."""

    start: datetime
    end: datetime
    min_runs: int
    max_runs: int
    min_time: timedelta

    @classmethod
    def from_foresight(cls, foresight: Foresight, start: datetime) -> Self:
        """Return the walk of the scheduler from a time on."""
        return cls(
            start=start,
            end=start + foresight.max_time,
            min_runs=foresight.min_runs,
            max_runs=foresight.max_runs,
            min_time=foresight.min_time,
        )


def _dates(deployment: Deployment, walk: _Walk) -> list[datetime]:
    """Return the dates that the active schedules of a deployment name, each once, ascending.

    Raises:
        ScheduleInvalidError: The next date of a schedule cannot be found.
    """
    taken: set[datetime] = set()
    for schedule in deployment.schedules:
        if schedule.is_active:
            taken.update(
                dates_to_schedule(
                    schedule.rule,
                    walk.start,
                    walk.end,
                    at_least=walk.min_runs,
                    reach=walk.min_time,
                    at_most=walk.max_runs,
                )
            )
    return sorted(taken)


def _portions(
    deployment: Deployment, dates: Sequence[datetime], foresight: Foresight
) -> Iterator[ScheduleRuns]:
    """Yield what to make of a deployment, no more at once than is inserted together."""
    for first in range(0, len(dates), foresight.insert_batch):
        yield ScheduleRuns(
            deployment_id=deployment.id,
            update_time=deployment.update_time,
            dates=tuple(dates[first : first + foresight.insert_batch]),
        )


def _batches(
    found: Iterable[Deployment], walk: _Walk, foresight: Foresight
) -> list[list[ScheduleRuns]]:
    """Return what to make of some deployments, in parts that are inserted together."""
    batches: list[list[ScheduleRuns]] = []
    room = 0
    for deployment in found:
        try:
            dates = _dates(deployment, walk)
        except Exception as error:  # noqa: BLE001  whatever is wrong with one, the others go on
            _skip(deployment.id, error)
            continue
        for runs in _portions(deployment, dates, foresight):
            if len(runs.dates) > room:
                batches.append([])
                room = foresight.insert_batch
            batches[-1].append(runs)
            room -= len(runs.dates)
    return batches


def _skip(deployment_id: str, error: Exception) -> None:
    """Note that a deployment is passed over."""
    _LOG.warning("deployment not scheduled", deployment_id=deployment_id, reason=str(error))


def _make_all(
    conn: Connection, now: datetime, commands: Sequence[ScheduleRuns]
) -> list[Outcome[ScheduledRuns]]:
    """Make runs of deployments that are still as they were; each date that has one is passed over."""
    standing = deployments.lock(conn, {each.deployment_id for each in commands})
    wanted = [_runs(command, standing.get(command.deployment_id)) for command in commands]
    created = iter(create_all(conn, now, [run for runs in wanted if runs for run in runs]))
    return [
        Written(ScheduledRuns(is_outdated=True))
        if runs is None
        else _gathered(list(islice(created, len(runs))))
        for runs in wanted
    ]


def _runs(command: ScheduleRuns, deployment: Deployment | None) -> list[CreateFlowRun] | None:
    """Return the runs for some dates; None if the deployment has changed, or is gone."""
    if deployment is None or deployment.update_time != command.update_time:
        return None
    return [_run(deployment, date) for date in command.dates]


def _run(deployment: Deployment, date: datetime) -> CreateFlowRun:
    """Return the run of a deployment for a date."""
    return CreateFlowRun(
        flow_id=deployment.flow_id,
        state=ProposedState(
            type=StateType.SCHEDULED,
            message=STATE_MESSAGE,
            details=StateDetails(scheduled_time=date),
        ),
        parameters_json=deployment.parameters_json,
        tags=(AUTO_SCHEDULED_TAG, *deployment.tags),
        deployment_id=deployment.id,
        deployment_version=deployment.version,
        work_queue_id=deployment.work_queue_id,
        work_queue_name=deployment.work_queue_name,
        auto_scheduled=True,
        idempotency_key=f"scheduled {deployment.id} {date.astimezone(UTC).isoformat()}",
    )


def _gathered(outcomes: Sequence[Outcome[CreatedFlowRun]]) -> Outcome[ScheduledRuns]:
    """Return what became of the dates of one command."""
    made: list[str] = []
    changes: list[Change] = []
    for outcome in outcomes:
        if not isinstance(outcome, Written):
            return outcome
        if outcome.value.created:
            made.append(outcome.value.run.id)
        changes += outcome.changes
    return Written(ScheduledRuns(flow_run_ids=tuple(made)), tuple(changes))
