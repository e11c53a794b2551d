"""Watches whose filters ask for what is related: judged as the relations stand when a change is told."""

from typing import Any

import grpc
import pytest
from sqlalchemy import Connection, delete, update

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.model.errors import DatabaseUnavailableError
from headgate_server.operations import related
from headgate_server.storage import relations
from headgate_server.storage.tables import DEPLOYMENT
from tests.service import tasks
from tests.service.deploying import deployed as deployed_by_name
from tests.service.deploying import run_of
from tests.service.seeds import deployment_of, write
from tests.service.watched import begun, kind_of, told, versions, watch_task_runs
from tests.service.work import new_pool, new_queue
from tests.service.world import COMPLETED, FAILED, RUNNING, Watch, World, refusal, texts, types


def named(*names: str) -> pb.DeploymentFilter:
    """Return the condition that a deployment has one of these names."""
    return pb.DeploymentFilter(name=pb.NameFilter(any=texts(*names)))


async def rename(app: App, deployment_id: str, name: str) -> None:
    """Give a deployment another name, behind the back of every watch."""
    statement = update(DEPLOYMENT).where(DEPLOYMENT.c.id == deployment_id).values(name=name)
    await write(app, lambda conn: conn.execute(statement))


async def deployed(app: App, world: World, name: str, **fields: Any) -> pb.FlowRun:
    """Create a run of a deployment with a name."""
    flow = await world.new_flow()
    deployment_id = await deployment_of(app, flow.id)
    await rename(app, deployment_id, name)
    return await world.new_run(flow_id=flow.id, deployment_id=deployment_id, **fields)


async def kinds_and_ids(watch: Watch, count: int) -> list[tuple[str, str]]:
    """Return what the next messages tell, and of whom."""
    return [(kind_of(each), told(each).id) for each in await watch.take(count)]


