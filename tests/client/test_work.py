"""Work pools, queues and workers through the client, with Python's types."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID, uuid4

import pytest
from grpc import StatusCode

import headgate
from headgate import (
    Client,
    FlowRunView,
    WorkerFilter,
    WorkerStatus,
    WorkerStatusFilter,
    WorkPool,
    WorkPoolFilter,
    WorkQueueFilter,
    WorkQueueNameFilter,
    WorkStatus,
    errors,
    sync,
)
from tests.client.faults import Fault, FaultyDoor

MakeDue: TypeAlias = Callable[[], Awaitable[UUID]]
A_MINUTE = timedelta(minutes=1)
TEMPLATE: headgate.JsonObject = {
    "job_configuration": {"command": "{{ command }}"},
    "variables": {"properties": {"command": {"default": "x"}}},
}


@pytest.fixture
async def pool(client: Client) -> WorkPool:
    """Return a work pool of its own for the test."""
    return await client.work_pools.create(f"pool-{uuid4()}", type="process")


@pytest.fixture
async def make_due(client: Client, flow_id: UUID, pool: WorkPool) -> MakeDue:
    """Return what makes runs that are due in the work pool, and returns their ids."""
    deployment = (
        await client.deployments.create(flow_id, "deployed", work_pool_name=pool.name)
    ).deployment

    async def make() -> UUID:
        created = await client.deployments.create_flow_run(
            deployment.id, state=headgate.Scheduled(datetime.now(UTC) - A_MINUTE)
        )
        return created.flow_run.id

    return make


async def test_pools_are_kept(client: Client) -> None:
    name = f"pool-{uuid4()}"
    created = await client.work_pools.create(
        name,
        type="process",
        description="for all",
        base_job_template=TEMPLATE,
        concurrency_limit=3,
    )

    changed = await client.work_pools.update(
        name, paused=True, concurrency_limit=None, description=None, base_job_template={}
    )

    assert created.description == "for all"
    assert created.base_job_template == TEMPLATE
    assert created.concurrency_limit == 3
    assert created.status is WorkStatus.NOT_READY
    assert (changed.paused, changed.status) == (True, WorkStatus.PAUSED)
    assert (changed.description, changed.concurrency_limit) == (None, None)
    assert changed.base_job_template == {}
    assert await client.work_pools.get(name) == changed
    only = WorkPoolFilter(id=headgate.IdFilter(any=[created.id]))
    assert [each async for each in client.work_pools.iterate(only)] == [changed]
    with pytest.raises(errors.WorkPoolExistsError):
        await client.work_pools.create(name)
    with pytest.raises(errors.WorkPoolNameReservedError):
        await client.work_pools.create("prefect")
    await client.work_pools.delete(name)
    with pytest.raises(errors.WorkPoolNotFoundError):
        await client.work_pools.get(name)


async def test_the_status_of_a_pool_may_be_unknown(client: Client) -> None:
    pool = await client.work_pools.create(f"pool-{uuid4()}")

    assert (pool.type, pool.status) == ("prefect-agent", None)


async def test_queues_are_kept(client: Client, pool: WorkPool) -> None:
    key = (pool.name, "queue")
    created = await client.work_queues.create(
        *key, description="for all", concurrency_limit=3, priority=1
    )

    changed = await client.work_queues.update(
        key, paused=True, concurrency_limit=None, description=""
    )

    assert (created.description, created.concurrency_limit) == ("for all", 3)
    assert created.status is WorkStatus.NOT_READY
    assert (changed.paused, changed.status) == (True, WorkStatus.PAUSED)
    assert (changed.description, changed.concurrency_limit) == ("", None)
    assert await client.work_queues.get(created.id) == changed
    assert [each.name async for each in client.work_queues.iterate(pool.name)] == [
        "queue",
        "default",
    ]
    only = WorkQueueFilter(
        id=headgate.IdFilter(any=[created.id]), name=WorkQueueNameFilter(startswith=["QU"])
    )
    assert (await client.work_queues.list(work_queues=only)).items == (changed,)
    with pytest.raises(errors.WorkQueueExistsError):
        await client.work_queues.update(key, name="default")
    with pytest.raises(errors.WorkQueueIsDefaultError):
        await client.work_queues.delete(pool.default_queue_id)
    await client.work_queues.delete(key)
    with pytest.raises(errors.WorkQueueNotFoundError):
        await client.work_queues.get(key)


async def test_the_health_of_a_queue_is_told(client: Client, pool: WorkPool) -> None:
    found = await client.work_queues.get_status((pool.name, "default"))

    assert found.work_queue.id == pool.default_queue_id
    assert not found.health.healthy
    assert (found.health.late_runs_count, found.health.maximum_late_runs) == (0, 0)
    assert found.health.last_polled_time is None
    assert found.health.maximum_time_since_last_polled == A_MINUTE


async def test_workers_report(client: Client, pool: WorkPool) -> None:
    worker = await client.workers.heartbeat(pool.name, "bee", heartbeat_interval=A_MINUTE)

    again = await client.workers.heartbeat(pool.name, "bee")

    assert worker.status is WorkerStatus.ONLINE
    assert (again.id, again.heartbeat_interval) == (worker.id, A_MINUTE)
    assert again.last_heartbeat_time > worker.create_time
    online = WorkerFilter(status=WorkerStatusFilter(any=[WorkerStatus.ONLINE]))
    assert [each async for each in client.workers.iterate(pool.name, online)] == [again]
    offline = WorkerFilter(status=WorkerStatusFilter(not_any=[WorkerStatus.ONLINE]))
    assert (await client.workers.list(pool.name, offline)).items == ()
    assert (await client.work_pools.get(pool.name)).status is WorkStatus.READY


async def test_due_runs_are_polled(client: Client, pool: WorkPool, make_due: MakeDue) -> None:
    run_id = await make_due()
    now = datetime.now(UTC)

    (due,) = await client.workers.poll_flow_runs(
        pool.name, ["default"], scheduled_before=now, limit=1, view=FlowRunView.FULL
    )

    assert (due.work_pool_id, due.work_queue_id) == (pool.id, pool.default_queue_id)
    assert due.flow_run.id == run_id
    assert due.flow_run.parameters == {}
    assert due.flow_run.work_queue_id == pool.default_queue_id
    assert (due.flow_run.work_queue_name, due.flow_run.work_pool_name) == ("default", pool.name)
    assert await client.workers.poll_flow_runs(pool.name, scheduled_after=now) == ()


async def test_due_runs_are_watched(client: Client, pool: WorkPool, make_due: MakeDue) -> None:
    first = await make_due()
    async with aclosing(client.workers.watch_due_flow_runs(pool.name, ["default"])) as due_runs:
        found = await anext(due_runs)
        second = await make_due()
        then = await anext(due_runs)

    assert (found.flow_run.id, then.flow_run.id) == (first, second)
    assert found.flow_run.parameters is None


@pytest.mark.parametrize(
    "fault",
    [Fault(after_events=1), Fault(reason="WATCH_AGED", after_events=1), Fault(code=StatusCode.OK)],
    ids=["broken", "aged", "ended"],
)
async def test_the_stream_of_due_runs_is_begun_anew(
    shaky: Client, door: FaultyDoor, pool: WorkPool, make_due: MakeDue, fault: Fault
) -> None:
    run_id = await make_due()
    door.fail("WatchDueFlowRuns", fault)

    async with aclosing(shaky.workers.watch_due_flow_runs(pool.name)) as due_runs:
        found = [await anext(due_runs)]
        await shaky.flow_runs.set_state(run_id, headgate.Pending())
        other = await make_due()
        while found[-1].flow_run.id != other:
            found.append(await anext(due_runs))

    assert found[0].flow_run.id == run_id
    assert len(door.calls["WatchDueFlowRuns"]) == 2


async def test_a_pool_that_is_gone_ends_the_stream(client: Client, pool: WorkPool) -> None:
    await client.work_pools.delete(pool.name)

    with pytest.raises(errors.WorkPoolNotFoundError):
        await anext(client.workers.watch_due_flow_runs(pool.name))


def test_the_blocking_face_hands_out_runs_too(server_target: str) -> None:
    name = f"pool-{uuid4()}"
    with sync.Client(server_target) as client:
        pool = client.work_pools.create(name, type="process")
        flow = client.flows.create(f"flow-{uuid4()}").flow
        deployment = client.deployments.create(flow.id, "d", work_pool_name=name).deployment
        run = client.deployments.create_flow_run(deployment.id).flow_run

        due_runs = client.workers.watch_due_flow_runs(name)
        due = next(due_runs)
        due_runs.close()

        assert due.flow_run.id == run.id
        assert client.work_queues.get((name, "default")).id == pool.default_queue_id
        assert client.workers.poll_flow_runs(name)[0].flow_run.id == run.id
