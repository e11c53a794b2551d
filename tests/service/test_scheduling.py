"""The scheduler: runs that are made ahead of the dates that schedules name."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, select, update

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.model.foresight import Foresight
from headgate_server.operations.scheduling import Scheduling
from headgate_server.storage.tables import DEPLOYMENT
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.deploying import (
    by_cron,
    by_rrule,
    changed,
    deployed,
    every,
    scheduled,
    undeployed,
    waiting_runs,
)
from tests.service.replicas import replicas
from tests.service.seeds import write
from tests.service.work import new_pool
from tests.service.world import (
    CANCELLED,
    PENDING,
    SCHEDULED,
    World,
    at,
    lasting,
    violations,
    when,
)

A_SECOND = timedelta(seconds=1)
A_MINUTE = timedelta(minutes=1)
AN_HOUR = timedelta(hours=1)
A_DAY = timedelta(days=1)


async def dates(world: World, deployment: pb.Deployment) -> list[datetime]:
    """Return the times of the SCHEDULED runs of a deployment."""
    return [when(run.next_scheduled_start_time) for run in await waiting_runs(world, deployment)]


class TestRuns:
    async def test_a_run_of_the_scheduler_is_made_of_the_deployment_as_it_is_stored(
        self, app: App, world: World
    ) -> None:
        await new_pool(world, "pool")
        raw = '{"a": {"__prefect_kind": "json", "value": "{"}}'
        deployment = await deployed(
            world,
            version="1",
            tags=["red"],
            parameters_json=raw,
            parameter_schema_json='{"required": ["b"]}',
            enforce_parameter_schema=True,
            job_variables_json='{"cpu": 1}',
            work_pool_name="pool",
            schedules=[every(AN_HOUR, anchor_time=NOW)],
        )

        assert await app.scheduling.schedule_those_in_need() == 3

        first, *_ = await waiting_runs(world, deployment)
        run = await world.get(first)
        assert (run.flow_id, run.deployment_version) == (deployment.flow_id, "1")
        assert list(run.tags) == ["auto-scheduled", "red"]
        assert (run.auto_scheduled, run.parameters_json) == (True, raw)
        assert run.job_variables_json == "{}"
        assert (run.work_queue_id, run.work_queue_name) == (deployment.work_queue_id, "default")
        assert run.idempotency_key == f"scheduled {deployment.id} 2030-01-01T12:00:00+00:00"
        assert when(run.expected_start_time) == when(run.next_scheduled_start_time) == NOW
        (state,) = await world.states(run)
        assert (state.type, state.name, state.version) == (SCHEDULED, "Scheduled", 1)
        assert (state.message, when(state.details.scheduled_time)) == ("Flow run scheduled", NOW)

    async def test_watchers_see_the_runs_come(self, app: App, world: World) -> None:
        deployment = await deployed(world, schedules=[every(AN_HOUR)])
        watch = world.watch(flow_runs=pb.FlowRunFilter())
        await watch.settled()

        await app.scheduling.schedule_those_changed()

        seen = [(await watch.next("state_change")).state_change.flow_run for _ in range(3)]
        watch.cancel()
        assert {run.deployment_id for run in seen} == {deployment.id}
        assert {run.version for run in seen} == {1}

    @pytest.mark.parametrize(
        ("interval", "count"),
        [
            (A_MINUTE, 61),
            (5 * A_MINUTE, 13),
            (AN_HOUR, 3),
            (A_DAY, 3),
            (60 * A_DAY, 2),
            (A_SECOND, 100),
        ],
        ids=["minute", "five-minutes", "hour", "day", "sixty-days", "second"],
    )
    async def test_enough_runs_are_made_and_not_many_more(
        self, app: App, world: World, interval: timedelta, count: int
    ) -> None:
        deployment = await deployed(world, schedules=[every(interval, anchor_time=NOW)])

        made = await app.scheduling.schedule_those_in_need()

        found = await dates(world, deployment)
        assert made == len(found) == count
        assert found[0] == NOW
        assert {later - earlier for earlier, later in pairwise(found)} == {interval}

    async def test_each_schedule_counts_for_itself_and_each_instant_once(
        self, app: App, world: World
    ) -> None:
        deployment = await deployed(
            world,
            schedules=[
                by_cron("0 * * * *"),
                by_cron("0 14 * * *", "Europe/London"),
                every(A_DAY, anchor_time=NOW + A_MINUTE),
                by_rrule("FREQ=MINUTELY", active=False),
            ],
        )

        await app.scheduling.schedule_those_in_need()

        assert await dates(world, deployment) == [
            NOW,
            NOW + A_MINUTE,
            NOW + AN_HOUR,
            NOW + 2 * AN_HOUR,
            NOW + A_DAY + A_MINUTE,
            NOW + A_DAY + 2 * AN_HOUR,
            NOW + 2 * A_DAY + A_MINUTE,
            NOW + 2 * A_DAY + 2 * AN_HOUR,
        ]

    async def test_wall_clocks_are_kept_through_daylight_saving(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        berlin = ZoneInfo("Europe/Berlin")
        clock.now = datetime(2030, 3, 30, tzinfo=UTC)
        deployment = await deployed(world, schedules=[by_cron("0 9 * * *", "Europe/Berlin")])

        await app.scheduling.schedule_those_in_need()

        found = await dates(world, deployment)
        assert [each.hour for each in found] == [8, 7, 7]
        assert {each.astimezone(berlin).hour for each in found} == {9}


class TestPasses:
    async def test_a_pass_makes_nothing_twice(self, app: App, world: World) -> None:
        deployment = await deployed(world, schedules=[every(AN_HOUR), every(60 * A_DAY)])
        await app.scheduling.schedule_those_in_need()

        again = [
            await app.scheduling.schedule_those_in_need(),
            await app.scheduling.schedule_those_changed(),
            len(await scheduled(world, deployment)),
        ]

        assert again == [0, 0, 0]

    async def test_runs_are_made_as_time_goes_by(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        deployment = await deployed(world, schedules=[every(AN_HOUR, anchor_time=NOW)])
        await app.scheduling.schedule_those_in_need()
        clock.advance(AN_HOUR)

        assert await app.scheduling.schedule_those_in_need() == 1

        assert await dates(world, deployment) == [NOW + hours * AN_HOUR for hours in range(4)]

    async def test_runs_that_do_not_reach_far_enough_are_too_few(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        deployment = await deployed(world, schedules=[every(A_MINUTE, anchor_time=NOW)])
        await app.scheduling.schedule_those_in_need()
        clock.advance(A_MINUTE)

        assert await app.scheduling.schedule_those_in_need() == 1

        assert (await dates(world, deployment))[-1] == NOW + 61 * A_MINUTE

    @pytest.mark.parametrize("is_deleted", [False, True], ids=["cancelled", "deleted"])
    async def test_a_cancelled_run_keeps_its_date_and_a_deleted_one_frees_it(
        self, app: App, world: World, *, is_deleted: bool
    ) -> None:
        deployment = await deployed(world, schedules=[every(AN_HOUR)])
        await app.scheduling.schedule_those_in_need()
        first, *_ = await waiting_runs(world, deployment)
        if is_deleted:
            await world.delete(first)
        else:
            await world.propose(first, CANCELLED)

        assert await app.scheduling.schedule_those_in_need() == int(is_deleted)

        assert len(await world.listed()) == 3

    async def test_paused_deployments_and_those_without_an_active_schedule_are_left_alone(
        self, app: App, world: World
    ) -> None:
        await deployed(world, paused=True, schedules=[every(AN_HOUR)])
        await deployed(world, schedules=[every(AN_HOUR, active=False)])
        await deployed(world)

        assert await app.scheduling.schedule_those_in_need() == 0
        assert await app.scheduling.schedule_those_changed() == 0

    async def test_what_changed_a_moment_ago_is_looked_at_whatever_it_has(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        flow = await world.new_flow()
        await deployed(world, flow.id, "old", schedules=[every(AN_HOUR)])
        clock.advance(timedelta(seconds=6))
        await deployed(world, flow.id, "new", schedules=[every(AN_HOUR)])
        clock.advance(timedelta(microseconds=1))

        assert await app.scheduling.schedule_those_changed() == 3
        assert await app.scheduling.schedule_those_in_need() == 3

    async def test_a_pass_ends_on_sets_larger_than_its_batches(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        foresight = Foresight(deployment_batch=2, insert_batch=4)
        scheduling = Scheduling(app.database, app._writer, clock=clock, foresight=foresight)
        flow = await world.new_flow()
        for number in range(5):
            await deployed(world, flow.id, str(number), schedules=[every(AN_HOUR)])
        hopeless = await deployed(world, flow.id, schedules=[every(60 * A_DAY)])

        made = await scheduling.schedule_those_in_need()

        assert made == 5 * 3 + 2
        assert await scheduling.schedule_those_in_need() == 0
        await changed(world, hopeless, "description")
        assert await scheduling.schedule_those_changed() == 2

    async def test_one_deployment_that_cannot_be_scheduled_does_not_hinder_the_others(
        self, app: App, world: World
    ) -> None:
        broken = await deployed(world, schedules=[by_cron("0 * * * *")])
        whole = await deployed(world, schedules=[every(AN_HOUR)])

        def damage(conn: Connection) -> None:
            body = conn.execute(
                select(DEPLOYMENT.c.body).where(DEPLOYMENT.c.id == broken.id)
            ).scalar_one()
            never = body.replace(b"0 * * * *", b"0 0 30 2 *")
            conn.execute(update(DEPLOYMENT).where(DEPLOYMENT.c.id == broken.id).values(body=never))

        await write(app, damage)

        assert await app.scheduling.schedule_those_in_need() == 3
        assert await waiting_runs(world, broken) == []
        assert len(await waiting_runs(world, whole)) == 3

    async def test_runs_of_a_version_that_was_replaced_meanwhile_are_not_made(
        self, app: App, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deployment = await deployed(world, schedules=[every(AN_HOUR)])
        write_each = app._writer.write_each

        async def after_a_change(*args: Any) -> Any:
            await changed(world, deployment, "paused", paused=True)
            return await write_each(*args)

        monkeypatch.setattr(app._writer, "write_each", after_a_change)

        assert await app.scheduling.schedule_those_in_need() == 0
        assert await waiting_runs(world, deployment) == []

    async def test_several_servers_at_once_make_each_run_once(
        self, database_url: str, clock: FakeClock
    ) -> None:
        async with replicas(3, database_url, clock) as servers:
            _, world = servers[0]
            flow = await world.new_flow()
            deployments = [
                await deployed(world, flow.id, str(number), schedules=[every(5 * A_MINUTE)])
                for number in range(5)
            ]

            made, asked_for = await asyncio.gather(
                asyncio.gather(
                    *(app.scheduling.schedule_those_in_need() for app, _ in servers),
                    *(app.scheduling.schedule_those_changed() for app, _ in servers),
                ),
                asyncio.gather(*(scheduled(other, deployments[0]) for _, other in servers)),
            )

            assert sum(made) + sum(map(len, asked_for)) == 5 * 13
            for deployment in deployments:
                found = await dates(world, deployment)
                assert len(found) == len(set(found)) == 13


class TestOnDemand:
    async def test_the_past_can_be_made_up_for(self, world: World) -> None:
        deployment = await deployed(world, schedules=[by_cron("@daily")], paused=True)

        ids = await scheduled(
            world,
            deployment,
            start_time=at(datetime(2029, 1, 1, tzinfo=UTC)),
            end_time=at(datetime(2029, 1, 5, tzinfo=UTC)),
            min_runs=1000,
        )

        runs = [await world.get(each) for each in ids]
        assert [when(run.next_scheduled_start_time).day for run in runs] == [1, 2, 3, 4, 5]
        assert await scheduled(world, deployment) != []

    async def test_what_is_asked_for_is_taken(self, world: World) -> None:
        deployment = await deployed(world, schedules=[every(A_MINUTE, anchor_time=NOW)])

        few = await scheduled(world, deployment, min_runs=2, min_time=lasting(timedelta()))
        more = await scheduled(world, deployment, max_runs=5)
        further = await scheduled(world, deployment, min_runs=0, min_time=lasting(7 * A_MINUTE))

        assert [len(few), len(more), len(further)] == [2, 3, 3]
        assert await dates(world, deployment) == [NOW + each * A_MINUTE for each in range(8)]

    async def test_runs_that_have_begun_keep_their_dates(self, world: World) -> None:
        deployment = await deployed(world, schedules=[every(AN_HOUR)])
        first, *_ = await scheduled(world, deployment)
        await world.propose(first, PENDING)

        assert await scheduled(world, deployment) == []

    async def test_many_dates_are_made_at_once(self, world: World) -> None:
        deployment = await deployed(world, schedules=[every(A_SECOND)])

        ids = await scheduled(world, deployment, min_runs=1000, max_runs=1000)

        assert len(set(ids)) == 1000

    async def test_a_deployment_that_does_not_exist_has_no_runs(self, world: World) -> None:
        deployment = await deployed(world, schedules=[every(AN_HOUR)])
        await undeployed(world, deployment)

        assert await scheduled(world, deployment) == []

    async def test_wrong_fields_are_named(self, world: World) -> None:
        call = scheduled(
            world, "x", min_runs=-1, max_runs=0, min_time=lasting(timedelta(seconds=-1))
        )

        assert set(await violations(call)) == {
            *("deployment_id", "min_runs", "max_runs", "min_time"),
        }
        assert await violations(
            scheduled(world, "00000000-0000-0000-0000-000000000000", max_runs=1001)
        ) == ["max_runs"]


class TestByItself:
    @pytest.fixture
    def flags(self) -> dict[str, str]:
        return {"scheduler": "on", "scheduler-interval": "100ms"}

    async def test_the_server_looks_at_schedules_from_time_to_time(self, world: World) -> None:
        watch = world.watch(flow_runs=pb.FlowRunFilter())
        await watch.settled()

        deployment = await deployed(world, schedules=[every(AN_HOUR)])

        change = (await watch.next("state_change")).state_change
        watch.cancel()
        assert change.flow_run.deployment_id == deployment.id
