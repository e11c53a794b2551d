"""Job variables of the runs of deployments: what the template of the work pool makes of them."""

import grpc

from tests.service.deploying import deployed, run_of, template
from tests.service.work import new_pool
from tests.service.world import World, refusal, the_error_info


class TestJobVariables:
    async def test_they_are_held_against_the_template_over_its_defaults(self, world: World) -> None:
        await new_pool(
            world,
            "pool",
            base_job_template_json=template(
                properties={
                    "cpu": {"type": "integer"},
                    "image": {"type": "string", "default": "python"},
                },
                required=["cpu"],
            ),
        )
        deployment = await deployed(world, work_pool_name="pool")

        error = await refusal(run_of(world, deployment))
        run = await run_of(world, deployment, job_variables_json='{"cpu": 2, "image": null}')
        wrong = await refusal(run_of(world, deployment, job_variables_json='{"cpu": "2"}'))

        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert the_error_info(error).reason == "JOB_VARIABLES_INVALID"
        assert error.details() == (
            "Error creating flow run: Validation failed. "
            "Failure reason: 'cpu' is a required property"
        )
        assert run.job_variables_json == '{"cpu": 2, "image": null}'
        assert "for field 'cpu'" in str(wrong.details())

    async def test_those_of_the_deployment_count_and_are_not_copied(self, world: World) -> None:
        await new_pool(
            world,
            "pool",
            base_job_template_json=template(properties={"cpu": {}}, required=["cpu"]),
        )
        deployment = await deployed(world, work_pool_name="pool", job_variables_json='{"cpu": 1}')

        assert (await run_of(world, deployment)).job_variables_json == "{}"

    async def test_a_wrong_default_is_passed_over_and_then_nothing_is_required(
        self, world: World
    ) -> None:
        await new_pool(
            world,
            "pool",
            base_job_template_json=template(
                properties={"cpu": {"type": "integer", "default": "x"}, "image": {}},
                required=["cpu", "image"],
            ),
        )
        deployment = await deployed(world, work_pool_name="pool")

        assert (await run_of(world, deployment)).job_variables_json == "{}"

    async def test_an_update_is_judged_the_same_way(self, world: World) -> None:
        await new_pool(
            world,
            "pool",
            base_job_template_json=template(
                properties={"cpu": {"type": "integer"}}, required=["cpu"]
            ),
        )
        deployment = await deployed(world, work_pool_name="pool")
        run = await run_of(world, deployment, job_variables_json='{"cpu": 1}')
        paths = ["job_variables_json"]

        new = await world.update(run, paths, job_variables_json='{"cpu": 2}')
        error = await refusal(world.update(run, paths, job_variables_json="{}"))
        cleared = await world.update(run, paths)

        assert new.job_variables_json == '{"cpu": 2}'
        assert the_error_info(error).reason == "JOB_VARIABLES_INVALID"
        assert error.details() == (
            "Error updating flow run: Validation failed. "
            "Failure reason: 'cpu' is a required property"
        )
        assert cleared.job_variables_json == "{}"

    async def test_without_a_work_pool_an_update_takes_any(self, world: World) -> None:
        run = await run_of(world, await deployed(world))

        new = await world.update(run, ["job_variables_json"], job_variables_json='{"x": [1]}')

        assert new.job_variables_json == '{"x": [1]}'
