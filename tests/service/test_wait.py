"""WaitFlowRuns: an answer when the runs have ended, or when the time is up."""

import asyncio
import time
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.service.seeds import run_without_state
from tests.service.world import (
    CANCELLED,
    COMPLETED,
    CRASHED,
    FAILED,
    RUNNING,
    World,
    lasting,
    refused,
    violations,
)

T = TypeVar("T")

AT_ONCE = timedelta()
LONG = timedelta(seconds=9)
ANY, ALL = pb.WAIT_MODE_ANY, pb.WAIT_MODE_ALL


def waited(
    world: World,
    *runs: pb.FlowRun | str,
    timeout: timedelta = LONG,
    mode: pb.WaitMode.ValueType = ALL,
    deadline: float | None = None,
) -> Coroutine[Any, Any, pb.WaitFlowRunsResponse]:
    """Wait for runs."""
    ids = [run if isinstance(run, str) else run.id for run in runs]
    request = pb.WaitFlowRunsRequest(flow_run_ids=ids, mode=mode, timeout=lasting(timeout))

    async def wait() -> pb.WaitFlowRunsResponse:
        return await world.runs.WaitFlowRuns(request, timeout=deadline)

    return wait()


async def begun(app: App, world: World, waiting: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start to wait, and return once the server listens to what happens."""
    task = asyncio.create_task(waiting)
    async with asyncio.timeout(5):
        while not app.metrics.registry.get_sample_value("headgate_watchers"):
            await world.server.GetServerInfo(pb.GetServerInfoRequest())
    return task


async def test_runs_that_have_ended_are_answered_at_once(world: World) -> None:
    runs = [await world.new_run(state) for state in (COMPLETED, FAILED, CANCELLED, CRASHED)]

    answer = await waited(world, *runs)

    assert answer.done
    assert [run.id for run in answer.flow_runs] == [run.id for run in runs]


async def test_the_runs_come_as_asked_for_in_the_basic_view(world: World) -> None:
    runs = [
        await world.new_run(
            pb.ProposedState(type=COMPLETED, data_json="1"), parameters_json='{"a":1}'
        )
        for _ in range(3)
    ]
    asked = [runs[2], runs[0], runs[2], runs[1]]

    answer = await waited(world, *asked)

    assert [run.id for run in answer.flow_runs] == [run.id for run in asked]
    assert not any(
        run.HasField("parameters_json") or run.state.HasField("data_json")
        for run in answer.flow_runs
    )


async def test_no_time_asks_how_things_stand(app: App, world: World) -> None:
    running, ended = await world.new_run(RUNNING), await world.new_run(COMPLETED)
    stateless = await run_without_state(app, running.flow_id)

    done = {
        "running": (await waited(world, running, timeout=AT_ONCE)).done,
        "without a state": (await waited(world, stateless, timeout=AT_ONCE)).done,
        "both, all": (await waited(world, running, ended, timeout=AT_ONCE)).done,
        "both, any": (await waited(world, running, ended, timeout=AT_ONCE, mode=ANY)).done,
    }

    assert done == {
        "running": False,
        "without a state": False,
        "both, all": False,
        "both, any": True,
    }


async def test_no_mode_means_all(world: World) -> None:
    runs = [await world.new_run(state) for state in (RUNNING, COMPLETED)]

    mode = pb.WAIT_MODE_UNSPECIFIED

    assert not (await waited(world, *runs, timeout=AT_ONCE, mode=mode)).done


async def test_the_answer_comes_when_the_last_run_ends(app: App, world: World) -> None:
    runs = [await world.new_run(RUNNING) for _ in range(2)]
    waiting = await begun(app, world, waited(world, *runs))

    await world.propose(runs[0], COMPLETED)
    await world.propose(runs[1], RUNNING)
    assert not waiting.done()
    await world.propose(runs[1], FAILED)

    answer = await waiting
    assert answer.done
    assert [run.state.type for run in answer.flow_runs] == [COMPLETED, FAILED]


async def test_the_answer_comes_when_the_first_run_ends(app: App, world: World) -> None:
    runs = [await world.new_run(RUNNING) for _ in range(3)]
    waiting = await begun(app, world, waited(world, *runs, mode=ANY))

    await world.propose(runs[1], COMPLETED)

    answer = await waiting
    assert answer.done
    assert [run.state.type for run in answer.flow_runs] == [RUNNING, COMPLETED, RUNNING]


async def test_running_out_of_time_is_no_error(world: World) -> None:
    run = await world.new_run(RUNNING)

    answer = await waited(world, run, timeout=timedelta(milliseconds=50))

    assert not answer.done
    assert [each.id for each in answer.flow_runs] == [run.id]


async def test_the_answer_comes_before_the_deadline_of_the_call(world: World) -> None:
    run = await world.new_run(RUNNING)
    began = time.monotonic()

    answer = await waited(world, run, deadline=0.6)

    assert not answer.done
    assert time.monotonic() - began < 0.6


async def test_many_wait_at_once(app: App, world: World) -> None:
    run = await world.new_run(RUNNING)
    first = await begun(app, world, waited(world, run))
    others = [waited(world, run, mode=mode) for mode in (ANY, ALL) * 20]

    _, *answers = await asyncio.gather(world.propose(run, COMPLETED), first, *others)

    assert all(answer.done for answer in answers)


async def test_a_run_that_is_not_there_is_not_found(world: World) -> None:
    run_id, run = str(uuid4()), await world.new_run()

    code, info = await refused(waited(world, run, run_id))

    assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_RUN_NOT_FOUND")
    assert info.metadata["flow_run_id"] == run_id


async def test_a_run_that_is_deleted_meanwhile_is_not_found(app: App, world: World) -> None:
    run = await world.new_run(RUNNING)
    waiting = await begun(app, world, waited(world, run))

    await world.delete(run)

    _, info = await refused(waiting)
    assert (info.reason, info.metadata["flow_run_id"]) == ("FLOW_RUN_NOT_FOUND", run.id)


async def test_what_makes_no_sense_is_refused_all_at_once(world: World) -> None:
    empty = pb.WaitFlowRunsRequest()
    wrong = pb.WaitFlowRunsRequest(
        flow_run_ids=[str(uuid4()), "x"],
        mode=9,  # type: ignore[arg-type]
        timeout=lasting(timedelta(seconds=-1)),
    )

    assert await violations(world.runs.WaitFlowRuns(empty)) == ["flow_run_ids"]
    assert sorted(await violations(world.runs.WaitFlowRuns(wrong))) == [
        *("flow_run_ids[1]", "mode", "timeout"),
    ]


class TestOutlivingWatches:
    @pytest.fixture
    def flags(self) -> dict[str, str]:
        return {"watch-age": "1s"}

    async def test_a_wait_outlives_the_watches_beneath_it(self, world: World) -> None:
        run = await world.new_run()
        timeout = lasting(timedelta(seconds=3))
        request = pb.WaitFlowRunsRequest(flow_run_ids=[run.id], timeout=timeout)

        answer = await world.runs.WaitFlowRuns(request)

        assert not answer.done
