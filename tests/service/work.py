"""Shorthands for work pools: what most tests of them do first."""

from datetime import datetime
from typing import Any

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.model.commands import CreateFlow, CreateFlowRun
from headgate_server.model.ids import new_id
from headgate_server.model.states import ProposedState, StateDetails, StateType
from tests.builders import NOW
from tests.rows import insert_deployment
from tests.service.seeds import write
from tests.service.world import World, at


async def new_pool(world: World, name: str = "pool", **fields: Any) -> pb.WorkPool:
    """Create a work pool, of a type whose workers report unless another is given."""
    request = pb.CreateWorkPoolRequest(name=name, **{"type": "process", **fields})
    return (await world.work.CreateWorkPool(request)).work_pool


async def the_pool(world: World, name: str = "pool") -> pb.WorkPool:
    """Read a work pool."""
    return (await world.work.GetWorkPool(pb.GetWorkPoolRequest(name=name))).work_pool


async def updated_pool(world: World, *paths: str, name: str = "pool", **fields: Any) -> pb.WorkPool:
    """Replace the fields of a work pool that the paths name."""
    request = pb.UpdateWorkPoolRequest(name=name, **fields)
    request.update_mask.paths.extend(paths)
    return (await world.work.UpdateWorkPool(request)).work_pool


async def new_queue(world: World, name: str, pool: str = "pool", **fields: Any) -> pb.WorkQueue:
    """Create a queue."""
    request = pb.CreateWorkQueueRequest(work_pool_name=pool, name=name, **fields)
    return (await world.work.CreateWorkQueue(request)).work_queue


def named(name: str, pool: str = "pool") -> pb.WorkQueueKey:
    """Return what names a queue."""
    return pb.WorkQueueKey(path=pb.WorkQueuePath(work_pool_name=pool, name=name))


async def the_queue(world: World, name: str = "default", pool: str = "pool") -> pb.WorkQueue:
    """Read a queue."""
    request = pb.GetWorkQueueRequest(work_queue=named(name, pool))
    return (await world.work.GetWorkQueue(request)).work_queue


async def updated_queue(
    world: World, key: pb.WorkQueueKey, *paths: str, **fields: Any
) -> pb.WorkQueue:
    """Replace the fields of a queue that the paths name."""
    request = pb.UpdateWorkQueueRequest(work_queue=key, **fields)
    request.update_mask.paths.extend(paths)
    return (await world.work.UpdateWorkQueue(request)).work_queue


async def priorities(world: World, pool: str = "pool") -> dict[str, int]:
    """Return the priorities of the queues of a pool by name, in the order in which they are listed."""
    listed = await world.work.ListWorkQueues(pb.ListWorkQueuesRequest(work_pool_name=pool))
    return {each.name: each.priority for each in listed.work_queues}


async def beat(world: World, name: str = "worker", pool: str = "pool", **fields: Any) -> pb.Worker:
    """Report that a worker is there."""
    request = pb.HeartbeatWorkerRequest(work_pool_name=pool, name=name, **fields)
    return (await world.work.HeartbeatWorker(request)).worker


async def queued(
    app: App, queue_id: str, due: datetime = NOW, *, flow_id: str = "", **fields: Any
) -> str:
    """Create a scheduled run in a queue, of a flow of its own unless one is named, and return its id."""
    if not flow_id:
        flow_id = await a_flow(app)
    details = StateDetails(scheduled_time=due)
    state = ProposedState(type=StateType.SCHEDULED, details=details)
    command = CreateFlowRun(flow_id=flow_id, state=state, work_queue_id=queue_id, **fields)
    return (await app.operations.flow_runs.create(command)).run.id


async def a_flow(app: App) -> str:
    """Create a flow, or find it, and return its id."""
    flow, _ = await app.operations.flows.create(CreateFlow(name="a flow"))
    return flow.id


async def poll(world: World, pool: str = "pool", **fields: Any) -> list[str]:
    """Return the ids of the runs that a worker may start, in order."""
    request = pb.PollFlowRunsRequest(work_pool_name=pool, **fields)
    return [each.flow_run.id for each in (await world.work.PollFlowRuns(request)).due_flow_runs]


async def poll_due(world: World, now: datetime = NOW, **fields: Any) -> list[str]:
    """Return the ids of the runs that a worker may start and that are due, in order."""
    return await poll(world, scheduled_before=at(now), **fields)


async def polled(world: World, **fields: Any) -> None:
    """Poll, and wait until that was noted."""
    await poll(world, **fields)
    # What is written is written in order.
    await world.new_flow()


async def a_deployment_on(app: App, queue_id: str) -> str:
    """Store a deployment that sends its runs to a queue, and return its id."""
    deployment_id, flow_id = new_id(), await a_flow(app)
    statement = insert_deployment(deployment_id, flow_id).values(work_queue_id=queue_id)
    await write(app, lambda conn: conn.execute(statement))
    return deployment_id
