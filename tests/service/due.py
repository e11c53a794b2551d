"""Workers that wait for runs to become due."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc
import grpc.aio
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.service.work import queued
from tests.service.world import CANCELLED, Watch, World, the_error_info

AN_HOUR = timedelta(hours=1)


@asynccontextmanager
async def due_runs(world: World, pool: str = "pool", **fields: Any) -> AsyncIterator[Watch]:
    """Wait for the runs of a pool."""
    request = pb.WatchDueFlowRunsRequest(work_pool_name=pool, **fields)
    watch = Watch(world.work.WatchDueFlowRuns(request))
    try:
        yield watch
    finally:
        watch.cancel()


async def sent(watch: Watch) -> str:
    """Return the id of the run that is sent next."""
    return str((await watch.next("due")).due.flow_run.id)


async def sent_until_idle(watch: Watch) -> list[str]:
    """Return the ids of the runs that are sent before the stream says that nothing more is due."""
    found = []
    while (message := await watch.next()).WhichOneof("event") == "due":
        found.append(message.due.flow_run.id)
    return found


async def looked(app: App, world: World, watch: Watch, pool_queue_id: str) -> list[str]:
    """Return the ids of the runs that a look which begins now sends, before that of a run that is made for this."""
    marker = await queued(app, pool_queue_id, NOW - AN_HOUR)
    found = []
    while (run_id := await sent(watch)) != marker:
        found.append(run_id)
    await world.propose(marker, CANCELLED, force=True)
    return found


async def ending(watch: Watch) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    """Return how a stream ends: the code, the reason, and the facts."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await watch.rest()
    info = the_error_info(caught.value)
    return caught.value.code(), info.reason, dict(info.metadata)
