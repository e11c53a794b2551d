"""DeploymentService: deployments created, replaced, read, changed and deleted."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from headgate import v1 as pb
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.deploying import (
    NO_SCHEMAS,
    by_cron,
    by_rrule,
    changed,
    deploy,
    deployed,
    every,
    names,
    run_of,
    scheduled,
    the_deployment,
    undeployed,
    waiting_runs,
)
from tests.service.work import new_pool, new_queue
from tests.service.world import (
    PENDING,
    World,
    reason,
    refusal,
    refused,
    texts,
    the_error_info,
    violated_fields,
    violations,
    when,
)

A_SECOND = timedelta(seconds=1)
AN_HOUR = timedelta(hours=1)
A_DAY = timedelta(days=1)
SCHEMAS = {
    "anything": "{}",
    "a-list-of-schemas": '{"properties": {"pair": {"items": [{"type": "string"}, {}]}}}',
    "words-of-nobody": '{"properties": {"pair": {"position": 0, "nullable": true}}}',
    "a-format": '{"properties": {"at": {"format": "date-time"}}}',
    "another-draft": '{"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {}}',
    "leads-nowhere-that-is-gone-to": '{"properties": {"other": {"$ref": "#/nowhere"}}}',
}


class TestCreation:
    async def test_a_deployment_is_kept_as_it_is_given(
        self, world: World, clock: FakeClock
    ) -> None:
        flow = await world.new_flow()
        pool = await new_pool(world, "pool")
        clock.advance(A_SECOND)
        given: dict[str, Any] = {
            "version": "1.2",
            "description": "für jeden",
            "tags": ["b", "a", "b"],
            "parameters_json": '{"n": 1152921504606846977, "x": 1.0}',
            "parameter_schema_json": '{"type": "object"}',
            "enforce_parameter_schema": True,
            "job_variables_json": '{"cpu": 2}',
            "pull_steps_json": '[{"git": "clone"}]',
            "entrypoint": "flows/a.py:b",
            "path": "/code",
            "work_pool_name": "pool",
        }

        answer = await deploy(world, flow.id, "prod", **given)

        made = answer.deployment
        assert answer.created
        assert UUID(made.id).version == 7
        assert (made.flow_id, made.name, made.paused) == (flow.id, "prod", False)
        assert when(made.create_time) == when(made.update_time) == NOW + A_SECOND
        for field, value in given.items():
            kept = getattr(made, field)
            assert (list(kept) if field == "tags" else kept) == value
        assert (made.work_queue_id, made.work_queue_name) == (pool.default_queue_id, "default")
        assert made.status == pb.DEPLOYMENT_STATUS_NOT_READY
        assert not made.HasField("last_polled_time")
        assert await the_deployment(world, made) == made

    async def test_what_is_not_given_is_empty_or_unset(self, world: World) -> None:
        made = await deployed(world)

        assert (made.parameters_json, made.job_variables_json) == ("{}", "{}")
        for field in (
            *("version", "description", "parameter_schema_json", "pull_steps_json"),
            *("entrypoint", "path", "work_queue_id", "work_queue_name", "work_pool_name"),
        ):
            assert not made.HasField(field)

    async def test_schedules_get_ids_and_keep_their_order(self, world: World) -> None:
        made = await deployed(
            world,
            schedules=[
                every(AN_HOUR, timezone="Europe/Berlin"),
                by_cron("0 9 * * 1-5", "America/New_York", day_or=False, active=False),
                by_rrule("FREQ=WEEKLY", max_active_runs=2, max_scheduled_runs=50, catchup=True),
            ],
        )

        interval, cron, rrule = made.schedules
        assert len({each.id for each in made.schedules}) == 3
        assert when(interval.interval.anchor_time) == NOW
        assert interval.interval.interval.ToTimedelta() == AN_HOUR
        assert interval.active
        assert (cron.cron.cron, cron.cron.timezone) == ("0 9 * * 1-5", "America/New_York")
        assert (cron.cron.day_or, cron.active) == (False, False)
        assert (rrule.rrule.rrule, rrule.rrule.timezone) == ("FREQ=WEEKLY", "UTC")
        assert (rrule.max_active_runs, rrule.max_scheduled_runs, rrule.catchup) == (2, 50, True)

    async def test_the_same_name_replaces_the_old_version(
        self, world: World, clock: FakeClock
    ) -> None:
        flow = await world.new_flow()
        old = await deployed(
            world, flow.id, paused=True, version="1", tags=["old"], schedules=[every(AN_HOUR)]
        )
        clock.advance(A_SECOND)

        answer = await deploy(world, flow.id, schedules=[every(A_DAY)])

        new = answer.deployment
        assert not answer.created
        assert (new.id, new.create_time, new.paused) == (old.id, old.create_time, True)
        assert when(new.update_time) == NOW + A_SECOND
        assert (list(new.tags), new.HasField("version")) == ([], False)
        assert new.schedules[0].id != old.schedules[0].id
        assert await the_deployment(world, old) == new
        assert not (await deployed(world, flow.id, paused=False)).paused

    async def test_of_replaced_runs_only_those_of_the_scheduler_go(self, world: World) -> None:
        flow = await world.new_flow()
        old = await deployed(world, flow.id, schedules=[every(AN_HOUR)])
        begun, *going = await scheduled(world, old)
        await world.propose(begun, PENDING)
        asked_for = await run_of(world, old)

        await deploy(world, flow.id, schedules=[every(A_DAY)])

        assert len(going) == 2
        assert [each.id for each in await waiting_runs(world, old)] == [asked_for.id]
        assert (await world.get(begun)).deployment_id == old.id

    async def test_two_flows_may_have_deployments_of_one_name(self, world: World) -> None:
        assert (await deployed(world)).id != (await deployed(world)).id

    async def test_of_many_at_once_one_is_created(self, world: World) -> None:
        flow = await world.new_flow()

        answers = await asyncio.gather(*(deploy(world, flow.id) for _ in range(10)))

        assert sum(answer.created for answer in answers) == 1
        assert len({answer.deployment.id for answer in answers}) == 1

    async def test_a_queue_is_found_or_made_in_the_pool(self, world: World) -> None:
        await new_pool(world, "pool")
        queue = await new_queue(world, "high", pool="pool")

        found = await deployed(world, work_pool_name="pool", work_queue_name="high")
        made = await deployed(world, work_pool_name="pool", work_queue_name="low")

        assert found.work_queue_id == queue.id
        assert (made.work_queue_name, made.work_pool_name) == ("low", "pool")
        assert made.work_queue_id not in {"", queue.id}

    async def test_what_it_needs_must_exist(self, world: World) -> None:
        answers = [
            await refused(deployed(world, str(uuid4()), work_pool_name="none")),
            await refused(deployed(world, work_pool_name="none")),
        ]

        assert [(code, info.reason) for code, info in answers] == [
            (grpc.StatusCode.NOT_FOUND, "FLOW_NOT_FOUND"),
            (grpc.StatusCode.NOT_FOUND, "WORK_POOL_NOT_FOUND"),
        ]

    @pytest.mark.parametrize(
        ("fields", "wrong"),
        [
            ({"name": ""}, ["name"]),
            ({"name": "a/b"}, ["name"]),
            ({"parameters_json": "[]"}, ["parameters_json"]),
            ({"parameter_schema_json": "true"}, ["parameter_schema_json"]),
            ({"pull_steps_json": "{"}, ["pull_steps_json"]),
            ({"description": "x" * 5001, "path": "x" * 1001}, ["description", "path"]),
            ({"work_queue_name": "q"}, ["work_queue_name"]),
            ({"work_pool_name": ""}, ["work_pool_name"]),
            ({"tags": ["x"] * 101}, ["tags"]),
        ],
        ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
    )
    async def test_wrong_fields_are_named(
        self, world: World, fields: dict[str, Any], wrong: list[str]
    ) -> None:
        assert await violations(deploy(world, str(uuid4()), **fields)) == wrong

    @pytest.mark.parametrize("is_enforced", [True, False], ids=["enforced", "not-enforced"])
    @pytest.mark.parametrize("schema", NO_SCHEMAS.values(), ids=NO_SCHEMAS)
    async def test_what_is_no_schema_of_parameters_is_refused(
        self, world: World, schema: str, *, is_enforced: bool
    ) -> None:
        error = await refusal(
            deploy(world, parameter_schema_json=schema, enforce_parameter_schema=is_enforced)
        )

        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert the_error_info(error).reason == "INVALID_REQUEST"
        assert violated_fields(error) == ["parameter_schema_json"]
        assert await names(world) == []

    @pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
    async def test_what_runs_take_for_a_schema_is_taken(self, world: World, schema: str) -> None:
        made = await deployed(world, parameter_schema_json=schema, enforce_parameter_schema=True)

        await run_of(world, made, {"pair": ["a", 1]})
        assert (await the_deployment(world, made)).parameter_schema_json == schema

    @pytest.mark.parametrize(
        ("schedule", "wrong"),
        [
            (pb.DeploymentSchedule(), "rule"),
            (pb.DeploymentSchedule(interval=pb.IntervalSchedule()), "interval.interval"),
            (every(timedelta()), "interval.interval"),
            (every(AN_HOUR, timezone="Mars"), "interval.timezone"),
            (by_cron(""), "cron.cron"),
            (by_cron("* * * * * *"), "cron.cron"),
            (by_cron("H * * * *"), "cron.cron"),
            (by_cron("0 0 30 2 *"), "cron.cron"),
            (by_cron("0 0 * * *", "Europe"), "cron.timezone"),
            (by_rrule("FREQ=NEVER"), "rrule.rrule"),
            (by_rrule("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"), "rrule.rrule"),
            (by_rrule("x" * 6501), "rrule.rrule"),
            (by_rrule("FREQ=DAILY", max_scheduled_runs=51), "max_scheduled_runs"),
            (by_rrule("FREQ=DAILY", max_active_runs=0), "max_active_runs"),
            (by_rrule("FREQ=DAILY", id=str(uuid4())), "id"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_wrong_schedules_are_named(
        self, world: World, schedule: pb.DeploymentSchedule, wrong: str
    ) -> None:
        good = by_cron("@daily")

        fields = await violations(deploy(world, str(uuid4()), schedules=[good, schedule]))

        assert fields == [f"schedules[1].{wrong}"]

    async def test_it_has_a_hundred_schedules_at_most(self, world: World) -> None:
        schedules = [by_cron("@daily")] * 100

        assert len((await deployed(world, schedules=schedules)).schedules) == 100
        assert await violations(deployed(world, schedules=[*schedules, *schedules])) == [
            "schedules"
        ]


class TestReading:
    async def test_a_deployment_is_found_by_the_names_of_its_flow_and_of_itself(
        self, world: World
    ) -> None:
        flow = await world.new_flow("etl")
        made = await deployed(world, flow.id, "prod")
        await deployed(world, name="prod")
        name = pb.DeploymentName(flow_name="etl", deployment_name="prod")

        found = await world.deployments.GetDeployment(pb.GetDeploymentRequest(name=name))

        assert found.deployment == made

    async def test_the_basic_view_leaves_out_what_is_large(self, world: World) -> None:
        made = await deployed(
            world,
            parameters_json='{"a": 1}',
            parameter_schema_json="{}",
            job_variables_json='{"b": 2}',
            pull_steps_json="[]",
        )
        basic = pb.GetDeploymentRequest(deployment_id=made.id, view=pb.DEPLOYMENT_VIEW_BASIC)
        left_out = [
            *("parameters_json", "parameter_schema_json"),
            *("job_variables_json", "pull_steps_json"),
        ]

        listed = (await world.deployments.ListDeployments(pb.ListDeploymentsRequest())).deployments
        full = await world.deployments.ListDeployments(
            pb.ListDeploymentsRequest(view=pb.DEPLOYMENT_VIEW_FULL)
        )
        found = (await world.deployments.GetDeployment(basic)).deployment

        assert list(full.deployments) == [made]
        for field in left_out:
            made.ClearField(field)  # type: ignore[arg-type]
        assert [*listed, found] == [made, made]

    async def test_what_is_not_there_is_not_found(self, world: World) -> None:
        missing = pb.Deployment(id=str(uuid4()))
        name = pb.DeploymentName(flow_name="etl", deployment_name="prod")

        answers = [
            await refused(the_deployment(world, missing)),
            await refused(changed(world, missing, "paused")),
            await refused(undeployed(world, missing)),
            await refused(run_of(world, missing)),
            await refused(world.deployments.GetDeployment(pb.GetDeploymentRequest(name=name))),
        ]

        assert {(code, info.reason) for code, info in answers} == {
            (grpc.StatusCode.NOT_FOUND, "DEPLOYMENT_NOT_FOUND")
        }
        assert {info.metadata["deployment_id"] for _, info in answers[:-1]} == {missing.id}
        assert dict(answers[-1][1].metadata) == {"flow_name": "etl", "deployment_name": "prod"}
        assert await violations(world.deployments.GetDeployment(pb.GetDeploymentRequest())) == [
            "deployment"
        ]

    async def test_lists_and_counts_ask_by_every_filter(self, world: World) -> None:
        await new_pool(world, "pool")
        flow = await world.new_flow("etl")
        one = await deployed(world, flow.id, "one", tags=["red"], work_pool_name="pool")
        await deployed(world, name="two", paused=True)
        await run_of(world, one)
        filters: list[dict[str, Any]] = [
            {"flows": pb.FlowFilter(name=pb.NameFilter(any=texts("etl")))},
            {"flow_runs": pb.FlowRunFilter()},
            {"deployments": pb.DeploymentFilter(tags=pb.TagsFilter(all=texts("red")))},
            {"work_pools": pb.WorkPoolFilter()},
            {"work_queues": pb.WorkQueueFilter()},
        ]

        found = [await names(world, **each) for each in filters]
        counted = [
            (await world.deployments.CountDeployments(pb.CountDeploymentsRequest(**each))).count
            for each in [*filters, {}]
        ]

        assert found == [["one"]] * len(filters)
        assert counted == [1] * len(filters) + [2]
        assert await names(world, task_runs=pb.TaskRunFilter()) == []

    async def test_pages_hold_every_deployment_once_in_order(
        self, world: World, clock: FakeClock
    ) -> None:
        for name in ("c", "a", "b"):
            clock.advance(A_SECOND)
            await deployed(world, name=name)
        first = await world.deployments.ListDeployments(
            pb.ListDeploymentsRequest(page_size=2, sort=pb.DEPLOYMENT_SORT_NAME_DESC)
        )

        rest = await names(
            world, sort=pb.DEPLOYMENT_SORT_NAME_DESC, page_token=first.next_page_token
        )

        assert [each.name for each in first.deployments] + rest == ["c", "b", "a"]
        assert await names(world, sort=pb.DEPLOYMENT_SORT_CREATED_DESC) == ["b", "a", "c"]
        assert await names(world, offset=1) == ["b", "c"]
        other = names(world, page_token=first.next_page_token)
        assert await reason(other) == "PAGE_TOKEN_MISMATCH"