class TestFlowRuns:
    async def test_runs_of_matching_deployments_are_told_of_and_others_are_not(
        self, app: App, world: World
    ) -> None:
        blue, green = await deployed(app, world, "blue"), await deployed(app, world, "green")
        plain = await world.new_run()
        watch = await begun(world.watch(deployments=named("blue"), send_initial_state=True))

        for run in (plain, green, blue):
            await world.propose(run, RUNNING)
        await world.delete(green)
        await world.delete(blue)

        assert await kinds_and_ids(watch, 2) == [("state_change", blue.id), ("deleted", blue.id)]

    async def test_a_snapshot_shows_what_matches(self, app: App, world: World) -> None:
        blue, _ = await deployed(app, world, "blue"), await deployed(app, world, "green")

        watch = world.watch(deployments=named("blue"), send_initial_state=True)

        assert told(await watch.next("snapshot")).id == blue.id
        await watch.next("snapshot_complete")

    async def test_a_run_that_was_told_of_leaves_with_its_next_change_when_a_relation_has_changed(
        self, app: App, world: World
    ) -> None:
        run, other = await deployed(app, world, "blue"), await deployed(app, world, "blue")
        watch = await begun(world.watch(deployments=named("blue"), send_initial_state=True))

        await rename(app, run.deployment_id, "green")
        await world.propose(run, RUNNING)
        await world.propose(run, COMPLETED)
        await world.delete(run)
        await world.propose(other, RUNNING)

        assert await kinds_and_ids(watch, 2) == [
            ("left_filter", run.id),
            ("state_change", other.id),
        ]

    async def test_a_run_that_left_is_told_of_again_when_it_matches_again(
        self, app: App, world: World
    ) -> None:
        run = await deployed(app, world, "blue")
        watch = await begun(world.watch(deployments=named("blue"), send_initial_state=True))

        await rename(app, run.deployment_id, "green")
        await world.propose(run, RUNNING)
        await watch.next("left_filter")
        await rename(app, run.deployment_id, "blue")
        await world.propose(run, RUNNING)

        assert versions([await watch.next("state_change")]) == [3]

    async def test_a_run_that_was_told_of_is_told_to_be_deleted_though_its_relation_went_first(
        self, app: App, world: World
    ) -> None:
        run = await deployed(app, world, "blue")
        watch = await begun(world.watch(deployments=pb.DeploymentFilter(), send_initial_state=True))

        gone = delete(DEPLOYMENT).where(DEPLOYMENT.c.id == run.deployment_id)
        await write(app, lambda conn: conn.execute(gone))
        await world.delete(run)

        assert told(await watch.next("deleted")).id == run.id

    async def test_own_conditions_and_those_on_relations_must_both_hold(
        self, app: App, world: World
    ) -> None:
        running = pb.FlowRunFilter(state=pb.StateFilter(type_any=types(RUNNING)))
        blue, green = await deployed(app, world, "blue"), await deployed(app, world, "green")
        watch = await begun(
            world.watch(flow_runs=running, deployments=named("blue"), send_initial_state=True)
        )

        for run in (green, blue):
            await world.propose(run, RUNNING)
            await world.propose(run, COMPLETED)

        assert await kinds_and_ids(watch, 2) == [
            ("state_change", blue.id),
            ("left_filter", blue.id),
        ]

    async def test_a_resumed_watch_tells_what_may_have_been_told_before_to_have_left_once(
        self, app: App, world: World
    ) -> None:
        run, other = await deployed(app, world, "blue"), await deployed(app, world, "green")
        watch = await begun(world.watch(deployments=named("blue"), send_initial_state=True))
        await world.propose(run, RUNNING)
        token = (await watch.next("state_change")).resume_token
        watch.cancel()
        await rename(app, run.deployment_id, "red")

        again = world.watch(deployments=named("blue"), resume_token=token)
        for _ in range(2):
            await world.propose(run, RUNNING)
            await world.propose(other, RUNNING)
        last = await deployed(app, world, "last")
        await rename(app, last.deployment_id, "blue")
        await world.propose(last, RUNNING)

        assert await kinds_and_ids(again, 3) == [
            ("left_filter", run.id),
            ("left_filter", other.id),
            ("state_change", last.id),
        ]

    async def test_runs_with_a_matching_task_run_are_told_of_once_they_have_it(
        self, world: World
    ) -> None:
        failed = pb.TaskRunFilter(state=pb.StateFilter(type_any=types(FAILED)))
        run, other = await world.new_run(RUNNING), await world.new_run(RUNNING)
        task_run = await tasks.new_task_run(world, run)
        await tasks.new_task_run(world, other, FAILED)
        watch = await begun(world.watch(task_runs=failed, send_initial_state=True))

        await world.propose(run, RUNNING)
        await world.propose(other, RUNNING)
        before = told(await watch.next("state_change"))
        await tasks.propose(world, task_run, FAILED)
        await world.propose(run, RUNNING)

        after = await watch.next("state_change")
        assert before.id == other.id
        assert (told(after).id, versions([after])) == (run.id, [3])

    async def test_subflow_runs_are_told_of_by_their_parent_until_it_is_gone(
        self, world: World
    ) -> None:
        parent, other = await world.new_run(RUNNING), await world.new_run(RUNNING)
        children = [
            await world.new_run(parent_task_run_id=(await tasks.new_task_run(world, each)).id)
            for each in (other, parent)
        ]
        of_parent = pb.FlowRunFilter(
            parent_flow_run_id=pb.ParentFlowRunFilter(any=texts(parent.id))
        )
        watch = await begun(world.watch(flow_runs=of_parent, send_initial_state=True))

        for child in children:
            await world.propose(child, RUNNING)
        running = await kinds_and_ids(watch, 1)
        await world.delete(parent)

        assert running == [("state_change", children[1].id)]
        assert await kinds_and_ids(watch, 1) == [("left_filter", children[1].id)]

    async def test_runs_are_told_of_by_whether_their_flow_is_deployed(
        self, app: App, world: World
    ) -> None:
        plain, run = await world.new_run(), await world.new_run()
        await deployment_of(app, run.flow_id)
        is_deployed = pb.FlowFilter(deployment=pb.FlowDeploymentFilter(is_null=False))
        watch = await begun(world.watch(flows=is_deployed, send_initial_state=True))

        await world.propose(plain, RUNNING)
        await world.propose(run, RUNNING)

        assert told(await watch.next("state_change")).id == run.id

    async def test_one_of_several_conditions_is_enough_where_the_filter_says_so(
        self, world: World
    ) -> None:
        parent = await world.new_run(RUNNING)
        task_run = await tasks.new_task_run(world, parent)
        child = await world.new_run(parent_task_run_id=task_run.id)
        either = pb.FlowRunFilter(
            operator=pb.OPERATOR_OR,
            parent_flow_run_id=pb.ParentFlowRunFilter(any=texts(parent.id)),
            name=pb.NameFilter(any=texts("blue")),
        )
        plain, blue = await world.new_run(), await world.new_run(name="blue")
        watch = await begun(world.watch(flow_runs=either, send_initial_state=True))

        for run in (plain, blue, child):
            await world.propose(run, RUNNING)

        assert await kinds_and_ids(watch, 2) == [
            ("state_change", blue.id),
            ("state_change", child.id),
        ]

    @pytest.mark.parametrize(
        "filters",
        [
            pytest.param(
                {"work_queues": pb.WorkQueueFilter(name=pb.WorkQueueNameFilter(any=texts("fast")))},
                id="queues",
            ),
            pytest.param(
                {"work_pools": pb.WorkPoolFilter(type=pb.AnyFilter(any=texts("docker")))},
                id="pools",
            ),
        ],
    )
    async def test_runs_in_matching_queues_are_told_of_until_the_queue_is_gone(
        self, world: World, filters: dict[str, Any]
    ) -> None:
        await new_pool(world, "blue", type="docker")
        await new_pool(world, "green", type="process")
        await new_queue(world, "fast", "blue")
        fast, slow = [
            await run_of(
                world, await deployed_by_name(world, work_pool_name=pool, work_queue_name=queue)
            )
            for pool, queue in (("blue", "fast"), ("green", "default"))
        ]
        watch = await begun(world.watch(**filters, send_initial_state=True))

        for run in (slow, fast):
            await world.propose(run, RUNNING, force=True)
        first = await kinds_and_ids(watch, 1)
        await world.work.DeleteWorkPool(pb.DeleteWorkPoolRequest(name="blue"))
        for run in (slow, fast):
            await world.propose(run, COMPLETED)

        assert first == [("state_change", fast.id)]
        assert await kinds_and_ids(watch, 1) == [("left_filter", fast.id)]


