"""Watches that their watchers cancel leave nothing behind: no handler, no subscription, no memory."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import grpc.aio
import pytest

from headgate import v1 as pb
from tests.acceptance.gauges import Gauges
from tests.acceptance.program import Program, free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

WARM_UP: Final = 1_000
"""Watches after which everything is loaded that a watch needs, and the allocator has found its size."""
COUNT: Final = 10_000
OPEN_AT_ONCE: Final = 50
SLACK_BYTES: Final = 4 * 1024 * 1024
"""What the allocator may take besides: 420 bytes a watch, far below anything that one could leave behind."""


class Watchers:
    """Opens watches of all kinds, sees that they have begun, and cancels them."""

    def __init__(self, channel: grpc.aio.Channel, run_id: str) -> None:
        self._runs = pb.FlowRunServiceStub(channel)
        self._task_runs = pb.TaskRunServiceStub(channel)
        self._inputs = pb.FlowRunInputServiceStub(channel)
        self._run_id = run_id

    def open(self, place: int) -> Any:
        """Begin a watch of everything, of one run, of what is deployed, or of the task runs or the inputs of one, by turns."""
        match place % 5:
            case 0:
                request = pb.WatchFlowRunsRequest(send_initial_state=True)
                return self._runs.WatchFlowRuns(request)
            case 1:
                request = pb.WatchFlowRunsRequest(
                    flow_run_ids=[self._run_id], send_initial_state=True
                )
                return self._runs.WatchFlowRuns(request)
            case 2:
                request = pb.WatchFlowRunsRequest(
                    deployments=pb.DeploymentFilter(), send_initial_state=True
                )
                return self._runs.WatchFlowRuns(request)
            case 3:
                return self._task_runs.WatchTaskRuns(
                    pb.WatchTaskRunsRequest(flow_run_ids=[self._run_id], send_initial_state=True)
                )
            case _:
                return self._inputs.WatchFlowRunInputs(
                    pb.WatchFlowRunInputsRequest(flow_run_id=self._run_id, send_initial_state=True)
                )

    async def open_and_cancel(self, count: int) -> None:
        """Open so many watches, some at once, and cancel each as soon as it has caught up."""
        places = iter(range(count))

        async def one_after_the_other() -> None:
            for place in places:
                call = self.open(place)
                while (await call.read()).WhichOneof("event") != "snapshot_complete":
                    pass
                call.cancel()

        await asyncio.gather(*(one_after_the_other() for _ in range(OPEN_AT_ONCE)))


async def new_run(channel: grpc.aio.Channel) -> str:
    request = pb.CreateFlowRequest(name="watched")
    flow = (await pb.FlowServiceStub(channel).CreateFlow(request, wait_for_ready=True)).flow
    runs = pb.FlowRunServiceStub(channel)
    return (await runs.CreateFlowRun(pb.CreateFlowRunRequest(flow_id=flow.id))).flow_run.id


async def test_ten_thousand_cancelled_watches_leave_the_memory_of_the_server_flat(
    sqlite_url: str, new_program: Callable[..., Program]
) -> None:
    address = f"127.0.0.1:{free_port()}"
    program, gauges = new_program(sqlite_url, metrics_listen=address), Gauges(address)
    await asyncio.to_thread(program.start)
    async with grpc.aio.insecure_channel(program.target) as channel:
        watchers = Watchers(channel, await new_run(channel))
        await watchers.open_and_cancel(WARM_UP)
        await gauges.until("headgate_watchers", 0)
        before = program.resident_bytes()

        await watchers.open_and_cancel(COUNT)

        await gauges.until("headgate_watchers", 0)
        assert await gauges.read("headgate_dropped_events_total") == 0
        assert program.resident_bytes() - before < SLACK_BYTES


async def test_a_watch_that_is_cancelled_ends_on_the_server_within_a_second(
    sqlite_url: str, new_program: Callable[..., Program]
) -> None:
    address = f"127.0.0.1:{free_port()}"
    program, gauges = new_program(sqlite_url, metrics_listen=address), Gauges(address)
    await asyncio.to_thread(program.start)
    async with grpc.aio.insecure_channel(program.target) as channel:
        watchers = Watchers(channel, await new_run(channel))
        calls = [watchers.open(place) for place in range(30)]
        await gauges.until("headgate_watchers", 30)

        for call in calls:
            call.cancel()

        async with asyncio.timeout(1):
            await gauges.until("headgate_watchers", 0)
