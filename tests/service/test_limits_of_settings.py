"""Limits that settings move, and those of the transport."""

import time
from datetime import timedelta
from typing import Any

import grpc
import pytest

from headgate import v1 as pb
from tests.service.world import (
    PAUSED,
    RUNNING,
    World,
    lasting,
    refusal,
    text_of,
    violations,
)


def state(**fields: Any) -> pb.ProposedState:
    return pb.ProposedState(type=RUNNING, **fields)


class TestSettings:
    @pytest.fixture
    def flags(self) -> dict[str, str]:
        return {"max-message": "64KiB", "max-json": "60KiB", "max-wait": "1s"}

    async def test_a_message_that_is_too_large_is_refused_by_the_transport(
        self, world: World
    ) -> None:
        run = await world.new_run()

        error = await refusal(
            world.new_run(flow_id=run.flow_id, tags=[], parameters_json=text_of(70 * 1024))
        )

        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED

    async def test_a_list_that_is_too_large_must_be_read_in_smaller_pages(
        self, world: World
    ) -> None:
        for _ in range(2):
            await world.new_run(parameters_json=text_of(40 * 1024))

        error = await refusal(world.listed(view=pb.FLOW_RUN_VIEW_FULL))

        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert len(await world.listed(view=pb.FLOW_RUN_VIEW_FULL, page_size=1)) == 1
        assert len(await world.listed()) == 2

    async def test_a_smaller_limit_for_json_holds(self, world: World) -> None:
        run = await world.new_run(RUNNING)

        await world.propose(run, state(data_json=text_of(60 * 1024)))

        assert await violations(world.propose(run, state(data_json=text_of(60 * 1024 + 1)))) == [
            "state.data_json"
        ]

    async def test_a_wait_is_cut_to_the_longest_there_is(self, world: World) -> None:
        run = await world.new_run(PAUSED)
        request = pb.WaitFlowRunsRequest(flow_run_ids=[run.id], timeout=lasting(timedelta(hours=1)))
        began = time.monotonic()

        answer = await world.runs.WaitFlowRuns(request)

        assert not answer.done
        assert 0.9 < time.monotonic() - began < 5


class TestShortCalls:
    @pytest.fixture
    def flags(self) -> dict[str, str]:
        return {"max-wait": "10s", "max-call": "1s"}

    async def test_a_wait_ends_before_it_would_be_ended(self, world: World) -> None:
        run = await world.new_run(PAUSED)

        answer = await world.runs.WaitFlowRuns(pb.WaitFlowRunsRequest(flow_run_ids=[run.id]))

        assert not answer.done