class TestTaskRuns:
    async def test_task_runs_are_told_of_by_how_their_flow_run_stands(self, world: World) -> None:
        running = pb.FlowRunFilter(state=pb.StateFilter(type_any=types(RUNNING)))
        run = await world.new_run(RUNNING)
        task_run = await tasks.new_task_run(world, run)
        watch = await begun(watch_task_runs(world, flow_runs=running, send_initial_state=True))

        await tasks.propose(world, task_run, RUNNING)
        first = await kinds_and_ids(watch, 1)
        await world.propose(run, COMPLETED)
        await tasks.propose(world, task_run, COMPLETED)
        await tasks.propose(world, task_run, RUNNING, force=True)
        other = await tasks.new_task_run(world)

        assert first == [("task_state_change", task_run.id)]
        assert await kinds_and_ids(watch, 2) == [
            ("left_filter", task_run.id),
            ("task_state_change", other.id),
        ]

    async def test_task_runs_are_told_of_by_the_flow_and_the_deployment(
        self, app: App, world: World
    ) -> None:
        run = await deployed(app, world, "blue")
        await world.propose(run, RUNNING)
        flows = pb.FlowFilter(id=pb.IdFilter(any=texts(run.flow_id)))
        watch = watch_task_runs(world, flows=flows, deployments=named("blue"))
        await watch.settled()

        await tasks.new_task_run(world)
        task_run = await tasks.new_task_run(world, run)

        assert told(await watch.next("task_state_change")).id == task_run.id

    async def test_task_runs_that_stand_for_a_subflow_run_are_told_of(self, world: World) -> None:
        parent = await world.new_run(RUNNING)
        plain, wrapper = [await tasks.new_task_run(world, parent) for _ in range(2)]
        await world.new_run(parent_task_run_id=wrapper.id)
        wrappers = pb.TaskRunFilter(subflow_runs=pb.ExistsFilter(exists=True))
        watch = await begun(watch_task_runs(world, task_runs=wrappers, send_initial_state=True))

        await tasks.propose(world, plain, RUNNING)
        await tasks.propose(world, wrapper, RUNNING)

        assert told(await watch.next("task_state_change")).id == wrapper.id

    async def test_task_runs_that_went_with_their_flow_run_are_told_to_be_deleted(
        self, world: World
    ) -> None:
        tagged = pb.FlowRunFilter(tags=pb.TagsFilter(all=texts("blue")))
        run = await world.new_run(RUNNING, tags=["blue"])
        task_run = await tasks.new_task_run(world, run)
        watch = await begun(watch_task_runs(world, flow_runs=tagged, send_initial_state=True))

        await world.delete(run)

        assert told(await watch.next("deleted")).id == task_run.id


async def test_a_database_that_fails_while_changes_are_judged_costs_none_of_them(
    app: App, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await deployed(app, world, "blue")
    watch = await begun(world.watch(deployments=named("blue"), send_initial_state=True))
    await world.propose(run, RUNNING)
    token = (await watch.next("state_change")).resume_token

    def fail(_conn: Connection, *_arguments: object) -> None:
        raise DatabaseUnavailableError

    with monkeypatch.context() as broken:
        broken.setattr(relations, "of_flow_runs", fail)
        for _ in range(3):
            await world.propose(run, RUNNING)
        error = await refusal(watch.next())
    again = world.watch(deployments=named("blue"), resume_token=token)

    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert versions(await again.take(3)) == [3, 4, 5]


async def test_a_watch_remembers_so_many_runs_and_then_prefers_to_tell_too_much(
    app: App, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(related, "REMEMBERED_MAX", 2)
    runs = [await deployed(app, world, f"blue {number}") for number in range(3)]
    blue = pb.DeploymentFilter(name=pb.NameFilter(like="blue"))
    watch = await begun(world.watch(deployments=blue, send_initial_state=True))

    for run in runs:
        await rename(app, run.deployment_id, f"green {run.id}")
        await world.propose(run, RUNNING)

    assert await kinds_and_ids(watch, 3) == [("left_filter", run.id) for run in runs]
