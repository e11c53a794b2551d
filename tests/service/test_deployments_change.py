"""Deployments: what a change leaves alone, and what a deletion takes along."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.deploying import (
    NO_SCHEMAS,
    by_cron,
    changed,
    deployed,
    every,
    names,
    run_of,
    scheduled,
    the_deployment,
    undeployed,
    waiting_runs,
)
from tests.service.work import new_pool
from tests.service.world import PENDING, World, reason, violations, when

A_SECOND = timedelta(seconds=1)
AN_HOUR = timedelta(hours=1)
A_DAY = timedelta(days=1)


class TestUpdates:
    async def test_the_mask_says_what_is_replaced(self, world: World, clock: FakeClock) -> None:
        await new_pool(world, "pool")
        made = await deployed(world, version="1", tags=["old"], parameters_json='{"a": 1}')
        clock.advance(A_SECOND)
        new: dict[str, Any] = {
            "version": "2",
            "tags": ["new"],
            "parameters_json": '{"a": 2}',
            "paused": True,
            "work_pool_name": "pool",
        }

        version = await changed(world, made, "version", **new)
        paused = await changed(world, made, "paused", "work_queue", **new)
        cleared = await changed(world, made, "*")

        assert (version.version, list(version.tags), version.paused) == ("2", ["old"], False)
        assert when(version.update_time) == NOW + A_SECOND
        assert (paused.paused, paused.work_queue_name) == (True, "default")
        assert (cleared.HasField("version"), list(cleared.tags)) == (False, [])
        assert (cleared.parameters_json, cleared.paused) == ("{}", False)
        assert not cleared.HasField("work_queue_id")
        assert await the_deployment(world, made) == cleared

    async def test_schedules_that_are_named_keep_their_ids(self, world: World) -> None:
        made = await deployed(world, schedules=[by_cron("@daily"), by_cron("@weekly")])
        kept = by_cron("@monthly", id=made.schedules[1].id)

        new = await changed(world, made, "schedules", schedules=[kept, by_cron("@hourly")])

        assert new.schedules[0].id == made.schedules[1].id
        assert new.schedules[0].cron.cron == "@monthly"
        assert new.schedules[1].id not in {each.id for each in made.schedules}

    async def test_ids_of_other_schedules_are_refused(self, world: World) -> None:
        made = await deployed(world, schedules=[by_cron("@daily")])
        own, foreign = made.schedules[0].id, str(uuid4())
        schedules = [by_cron("@daily", id=each) for each in (own, foreign, own)]

        wrong = await violations(changed(world, made, "schedules", schedules=schedules))

        assert wrong == ["deployment.schedules[1].id", "deployment.schedules[2].id"]

    async def test_wrong_updates_are_refused(self, world: World) -> None:
        made = await deployed(world)

        assert await violations(changed(world, made)) == ["update_mask"]
        assert await violations(changed(world, made, "name")) == ["update_mask.paths[0]"]
        assert await violations(
            changed(world, made, "schedules", schedules=[by_cron("nonsense")])
        ) == ["deployment.schedules[0].cron.cron"]
        assert (
            await reason(changed(world, made, "work_queue", work_pool_name="none"))
            == "WORK_POOL_NOT_FOUND"
        )

    @pytest.mark.parametrize("schema", NO_SCHEMAS.values(), ids=NO_SCHEMAS)
    async def test_what_is_no_schema_of_parameters_does_not_replace_one(
        self, world: World, schema: str
    ) -> None:
        made = await deployed(world, parameter_schema_json='{"type": "object"}')

        assert await violations(
            changed(world, made, "parameter_schema_json", parameter_schema_json=schema)
        ) == ["deployment.parameter_schema_json"]
        assert (await the_deployment(world, made)).parameter_schema_json == '{"type": "object"}'

    async def test_all_that_is_wrong_with_schedules_and_schema_is_told(self, world: World) -> None:
        made = await deployed(world)

        assert await violations(
            changed(
                world,
                made,
                *("schedules", "parameter_schema_json"),
                schedules=[by_cron("nonsense")],
                parameter_schema_json='{"type": 1}',
            )
        ) == ["deployment.schedules[0].cron.cron", "deployment.parameter_schema_json"]

    async def test_pausing_deletes_what_the_scheduler_made(self, app: App, world: World) -> None:
        made = await deployed(world, schedules=[every(AN_HOUR)])
        await scheduled(world, made)
        asked_for = await run_of(world, made)

        await changed(world, made, "paused", paused=True)
        await app.scheduling.schedule_those_changed()

        assert [each.id for each in await waiting_runs(world, made)] == [asked_for.id]

    async def test_a_change_gives_scheduled_runs_the_new_parameters(
        self, app: App, world: World
    ) -> None:
        made = await deployed(world, schedules=[every(AN_HOUR)], parameters_json='{"a": 1}')
        await app.scheduling.schedule_those_changed()

        await changed(world, made, "parameters_json", parameters_json='{"a": 2}')
        await app.scheduling.schedule_those_changed()

        runs = [await world.get(each) for each in await waiting_runs(world, made)]
        assert [each.parameters_json for each in runs] == ['{"a": 2}'] * 3

    async def test_repeats_answer_like_the_first(self, world: World) -> None:
        made = await deployed(world, schedules=[every(AN_HOUR)])
        request_id = str(uuid4())

        first = await changed(
            world, made, "schedules", schedules=[every(A_DAY)], request_id=request_id
        )
        again = await changed(
            world, made, "schedules", schedules=[every(A_DAY)], request_id=request_id
        )
        other = changed(world, made, "paused", request_id=request_id)

        assert again == first
        assert await reason(other) == "REQUEST_ID_REUSED"


class TestDeletion:
    async def test_scheduled_runs_go_and_others_keep_the_id(self, world: World) -> None:
        made = await deployed(world, schedules=[every(AN_HOUR)])
        await scheduled(world, made)
        await run_of(world, made)
        begun = await run_of(world, made, state=pb.ProposedState(type=PENDING))
        watch = world.watch(flow_runs=pb.FlowRunFilter())
        await watch.settled()

        assert await undeployed(world, made) == 4

        deleted = await watch.take(4)
        watch.cancel()
        assert {each.WhichOneof("event") for each in deleted} == {"deleted"}
        assert (await world.get(begun)).deployment_id == made.id
        assert [each.id for each in await world.listed()] == [begun.id]
        assert await names(world) == []

    async def test_a_repeat_is_told_from_a_second_deletion(self, world: World) -> None:
        made = await deployed(world)
        await run_of(world, made)
        request_id = str(uuid4())

        assert await undeployed(world, made, request_id=request_id) == 1
        assert await undeployed(world, made, request_id=request_id) == 1
        assert await reason(undeployed(world, made)) == "DEPLOYMENT_NOT_FOUND"

    async def test_deployments_go_with_their_flow(self, world: World) -> None:
        flow = await world.new_flow()
        await deployed(world, flow.id)

        await world.flows.DeleteFlow(pb.DeleteFlowRequest(flow_id=flow.id))

        assert await names(world) == []

    async def test_a_deleted_queue_is_forgotten_but_for_its_name(self, world: World) -> None:
        await new_pool(world, "pool")
        made = await deployed(world, work_pool_name="pool", work_queue_name="high")

        await world.work.DeleteWorkPool(pb.DeleteWorkPoolRequest(name="pool"))

        left = await the_deployment(world, made)
        assert left.work_queue_name == "high"
        assert not left.HasField("work_queue_id")
        assert not left.HasField("work_pool_name")
