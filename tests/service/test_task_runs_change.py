"""UpdateTaskRun and DeleteTaskRun, and what goes with a flow run that is deleted."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from headgate import v1 as pb
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.tasks import (
    delete,
    get,
    limit,
    listed,
    new_task_run,
    propose,
    proposed,
    renamed,
    slots,
    states,
)
from tests.service.world import (
    COMPLETED,
    REJECT,
    RUNNING,
    World,
    reason,
    refused,
    texts,
    violations,
    when,
)

A_SECOND = timedelta(seconds=1)


class TestUpdating:
    async def test_the_name_alone_changes(self, world: World, clock: FakeClock) -> None:
        made = await new_task_run(
            world, state=pb.ProposedState(type=COMPLETED, data_json="[1]"), name="old"
        )
        clock.advance(A_SECOND)

        answer = await renamed(world, made, "new")

        expected = pb.TaskRun()
        expected.CopyFrom(made)
        expected.name = "new"
        expected.update_time.FromDatetime(NOW + A_SECOND)
        assert answer.task_run == expected == await get(world, made)
        assert answer.revision > 0

    async def test_an_empty_name_draws_another(self, world: World) -> None:
        made = await new_task_run(world, name="old")

        assert (await renamed(world, made, "")).task_run.name not in {"", "old"}

    async def test_a_renamed_task_run_is_found_by_its_new_name(self, world: World) -> None:
        made = await new_task_run(world, name="old")
        await renamed(world, made, "new")

        found = [
            await listed(world, task_runs=pb.TaskRunFilter(name=pb.NameFilter(any=texts(name))))
            for name in ("old", "new")
        ]

        assert [[each.id for each in page] for page in found] == [[], [made.id]]

    async def test_the_expected_version_is_checked(self, world: World) -> None:
        made = await new_task_run(world, name="old")
        await propose(world, made, RUNNING)

        code, info = await refused(renamed(world, made, "new", expected_version=1))
        accepted = await renamed(world, made, "new", expected_version=2)

        assert (code, info.reason) == (grpc.StatusCode.ABORTED, "VERSION_MISMATCH")
        assert dict(info.metadata) == {
            "task_run_id": made.id,
            "expected_version": "1",
            "current_version": "2",
        }
        assert accepted.task_run.name == "new"

    async def test_a_repeat_is_answered_like_the_first(self, world: World) -> None:
        made = await new_task_run(world)
        request_id = str(uuid4())

        answers = [await renamed(world, made, "", request_id=request_id) for _ in range(2)]

        assert answers[0] == answers[1]
        other = renamed(world, made, "x", request_id=request_id)
        assert await reason(other) == "REQUEST_ID_REUSED"

    async def test_names_given_at_once_are_taken_one_after_the_other(self, world: World) -> None:
        made = await new_task_run(world)

        answers = await asyncio.gather(*(renamed(world, made, str(i)) for i in range(20)))

        last = max(answers, key=lambda each: each.revision)
        assert len({each.revision for each in answers}) == 20
        assert (await get(world, made)).name == last.task_run.name

    async def test_a_missing_task_run_is_not_found(self, world: World) -> None:
        assert await reason(renamed(world, str(uuid4()), "x")) == "TASK_RUN_NOT_FOUND"

    @pytest.mark.parametrize(
        ("request_", "fields"),
        [
            pytest.param(
                pb.UpdateTaskRunRequest(task_run=pb.TaskRun(id=str(uuid4()))),
                ["update_mask"],
                id="no mask",
            ),
            pytest.param(
                pb.UpdateTaskRunRequest(
                    task_run=pb.TaskRun(name="x" * 256),
                    update_mask=FieldMask(paths=["name", "tags"]),
                    expected_version=-1,
                    request_id="x",
                ),
                [
                    "update_mask.paths[1]",
                    "task_run.id",
                    "task_run.name",
                    "expected_version",
                    "request_id",
                ],
                id="everything",
            ),
        ],
    )
    async def test_wrong_fields_are_named(
        self, world: World, request_: pb.UpdateTaskRunRequest, fields: list[str]
    ) -> None:
        assert await violations(world.task_runs.UpdateTaskRun(request_)) == fields


class TestDeleting:
    async def test_a_task_run_goes_with_its_states_and_its_slots(self, world: World) -> None:
        await limit(world, "db", 1)
        made = await new_task_run(world, tags=["db"])
        await propose(world, made, RUNNING)
        assert await slots(world, "db") == [made.id]

        answer = await delete(world, made)

        assert answer.revision > 0
        assert await reason(get(world, made)) == "TASK_RUN_NOT_FOUND"
        assert await states(world, made) == []
        assert await slots(world, "db") == []
        assert await reason(delete(world, made)) == "TASK_RUN_NOT_FOUND"

    async def test_results_that_a_deleted_task_run_shared_are_gone(self, world: World) -> None:
        run = await world.new_run(RUNNING)
        made, other = await new_task_run(world, run), await new_task_run(world, run)
        await propose(world, made, RUNNING)
        await propose(world, made, proposed(COMPLETED, cache_key="k"))
        await delete(world, made)

        answer = await propose(world, other, proposed(RUNNING, cache_key="k"))

        assert answer.status != REJECT

    async def test_a_subflow_run_stays_and_loses_its_parent(self, world: World) -> None:
        made = await new_task_run(world)
        subflow = await world.new_run(RUNNING, parent_task_run_id=made.id)
        watch = world.watch(flow_run_ids=[subflow.id])
        await watch.settled()

        answer = await delete(world, made)

        event = await watch.next("run_update")
        assert not event.run_update.flow_run.HasField("parent_task_run_id")
        assert event.revision <= answer.revision
        assert not (await world.get(subflow)).HasField("parent_task_run_id")
        orphaned = pb.FlowRunFilter(parent_task_run_id=pb.ReferenceFilter(any=texts(made.id)))
        assert await world.listed(flow_runs=orphaned) == []
        answered = await world.propose(subflow, COMPLETED)
        assert answered.state.type == COMPLETED

    async def test_the_expected_version_is_checked(self, world: World) -> None:
        made = await new_task_run(world)

        refusal_reason = await reason(delete(world, made, expected_version=2))
        await delete(world, made, expected_version=1)

        assert refusal_reason == "VERSION_MISMATCH"
        assert await reason(get(world, made)) == "TASK_RUN_NOT_FOUND"

    async def test_a_repeat_is_answered_like_the_first(self, world: World) -> None:
        made = await new_task_run(world)
        request_id = str(uuid4())

        answers = [await delete(world, made, request_id=request_id) for _ in range(2)]

        assert answers[0] == answers[1]
        other = await new_task_run(world)
        assert await reason(delete(world, other, request_id=request_id)) == "REQUEST_ID_REUSED"

    async def test_only_one_of_many_deletions_finds_the_task_run(self, world: World) -> None:
        made = await new_task_run(world)

        answers = await asyncio.gather(
            *(delete(world, made) for _ in range(10)), return_exceptions=True
        )

        assert sum(isinstance(each, pb.DeleteTaskRunResponse) for each in answers) == 1

    async def test_task_runs_go_with_their_flow_run(self, world: World) -> None:
        await limit(world, "db", 5)
        run = await world.new_run(RUNNING)
        made = [await new_task_run(world, run, tags=["db"]) for _ in range(3)]
        for each in made:
            await propose(world, each, RUNNING)
        subflow = await world.new_run(parent_task_run_id=made[0].id)

        await world.delete(run)

        for each in made:
            assert await reason(get(world, each)) == "TASK_RUN_NOT_FOUND"
        assert await slots(world, "db") == []
        assert not (await world.get(subflow)).HasField("parent_task_run_id")

    async def test_wrong_fields_are_named(self, world: World) -> None:
        request = pb.DeleteTaskRunRequest(task_run_id="x", expected_version=-1, request_id="y")

        assert await violations(world.task_runs.DeleteTaskRun(request)) == [
            "task_run_id",
            "expected_version",
            "request_id",
        ]
        assert await violations(world.task_runs.DeleteTaskRun(pb.DeleteTaskRunRequest())) == [
            "task_run_id"
        ]


async def test_changes_move_the_time_of_the_last_change(world: World, clock: FakeClock) -> None:
    made = await new_task_run(world)
    clock.advance(A_SECOND)

    await propose(world, made, RUNNING)

    assert when((await get(world, made)).update_time) == NOW + A_SECOND
