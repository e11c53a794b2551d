"""CreateTaskRun: what is made, and what is found instead."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.replicas import replicas
from tests.service.tasks import created, delete, get, new_task_run, propose, proposed, states
from tests.service.world import (
    COMPLETED,
    PENDING,
    RUNNING,
    SCHEDULED,
    World,
    at,
    lasting,
    refusal,
    refused,
    scheduled_for,
    violated_fields,
    violations,
    when,
)

A_SECOND = timedelta(seconds=1)
AN_HOUR = timedelta(hours=1)


async def test_a_task_run_is_kept_as_it_is_given(world: World, clock: FakeClock) -> None:
    run = await world.new_run(RUNNING)
    clock.advance(A_SECOND)
    given = pb.CreateTaskRunRequest(
        flow_run_id=run.id,
        task_run_id=str(uuid4()).upper(),
        task_key="load",
        dynamic_key="load-0",
        name="load the day",
        state=pb.ProposedState(type=COMPLETED, name="Done", data_json='{"a":1}'),
        task_version="1.2",
        cache_key="x" * 2000,
        cache_expire_time=at(NOW + AN_HOUR),
        policy=pb.TaskRunPolicy(
            retries=3,
            retry_delays=[lasting(A_SECOND), lasting(AN_HOUR)],
            retry_jitter_factor=0.5,
        ),
        task_inputs={
            "day": pb.TaskInputList(inputs=[pb.TaskInput(parameter="day")]),
            "rows": pb.TaskInputList(
                inputs=[
                    pb.TaskInput(task_run_id="0" * 32),
                    pb.TaskInput(constant_type="int"),
                ]
            ),
            "nothing": pb.TaskInputList(),
        },
        tags=["b", "a", "b"],
    )

    answer = await world.task_runs.CreateTaskRun(given)

    made = answer.task_run
    assert answer.created
    assert answer.revision > 0
    assert made.id == given.task_run_id.lower()
    assert (made.flow_run_id, made.task_key, made.dynamic_key) == (run.id, "load", "load-0")
    assert (made.name, made.task_version, made.cache_key) == ("load the day", "1.2", "x" * 2000)
    assert when(made.cache_expire_time) == NOW + AN_HOUR
    assert made.policy == given.policy
    given.task_inputs["rows"].inputs[0].task_run_id = str(UUID(int=0))
    assert dict(made.task_inputs) == dict(given.task_inputs)
    assert list(made.tags) == ["b", "a", "b"]
    assert when(made.create_time) == when(made.update_time) == NOW + A_SECOND
    assert made.version == made.state.version == 1
    assert (made.state.name, made.state.data_json) == ("Done", '{"a":1}')
    assert made.state.details == pb.StateDetails(flow_run_id=run.id, task_run_id=made.id)
    assert await get(world, made) == made
    assert await states(world, made) == [made.state]


async def test_what_is_not_given_is_plain(world: World, clock: FakeClock) -> None:
    made = (await created(world, state=None)).task_run

    assert UUID(made.id).version == 7
    assert made.name
    assert (made.state.type, made.state.name) == (PENDING, "Pending")
    assert made.policy == pb.TaskRunPolicy()
    assert when(made.expected_start_time) == clock()
    for field in ("task_version", "cache_key", "cache_expire_time", "start_time", "end_time"):
        assert not made.HasField(field), field
    assert (made.run_count, made.flow_run_run_count) == (0, 0)
    assert not made.tags
    assert not made.task_inputs


async def test_a_first_state_is_written_without_rules(world: World) -> None:
    run = await world.new_run(PENDING)

    running = await new_task_run(world, run, RUNNING)
    due = await new_task_run(world, run, scheduled_for(NOW + AN_HOUR))

    assert (running.state.type, running.run_count) == (RUNNING, 1)
    assert when(running.start_time) == NOW
    assert due.state.type == SCHEDULED
    assert when(due.next_scheduled_start_time) == NOW + AN_HOUR


async def test_a_task_run_with_the_same_keys_is_found_as_it_stands(
    world: World, clock: FakeClock
) -> None:
    run = await world.new_run(RUNNING)
    first = await created(world, run, task_key="load", dynamic_key="0", name="first", tags=["a"])
    await propose(world, first.task_run, RUNNING)
    clock.advance(A_SECOND)

    again = await created(
        world, run, COMPLETED, task_key="load", dynamic_key="0", name="again", tags=["b"]
    )

    assert not again.created
    assert again.revision == 0
    assert again.task_run.id == first.task_run.id
    assert (again.task_run.name, list(again.task_run.tags)) == ("first", ["a"])
    assert (again.task_run.state.type, again.task_run.version) == (RUNNING, 2)
    assert len(await states(world, first.task_run)) == 2


async def test_found_task_runs_come_with_the_data_of_their_state(world: World) -> None:
    run = await world.new_run(RUNNING)
    fields: dict[str, Any] = {"task_key": "load", "dynamic_key": "0"}
    await created(world, run, pb.ProposedState(type=COMPLETED, data_json="[1]"), **fields)

    again = await created(world, run, **fields)

    assert again.task_run.state.data_json == "[1]"


async def test_each_of_the_keys_makes_another_task_run(world: World) -> None:
    run, other = await world.new_run(RUNNING), await world.new_run(RUNNING)

    made = [
        await new_task_run(world, each, task_key=task_key, dynamic_key=dynamic_key)
        for each in (run, other)
        for task_key in ("load", "save")
        for dynamic_key in ("0", "1")
    ]

    assert len({each.id for each in made}) == 8


async def test_only_one_of_many_creators_makes_the_task_run(world: World) -> None:
    run = await world.new_run(RUNNING)

    answers = await asyncio.gather(
        *(created(world, run, task_key="load", dynamic_key="0", name=str(i)) for i in range(40))
    )

    assert [each.created for each in answers].count(True) == 1
    assert len({each.task_run.id for each in answers}) == 1
    assert len({each.task_run.name for each in answers}) == 1


async def test_only_one_of_many_creators_on_two_servers_makes_each_task_run(
    postgresql_url: str, clock: FakeClock
) -> None:
    async with replicas(2, postgresql_url, clock) as servers:
        run = await servers[0][1].new_run(RUNNING)

        answers = await asyncio.gather(
            *(
                created(world, run, task_key="load", dynamic_key=str(i))
                for i in range(25)
                for _, world in servers
            )
        )

    assert [each.created for each in answers].count(True) == 25
    assert len({each.task_run.id for each in answers}) == 25


async def test_a_key_is_free_again_once_its_task_run_is_deleted(world: World) -> None:
    run = await world.new_run(RUNNING)
    fields: dict[str, Any] = {"task_key": "load", "dynamic_key": "0"}
    first = await new_task_run(world, run, **fields)
    await delete(world, first)

    again = await created(world, run, **fields)

    assert again.created
    assert again.task_run.id != first.id


async def test_an_id_names_one_task_run(world: World) -> None:
    run = await world.new_run(RUNNING)
    taken = str(uuid4())
    fields: dict[str, Any] = {"task_key": "load", "dynamic_key": "0", "task_run_id": taken}
    first = await created(world, run, **fields)

    again = await created(world, run, **fields)
    code, info = await refused(created(world, run, task_run_id=taken.upper()))

    assert (first.created, again.created) == (True, False)
    assert (code, info.reason) == (grpc.StatusCode.ALREADY_EXISTS, "TASK_RUN_EXISTS")
    assert dict(info.metadata) == {"task_run_id": taken}


async def test_of_two_creators_with_one_id_and_different_keys_one_is_refused(world: World) -> None:
    run = await world.new_run(RUNNING)
    taken = str(uuid4())

    answers = await asyncio.gather(
        *(created(world, run, task_run_id=taken) for _ in range(2)), return_exceptions=True
    )

    assert sum(isinstance(each, pb.CreateTaskRunResponse) for each in answers) == 1
    assert sum(isinstance(each, grpc.aio.AioRpcError) for each in answers) == 1


async def test_the_flow_run_must_exist(world: World) -> None:
    missing = str(uuid4())

    code, info = await refused(created(world, missing))

    assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_RUN_NOT_FOUND")
    assert dict(info.metadata) == {"flow_run_id": missing}


TOO_MANY_INPUTS = {"x": pb.TaskInputList(inputs=[pb.TaskInput(parameter="p")] * 1001)}
TOO_MANY_NAMES = {f"p{number}": pb.TaskInputList() for number in range(1001)}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"task_run_id": "x"}, "task_run_id", id="id"),
        pytest.param({"task_key": ""}, "task_key", id="no task key"),
        pytest.param({"dynamic_key": ""}, "dynamic_key", id="no dynamic key"),
        pytest.param({"task_key": "x" * 256}, "task_key", id="long task key"),
        pytest.param({"dynamic_key": "x" * 256}, "dynamic_key", id="long dynamic key"),
        pytest.param({"name": "x" * 256}, "name", id="long name"),
        pytest.param({"task_version": "x" * 256}, "task_version", id="long version"),
        pytest.param({"cache_key": "x" * 2001}, "cache_key", id="long cache key"),
        pytest.param({"tags": ["x"] * 101}, "tags", id="many tags"),
        pytest.param({"policy": {"retries": -1}}, "policy.retries", id="negative retries"),
        pytest.param(
            {"policy": {"retry_delays": [lasting(A_SECOND)] * 51}},
            "policy.retry_delays",
            id="many delays",
        ),
        pytest.param(
            {"policy": {"retry_delays": [lasting(A_SECOND), lasting(-A_SECOND)]}},
            "policy.retry_delays[1]",
            id="negative delay",
        ),
        pytest.param(
            {"policy": {"retry_jitter_factor": -0.1}},
            "policy.retry_jitter_factor",
            id="negative jitter",
        ),
        pytest.param(
            {"policy": {"retry_jitter_factor": float("nan")}},
            "policy.retry_jitter_factor",
            id="jitter that is no number",
        ),
        pytest.param(
            {"task_inputs": {"x": pb.TaskInputList(inputs=[pb.TaskInput()])}},
            "task_inputs[x].inputs[0]",
            id="input from nowhere",
        ),
        pytest.param(
            {"task_inputs": {"x": pb.TaskInputList(inputs=[pb.TaskInput(task_run_id="y")])}},
            "task_inputs[x].inputs[0].task_run_id",
            id="input from no id",
        ),
        pytest.param({"task_inputs": TOO_MANY_INPUTS}, "task_inputs", id="many inputs"),
        pytest.param({"task_inputs": TOO_MANY_NAMES}, "task_inputs", id="many parameters"),
        pytest.param(
            {"state": proposed(PENDING, cache_key="x" * 2001)},
            "state.details.cache_key",
            id="long cache key of a state",
        ),
    ],
)
async def test_a_wrong_field_is_named(world: World, fields: dict[str, Any], field: str) -> None:
    request = pb.CreateTaskRunRequest(
        **({"flow_run_id": str(uuid4()), "task_key": "load", "dynamic_key": "0"} | fields)
    )

    assert await violations(world.task_runs.CreateTaskRun(request)) == [field]


async def test_all_that_is_wrong_is_told_at_once_in_the_words_of_the_reference(
    world: World,
) -> None:
    policy = pb.TaskRunPolicy(retry_delays=[lasting(A_SECOND)] * 51, retry_jitter_factor=-1)

    error = await refusal(world.task_runs.CreateTaskRun(pb.CreateTaskRunRequest(policy=policy)))

    assert violated_fields(error) == [
        "flow_run_id",
        "task_key",
        "dynamic_key",
        "policy.retry_delays",
        "policy.retry_jitter_factor",
    ]
    assert "Can not configure more than 50 retry delays per task." in str(error.details())
    assert "`retry_jitter_factor` must be >= 0." in str(error.details())


async def test_fifty_delays_and_a_thousand_inputs_are_taken(world: World) -> None:
    sources = [pb.TaskInput(parameter="p")] * 500

    made = await new_task_run(
        world,
        policy=pb.TaskRunPolicy(retry_delays=[lasting(A_SECOND)] * 50),
        task_inputs={"a": pb.TaskInputList(inputs=sources), "b": pb.TaskInputList(inputs=sources)},
    )

    assert len(made.policy.retry_delays) == 50
    assert len(made.task_inputs["a"].inputs) == 500


async def test_creation_is_noted_for_watchers(app: App, world: World) -> None:
    before = await created(world)

    after = await created(world)

    assert after.revision > before.revision
    assert app._tail.head >= after.revision
