"""CreateDeploymentFlowRun and job variables: what a run gets of its deployment, and what it must fit."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.deploying import changed, deployed, run_of, the_deployment
from tests.service.seeds import task_run_of
from tests.service.work import new_pool, the_queue
from tests.service.world import (
    PENDING,
    SCHEDULED,
    World,
    lasting,
    refusal,
    refused,
    the_error_info,
    violations,
    when,
)

A_SECOND = timedelta(seconds=1)


async def create(
    world: World, deployment: pb.Deployment, **fields: Any
) -> pb.CreateDeploymentFlowRunResponse:
    """Create a run of a deployment; return the whole answer."""
    request = pb.CreateDeploymentFlowRunRequest(deployment_id=deployment.id, **fields)
    return await world.deployments.CreateDeploymentFlowRun(request)


async def a_variable(world: World, name: str, value: str) -> None:
    """Create a variable."""
    await world.variables.CreateVariable(pb.CreateVariableRequest(name=name, value=value))


def placeholder(kind: str, **members: object) -> dict[str, object]:
    """Return a placeholder."""
    return {"__prefect_kind": kind, **members}


class TestWhatARunGets:
    async def test_it_has_the_facts_of_its_deployment(self, world: World, clock: FakeClock) -> None:
        await new_pool(world, "pool")
        deployment = await deployed(
            world,
            version="1.2",
            tags=["b", "a", "b"],
            job_variables_json='{"cpu": 1}',
            work_pool_name="pool",
            work_queue_name="high",
        )
        clock.advance(A_SECOND)

        answer = await create(
            world,
            deployment,
            name="name",
            tags=["c", "a"],
            context_json='{"x": 1}',
            job_variables_json='{"cpu": 2}',
            retries=3,
            retry_delay=lasting(A_SECOND),
        )

        run = answer.flow_run
        assert answer.created
        assert answer.revision > 0
        assert (run.flow_id, run.deployment_id) == (deployment.flow_id, deployment.id)
        assert (run.deployment_version, run.name, run.auto_scheduled) == ("1.2", "name", False)
        assert list(run.tags) == ["b", "a", "c"]
        assert (run.context_json, run.job_variables_json) == ('{"x": 1}', '{"cpu": 2}')
        assert (run.work_queue_name, run.work_pool_name) == ("high", "pool")
        assert run.work_queue_id == deployment.work_queue_id
        assert (run.policy.retries, run.policy.retry_delay.ToTimedelta()) == (3, A_SECOND)
        assert run.state.type == SCHEDULED
        assert when(run.state.details.scheduled_time) == NOW + A_SECOND
        assert when(run.next_scheduled_start_time) == NOW + A_SECOND
        assert await world.get(run) == run

    async def test_a_state_that_is_given_is_taken(self, world: World) -> None:
        run = await run_of(world, await deployed(world), state=pb.ProposedState(type=PENDING))

        assert (run.state.type, run.state.version) == (PENDING, 1)

    async def test_parameters_replace_those_of_the_deployment_one_by_one(
        self, world: World
    ) -> None:
        deployment = await deployed(
            world, parameters_json='{"a": {"x": 1, "y": 2}, "n": 1152921504606846977, "f": 1.0}'
        )

        merged = await run_of(world, deployment, parameters_json='{"a": {"x": 3}, "b": null}')
        untouched = await run_of(world, deployment)

        assert merged.parameters_json == ('{"a":{"x": 3},"n":1152921504606846977,"f":1.0,"b":null}')
        assert json.loads(untouched.parameters_json) == json.loads(deployment.parameters_json)

    async def test_placeholders_are_filled_in(self, world: World) -> None:
        await a_variable(world, "who", "world")
        deployment = await deployed(
            world,
            parameters_json=json.dumps(
                {
                    "greeting": placeholder("jinja", template="{{ 2 + 2 }}"),
                    "who": placeholder("workspace_variable", variable_name="who"),
                }
            ),
        )

        run = await run_of(world, deployment, {"list": [placeholder("json", value="[1, 2]")]})

        assert json.loads(run.parameters_json) == {
            "greeting": "4",
            "who": "world",
            "list": [[1, 2]],
        }
        assert (await the_deployment(world, deployment)) == deployment

    async def test_another_queue_of_the_pool_is_made_if_it_is_missing(self, world: World) -> None:
        await new_pool(world, "pool")
        deployment = await deployed(world, work_pool_name="pool")

        first = await run_of(world, deployment, work_queue_name="urgent")
        second = await run_of(world, deployment, work_queue_name="urgent")

        assert first.work_queue_id == second.work_queue_id == (await the_queue(world, "urgent")).id
        assert (first.work_queue_name, first.work_pool_name) == ("urgent", "pool")
        assert (await the_deployment(world, deployment)).work_queue_name == "default"

    async def test_a_subflow_run_has_its_parent(self, app: App, world: World) -> None:
        parent = await task_run_of(app, (await world.new_run()).id)

        run = await run_of(world, await deployed(world), parent_task_run_id=parent)

        assert run.parent_task_run_id == parent

    async def test_watchers_see_its_first_state(self, world: World) -> None:
        deployment = await deployed(world)
        watch = world.watch(flow_runs=pb.FlowRunFilter())
        await watch.settled()

        run = await run_of(world, deployment)

        change = (await watch.next("state_change")).state_change
        watch.cancel()
        assert (change.flow_run.id, change.flow_run.state.version) == (run.id, 1)


class TestRepeats:
    async def test_the_key_is_shared_with_runs_that_are_created_directly(
        self, world: World
    ) -> None:
        deployment = await deployed(world)
        direct = await world.new_run(flow_id=deployment.flow_id, idempotency_key="key")

        answer = await create(world, deployment, idempotency_key="key", name="other")

        assert not answer.created
        assert answer.revision == 0
        assert answer.flow_run == await world.get(direct)

    async def test_of_many_at_once_one_is_created(self, world: World) -> None:
        deployment = await deployed(world)

        answers = await asyncio.gather(
            *(create(world, deployment, idempotency_key="key") for _ in range(10))
        )

        assert sum(answer.created for answer in answers) == 1
        assert len({answer.flow_run.id for answer in answers}) == 1

    async def test_a_key_expires_with_its_time_to_live(
        self, world: World, clock: FakeClock
    ) -> None:
        deployment = await deployed(world)
        given: dict[str, Any] = {
            "idempotency_key": "key",
            "idempotency_ttl": lasting(A_SECOND),
        }
        first = await create(world, deployment, **given)
        clock.advance(A_SECOND)

        again = await create(world, deployment, **given)

        assert again.created
        assert again.flow_run.id != first.flow_run.id

    async def test_a_repeat_answers_like_the_first_even_if_it_would_be_refused_now(
        self, world: World
    ) -> None:
        deployment = await deployed(world, parameter_schema_json='{"type": "object"}')
        given: dict[str, Any] = {"request_id": str(uuid4()), "enforce_parameter_schema": True}
        first = await create(world, deployment, **given)
        await changed(
            world, deployment, "parameter_schema_json", parameter_schema_json='{"required": ["a"]}'
        )

        again = await create(world, deployment, **given)
        _, other = await refused(create(world, deployment, **given, name="other"))

        assert again == first
        assert other.reason == "REQUEST_ID_REUSED"


class TestRefusals:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (placeholder("json", value="{"), "Invalid JSON: "),
            (placeholder("jinja", template="{{"), "Invalid jinja: "),
            (placeholder("none"), "Missing 'value' key in __prefect object"),
            (
                placeholder("workspace_variable", variable_name="none"),
                "Variable 'none' not found in workspace.",
            ),
        ],
        ids=["json", "jinja", "none", "variable"],
    )
    async def test_placeholders_that_cannot_be_filled_in(
        self, world: World, value: object, text: str
    ) -> None:
        deployment = await deployed(world)

        error = await refusal(run_of(world, deployment, {"a": value}))

        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert the_error_info(error).reason == "PARAMETERS_NOT_HYDRATED"
        assert str(error.details()).startswith(f"Error hydrating flow run parameters: {text}")

    @pytest.mark.parametrize(
        ("by_deployment", "by_request", "is_enforced"),
        [
            (False, None, False),
            (True, None, True),
            (False, True, True),
            (True, False, False),
        ],
        ids=["neither", "deployment", "request", "request-says-no"],
    )
    async def test_the_request_decides_before_the_deployment_whether_a_schema_is_enforced(
        self, world: World, *, by_deployment: bool, by_request: bool | None, is_enforced: bool
    ) -> None:
        deployment = await deployed(
            world,
            parameter_schema_json='{"required": ["a"]}',
            enforce_parameter_schema=by_deployment,
        )
        call = run_of(world, deployment, enforce_parameter_schema=by_request)

        if not is_enforced:
            assert (await call).parameters_json == "{}"
            return
        error = await refusal(call)

        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert the_error_info(error).reason == "PARAMETERS_INVALID"
        assert dict(the_error_info(error).metadata) == {"deployment_id": deployment.id}
        assert error.details() == (
            "Error creating flow run: Validation failed. Failure reason: 'a' is a required property"
        )

    async def test_what_is_checked_is_what_the_run_gets(self, world: World) -> None:
        await a_variable(world, "n", "4")
        schema = {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}
        deployment = await deployed(
            world,
            parameter_schema_json=json.dumps(schema),
            parameters_json='{"a": "wrong", "b": 1}',
            enforce_parameter_schema=True,
        )

        right = {"a": 1, "b": placeholder("workspace_variable", variable_name="n")}
        run = await run_of(world, deployment, right)
        error = await refusal(run_of(world, deployment, {"b": "right"}))

        assert json.loads(run.parameters_json) == {"a": 1, "b": "4"}
        assert "Validation failed for field 'a'" in str(error.details())

    async def test_a_schema_must_be_there_to_be_enforced(self, world: World) -> None:
        deployment = await deployed(world)

        error = await refusal(run_of(world, deployment, enforce_parameter_schema=True))

        assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert the_error_info(error).reason == "PARAMETER_SCHEMA_REQUIRED"
        assert error.details() == (
            "Error updating deployment: Cannot update parameters because parameter schema "
            "enforcement is enabled and the deployment does not have a valid parameter schema."
        )

    @pytest.mark.parametrize(
        ("schema", "text"),
        [
            ('{"$ref": "#/nowhere"}', "Invalid schema: The reference '/nowhere' leads nowhere."),
            (
                '{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}',
                "Invalid schema: Unable to validate schema with circular references.",
            ),
        ],
        ids=["leads-nowhere", "circular"],
    )
    async def test_a_schema_that_cannot_be_used(self, world: World, schema: str, text: str) -> None:
        deployment = await deployed(
            world, parameter_schema_json=schema, enforce_parameter_schema=True
        )

        error = await refusal(run_of(world, deployment))

        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert the_error_info(error).reason == "PARAMETER_SCHEMA_INVALID"
        assert str(error.details()).startswith(text)

    async def test_a_queue_needs_a_work_pool(self, world: World) -> None:
        code, info = await refused(run_of(world, await deployed(world), work_queue_name="high"))

        assert (code, info.reason) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "WORK_POOL_REQUIRED",
        )

    async def test_a_parent_must_exist(self, world: World) -> None:
        code, info = await refused(
            run_of(world, await deployed(world), parent_task_run_id=str(uuid4()))
        )

        assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "TASK_RUN_NOT_FOUND")

    async def test_wrong_fields_are_named(self, world: World) -> None:
        wrong: dict[str, Any] = {
            "parameters_json": "[]",
            "job_variables_json": "1",
            "context_json": "x",
            "work_queue_name": "",
            "retries": -1,
            "idempotency_ttl": lasting(A_SECOND),
        }

        assert set(await violations(run_of(world, "no id", **wrong))) == {
            "deployment_id",
            *wrong,
        }

    async def test_parameters_that_grow_too_large_are_refused(self, world: World) -> None:
        await a_variable(world, "v", "é" * 5000)
        variable = placeholder("workspace_variable", variable_name="v")

        error = await refusal(run_of(world, await deployed(world), {"a": [variable] * 200}))

        assert the_error_info(error).reason == "PARAMETERS_NOT_HYDRATED"
        assert str(error.details()).endswith("too large once their placeholders are filled in.")
