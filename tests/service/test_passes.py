"""The passes that the clock makes: late runs, expired pauses, and what is no longer promised."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.model.commands import Proposal
from headgate_server.model.conflicts import VersionMismatchError
from headgate_server.model.verdicts import Verdict
from headgate_server.operations import passes as passes_module
from headgate_server.storage.tables import EVENT, IDEMPOTENCY_KEY, REQUEST
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.replicas import replicas
from tests.service.world import (
    COMPLETED,
    FAILED,
    PAUSED,
    PENDING,
    REJECT,
    RUNNING,
    SCHEDULED,
    World,
    at,
    lasting,
    paused,
    scheduled_for,
    when,
)
from tests.storing import count_rows

A_TICK = timedelta(microseconds=1)
A_MINUTE = timedelta(minutes=1)
LATE_AFTER = timedelta(seconds=15)
A_DAY = timedelta(days=1)


async def names(world: World, run: pb.FlowRun) -> list[str]:
    """Return the names of the states of a run."""
    return [state.name for state in await world.states(run)]


async def pausing(
    world: World, *, expires: timedelta | None, suspended: bool = False, **fields: int
) -> pb.FlowRun:
    """Return a paused run whose pause expires so long after the test began."""
    run = await world.new_run(RUNNING, deployment_id=str(uuid4()), **fields)
    expire_time = None if expires is None else at(NOW + expires)
    await world.propose(run, paused(suspended=suspended, pause_expire_time=expire_time))
    return run


class TestLateRuns:
    async def test_a_run_is_late_from_exactly_its_time_on(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        run = await world.new_run(scheduled_for(NOW + A_MINUTE))
        clock.advance(A_MINUTE + LATE_AFTER - A_TICK)

        before = await app.passes.mark_late(LATE_AFTER)
        clock.advance(A_TICK)
        after = await app.passes.mark_late(LATE_AFTER)

        assert (before, after) == (0, 1)
        late = await world.get(run)
        assert (late.state.type, late.state.name, late.version) == (SCHEDULED, "Late", 2)
        assert when(late.next_scheduled_start_time) == NOW + A_MINUTE
        assert when(late.state.details.scheduled_time) == NOW + A_MINUTE
        assert when(late.state.timestamp) == clock()

    async def test_only_states_named_scheduled_are_looked_at(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        others = [
            await world.new_run(scheduled_for(NOW, name=name))
            for name in ("Late", "AwaitingRetry", "Resuming", "scheduled", "", "Waiting")
        ]
        others.append(await world.new_run(pb.ProposedState(type=RUNNING, name="Scheduled")))
        taken = await world.new_run(scheduled_for(NOW))
        await world.propose(taken, PENDING)
        run = await world.new_run(scheduled_for(NOW))
        clock.advance(A_DAY)

        marked = await app.passes.mark_late(LATE_AFTER)

        assert marked == 1
        assert await names(world, run) == ["Scheduled", "Late"]
        assert {(await world.get(each)).version for each in others} == {1}
        assert await names(world, taken) == ["Scheduled", "Pending"]

    async def test_a_set_larger_than_a_batch_ends_in_one_pass(
        self, app: App, world: World, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(passes_module, "LATE_BATCH", 4)
        flow = await world.new_flow()
        # Some are due at the same moment, also across the borders of batches.
        runs = [
            await world.new_run(scheduled_for(NOW + A_TICK * (n // 3)), flow_id=flow.id)
            for n in range(20)
        ]
        clock.advance(A_DAY)

        first, second = (
            await app.passes.mark_late(LATE_AFTER),
            await app.passes.mark_late(LATE_AFTER),
        )

        assert (first, second) == (20, 0)
        assert {(await world.get(run)).version for run in runs} == {2}

    async def test_batches_of_their_real_size_end_too(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        flow = await world.new_flow()
        count = passes_module.LATE_BATCH * 2
        await asyncio.gather(
            *(world.new_run(scheduled_for(NOW), flow_id=flow.id) for _ in range(count))
        )
        clock.advance(A_DAY)

        assert await app.passes.mark_late(LATE_AFTER) == count
        assert await app.passes.mark_late(LATE_AFTER) == 0

    async def test_a_pass_ends_though_every_run_moves_on_meanwhile(
        self, app: App, world: World, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def too_late(proposal: Proposal) -> Verdict:
            raise VersionMismatchError(proposal.flow_run_id, 1, 2)

        monkeypatch.setattr(passes_module, "LATE_BATCH", 2)
        monkeypatch.setattr(app.operations.transitions, "mark_late", too_late)
        for _ in range(5):
            await world.new_run(scheduled_for(NOW))
        clock.advance(A_DAY)

        assert await app.passes.mark_late(LATE_AFTER) == 0

    async def test_no_run_is_marked_twice_though_passes_overlap(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        runs = [await world.new_run(scheduled_for(NOW)) for _ in range(20)]
        clock.advance(A_DAY)

        marked = await asyncio.gather(*(app.passes.mark_late(LATE_AFTER) for _ in range(4)))

        assert sum(marked) == 20
        assert {(await world.get(run)).version for run in runs} == {2}

    async def test_a_run_that_moves_on_meanwhile_is_left_alone(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        runs = [await world.new_run(scheduled_for(NOW)) for _ in range(20)]
        clock.advance(A_DAY)

        await asyncio.gather(
            app.passes.mark_late(LATE_AFTER),
            *(world.propose(run, RUNNING) for run in runs[:10]),
            *(world.delete(run) for run in runs[10:]),
        )

        for run in runs[:10]:
            lived = await names(world, run)
            assert lived in (["Scheduled", "Running"], ["Scheduled", "Late", "Running"])
        assert len(await world.listed()) == 10

    async def test_watchers_are_told(self, app: App, world: World, clock: FakeClock) -> None:
        run = await world.new_run(scheduled_for(NOW))
        watch = world.watch(flow_run_ids=[run.id], send_initial_state=True)
        await watch.take(2)
        clock.advance(A_DAY)

        await app.passes.mark_late(LATE_AFTER)

        change = (await watch.next("state_change")).state_change
        assert (change.previous_state_name, change.state.name) == ("Scheduled", "Late")


class TestExpiredPauses:
    async def test_a_pause_is_over_only_after_its_time(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        run = await pausing(world, expires=A_MINUTE)
        clock.advance(A_MINUTE)

        at_its_time = await app.passes.expire_pauses()
        clock.advance(A_TICK)
        after = await app.passes.expire_pauses()

        assert (at_its_time, after) == (0, 1)
        assert await names(world, run) == ["Running", "Paused", "Failed"]

    @pytest.mark.parametrize("suspended", [False, True], ids=["paused", "suspended"])
    async def test_the_run_fails_and_says_why(
        self, app: App, world: World, clock: FakeClock, *, suspended: bool
    ) -> None:
        run = await pausing(world, expires=A_MINUTE, suspended=suspended, retries=5)
        clock.advance(A_DAY)

        await app.passes.expire_pauses()

        failed = await world.get(run)
        assert (failed.state.type, failed.state.name) == (FAILED, "Failed")
        assert failed.state.message == (
            f"The flow was {'suspended' if suspended else 'paused'} and never resumed."
        )
        assert when(failed.end_time) == clock()
        answer = await world.resume(run)
        assert answer.abort.reason == "Cannot resume a flow run that is not paused."

    async def test_what_has_time_or_never_expires_is_left_alone(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        never = await pausing(world, expires=None)
        later = await pausing(world, expires=A_DAY * 2)
        resumed = await pausing(world, expires=A_MINUTE)
        await world.resume(resumed)
        forced = await world.new_run(
            pb.ProposedState(
                type=RUNNING, details=pb.StateDetails(pause_expire_time=at(NOW + A_MINUTE))
            )
        )
        clock.advance(A_DAY)

        assert await app.passes.expire_pauses() == 0
        states = [(await world.get(run)).state.type for run in (never, later, resumed, forced)]
        assert states == [PAUSED, PAUSED, RUNNING, RUNNING]

    async def test_a_set_larger_than_a_batch_ends_in_one_pass(
        self, app: App, world: World, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(passes_module, "EXPIRED_BATCH", 3)
        for _ in range(7):
            await pausing(world, expires=A_MINUTE)
            await pausing(world, expires=None)
        clock.advance(A_DAY)

        first, second = await app.passes.expire_pauses(), await app.passes.expire_pauses()

        assert (first, second) == (7, 0)

    async def test_who_resumes_while_it_expires_wins_or_is_told(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        runs = [await pausing(world, expires=A_MINUTE) for _ in range(10)]
        clock.advance(A_DAY)

        expiring = asyncio.create_task(app.passes.expire_pauses())
        answers = await asyncio.gather(*(world.resume(run) for run in runs))
        expired = await expiring

        by_resume = sum(answer.status == REJECT and answer.created for answer in answers)
        assert expired + by_resume == 10
        for run in runs:
            assert await names(world, run) == ["Running", "Paused", "Failed"]


class TestTrim:
    async def test_only_what_is_older_than_promised_is_dropped(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        flow = await world.new_flow()
        for _ in range(2):
            await world.new_run(
                flow_id=flow.id,
                request_id=str(uuid4()),
                idempotency_key=str(uuid4()),
                idempotency_ttl=lasting(A_DAY),
            )
            clock.advance(A_DAY - A_TICK)
        tables = (EVENT, REQUEST, IDEMPOTENCY_KEY)

        first = await app.passes.trim(A_DAY)
        left = await count_rows(app.database, *tables)
        second = await app.passes.trim(A_DAY)

        assert (first, second) == (3, 0)
        assert left == {"event": 1, "request": 1, "idempotency_key": 1}

    async def test_more_than_a_batch_goes_in_one_pass_and_histories_stay(
        self, app: App, world: World, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(passes_module, "TRIM_BATCH", 3)
        run = await world.new_run()
        for _ in range(9):
            await world.propose(run, RUNNING)
        clock.advance(A_DAY * 2)

        assert await app.passes.trim(A_DAY) == 10
        assert len(await world.states(run)) == 10
        assert (await world.propose(run, COMPLETED)).revision == 11


class TestByThemselves:
    @pytest.fixture
    def flags(self) -> dict[str, str]:
        return {"late-interval": "100ms", "pause-expiry-interval": "100ms", "late-after": "2s"}

    async def test_the_server_makes_its_passes(self, world: World, clock: FakeClock) -> None:
        late = await world.new_run(scheduled_for(NOW))
        expired = await pausing(world, expires=timedelta(seconds=2))
        watch = world.watch(flow_run_ids=[late.id, expired.id], send_initial_state=True)
        await watch.take(3)

        clock.advance(timedelta(seconds=2) + A_TICK)

        seen = {(await watch.next("state_change")).state_change.state.name for _ in range(2)}
        assert seen == {"Late", "Failed"}


async def test_several_servers_make_the_same_pass_at_once_without_harm(
    postgresql_url: str, clock: FakeClock
) -> None:
    async with replicas(3, postgresql_url, clock) as servers:
        world = servers[0][1]
        late = [await world.new_run(scheduled_for(NOW)) for _ in range(15)]
        expired = [await pausing(world, expires=A_MINUTE) for _ in range(15)]
        clock.advance(A_DAY)

        marked = await asyncio.gather(*(app.passes.mark_late(LATE_AFTER) for app, _ in servers))
        failed = await asyncio.gather(*(app.passes.expire_pauses() for app, _ in servers))
        trimmed = await asyncio.gather(*(app.passes.trim(A_DAY) for app, _ in servers))

        assert (sum(marked), sum(failed), sum(trimmed)) == (15, 15, 0)
        assert {(await world.get(run)).version for run in late} == {2}
        assert {(await world.get(run)).version for run in expired} == {3}
