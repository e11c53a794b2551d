"""WatchDueFlowRuns: what is refused, and how a stream ends."""

from datetime import timedelta
from typing import Any, cast

import grpc
import grpc.aio
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.service.due import AN_HOUR, due_runs, ending
from tests.service.work import new_pool
from tests.service.world import World, lasting, violations


async def test_what_is_wrong_is_told(world: World) -> None:
    request = pb.WatchDueFlowRunsRequest(
        prefetch=lasting(-timedelta(seconds=1)),
        progress_interval=lasting(AN_HOUR),
        view=cast("Any", 7),
    )

    assert await violations(anext(aiter(world.work.WatchDueFlowRuns(request)))) == [
        "prefetch",
        "progress_interval",
        "work_pool_name",
        "view",
    ]


async def test_what_does_not_exist_is_not_found(world: World) -> None:
    async with due_runs(world) as watch:
        assert (await ending(watch))[1] == "WORK_POOL_NOT_FOUND"
    await new_pool(world)
    async with due_runs(world, work_queue_names=["none"]) as watch:
        assert (await ending(watch))[1] == "WORK_QUEUE_NOT_FOUND"


async def test_the_stream_ends_with_its_pool(world: World) -> None:
    await new_pool(world)
    async with due_runs(world) as watch:
        await watch.next("progress")

        await world.work.DeleteWorkPool(pb.DeleteWorkPoolRequest(name="pool"))

        code, reason, facts = await ending(watch)
    assert code is grpc.StatusCode.NOT_FOUND
    assert (reason, facts) == ("WORK_POOL_NOT_FOUND", {"name": "pool"})


async def test_the_stream_ends_when_the_server_drains(world: World, app: App) -> None:
    await new_pool(world)
    async with due_runs(world) as watch:
        await watch.next("progress")

        app.operations.due_runs.drain()

        code, reason, _ = await ending(watch)
    assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING")


class TestAge:
    @pytest.fixture
    def flags(self) -> dict[str, str]:
        """Return settings under which a stream is soon too old."""
        return {"watch-age": "1s"}

    async def test_the_stream_ends_when_it_is_too_old(self, world: World) -> None:
        await new_pool(world)
        async with due_runs(world) as watch:
            code, reason, facts = await ending(watch)

        assert code is grpc.StatusCode.UNAVAILABLE
        assert (reason, facts) == ("WATCH_AGED", {})
