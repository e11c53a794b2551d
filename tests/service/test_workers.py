"""Workers: who reports, and who is gone."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.storage.tables import DEPLOYMENT
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.seeds import write
from tests.service.work import (
    a_deployment_on,
    beat,
    named,
    new_pool,
    new_queue,
    polled,
    the_pool,
    the_queue,
    updated_pool,
    updated_queue,
)
from tests.service.world import World, at, lasting, reason, violations, when

A_SECOND = timedelta(seconds=1)
A_MINUTE = timedelta(minutes=1)
A_TICK = timedelta(microseconds=1)
ONLINE, OFFLINE = pb.WORKER_STATUS_ONLINE, pb.WORKER_STATUS_OFFLINE


async def listed(world: World, **fields: Any) -> dict[str, int]:
    """Return the statuses of the workers of a pool by name, in the order in which they are listed."""
    request = pb.ListWorkersRequest(work_pool_name="pool", **fields)
    found = await world.work.ListWorkers(request)
    return {each.name: each.status for each in found.workers}


def statuses(*values: "pb.WorkerStatus.ValueType") -> pb.WorkerStatusList:
    """Return the list of a filter, which may be empty."""
    return pb.WorkerStatusList(values=values)


async def test_the_first_report_makes_a_worker_known(world: World) -> None:
    pool = await new_pool(world)

    worker = await beat(world, "bee", heartbeat_interval=lasting(A_SECOND))

    assert (worker.work_pool_id, worker.name) == (pool.id, "bee")
    assert when(worker.create_time) == when(worker.last_heartbeat_time) == NOW
    assert worker.heartbeat_interval.ToTimedelta() == A_SECOND
    assert worker.status == ONLINE
    assert (await the_pool(world)).status == pb.WORK_STATUS_READY


async def test_further_reports_are_of_the_same_worker(world: World, clock: FakeClock) -> None:
    await new_pool(world)
    first = await beat(world, "bee", heartbeat_interval=lasting(A_SECOND))
    clock.advance(A_MINUTE)

    again = await beat(world, "bee")

    assert again.id == first.id
    assert when(again.create_time) == NOW
    assert when(again.last_heartbeat_time) == NOW + A_MINUTE
    assert again.heartbeat_interval.ToTimedelta() == A_SECOND
    assert await listed(world) == {"bee": ONLINE}


async def test_a_report_does_not_end_a_pause(world: World) -> None:
    await new_pool(world)
    await updated_pool(world, "paused", paused=True)

    await beat(world)

    assert (await the_pool(world)).status == pb.WORK_STATUS_PAUSED


async def test_what_is_wrong_is_told(world: World) -> None:
    assert await violations(beat(world, "", "", heartbeat_interval=lasting(timedelta()))) == [
        "heartbeat_interval",
        "work_pool_name",
        "name",
    ]
    assert await violations(listed(world, page_size=-1)) == ["page_size"]


@pytest.mark.parametrize(
    ("interval", "silence", "status"),
    [
        (None, timedelta(seconds=90) - A_TICK, ONLINE),
        (None, timedelta(seconds=90), OFFLINE),
        (timedelta(seconds=2), timedelta(seconds=6) - A_TICK, ONLINE),
        (timedelta(seconds=2), timedelta(seconds=6), OFFLINE),
        (timedelta(hours=1), timedelta(hours=3) - A_TICK, ONLINE),
    ],
)
async def test_a_worker_is_online_for_three_of_its_intervals(
    world: World, clock: FakeClock, interval: timedelta | None, silence: timedelta, status: int
) -> None:
    await new_pool(world)
    await beat(world, heartbeat_interval=None if interval is None else lasting(interval))

    clock.advance(silence)

    assert await listed(world) == {"worker": status}


async def test_workers_are_listed_by_their_last_report(world: World, clock: FakeClock) -> None:
    await new_pool(world)
    for name in ("a", "b", "c", "a"):
        await beat(world, name)
        clock.advance(A_SECOND)

    first = await world.work.ListWorkers(pb.ListWorkersRequest(work_pool_name="pool", page_size=2))
    rest = await listed(world, page_token=first.next_page_token)

    assert [each.name for each in first.workers] == ["a", "c"]
    assert list(rest) == ["b"]
    assert list(await listed(world, offset=1)) == ["c", "b"]
    other = pb.WorkerFilter(operator=pb.OPERATOR_OR)
    wrong = listed(world, page_token=first.next_page_token, workers=other)
    assert await reason(wrong) == "PAGE_TOKEN_MISMATCH"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (pb.WorkerFilter(), ["new", "old"]),
        (
            pb.WorkerFilter(status=pb.WorkerStatusFilter(any=statuses(ONLINE))),
            ["new"],
        ),
        (pb.WorkerFilter(status=pb.WorkerStatusFilter(any=statuses(OFFLINE))), ["old"]),
        (
            pb.WorkerFilter(status=pb.WorkerStatusFilter(any=statuses(ONLINE, OFFLINE))),
            ["new", "old"],
        ),
        (pb.WorkerFilter(status=pb.WorkerStatusFilter(any=statuses())), []),
        (pb.WorkerFilter(status=pb.WorkerStatusFilter(not_any=statuses())), ["new", "old"]),
        (pb.WorkerFilter(status=pb.WorkerStatusFilter(not_any=statuses(ONLINE))), ["old"]),
        (pb.WorkerFilter(last_heartbeat_time=pb.TimeFilter(before=at(NOW))), ["old"]),
        (
            pb.WorkerFilter(
                last_heartbeat_time=pb.TimeFilter(before=at(NOW)),
                status=pb.WorkerStatusFilter(any=statuses(ONLINE)),
            ),
            [],
        ),
        (
            pb.WorkerFilter(
                operator=pb.OPERATOR_OR,
                last_heartbeat_time=pb.TimeFilter(before=at(NOW)),
                status=pb.WorkerStatusFilter(any=statuses(ONLINE)),
            ),
            ["new", "old"],
        ),
    ],
    ids=["all", "online", "offline", "both", "none", "any", "not-online", "old", "and", "or"],
)
async def test_workers_are_found_by_what_holds_now(
    world: World, clock: FakeClock, given: pb.WorkerFilter, names: list[str]
) -> None:
    await new_pool(world)
    await beat(world, "old")
    clock.advance(timedelta(seconds=90))
    await beat(world, "new")

    assert list(await listed(world, workers=given)) == names


async def test_an_unknown_status_is_refused(world: World) -> None:
    unknown = statuses(pb.WORKER_STATUS_UNSPECIFIED)
    given = pb.WorkerFilter(status=pb.WorkerStatusFilter(any=unknown))

    assert await violations(listed(world, workers=given)) == ["workers.status.any.values[0]"]


async def test_the_foreman_notes_who_is_gone(world: World, app: App, clock: FakeClock) -> None:
    await new_pool(world)
    deployment_id = await a_deployment_on(app, (await the_queue(world)).id)
    await beat(world)
    await polled(world)
    assert await app.foreman.look_around() == 0
    clock.advance(A_MINUTE)
    assert await app.foreman.look_around() == 0

    clock.advance(A_TICK)
    for_queue_and_deployment = await app.foreman.look_around()
    assert (await the_queue(world)).status == pb.WORK_STATUS_NOT_READY
    assert await status_of_deployment(app, deployment_id) == "NOT_READY"
    assert (await the_pool(world)).status == pb.WORK_STATUS_READY
    clock.advance(timedelta(seconds=30))
    for_worker_and_pool = await app.foreman.look_around()

    assert (await the_pool(world)).status == pb.WORK_STATUS_NOT_READY
    assert (for_queue_and_deployment, for_worker_and_pool) == (2, 2)
    assert await app.foreman.look_around() == 0
    await beat(world)
    assert (await the_pool(world)).status == pb.WORK_STATUS_READY


async def test_the_foreman_leaves_what_is_paused(world: World, app: App, clock: FakeClock) -> None:
    await new_pool(world)
    await beat(world)
    await polled(world)
    await updated_pool(world, "paused", paused=True)
    await updated_queue(world, named("default"), "paused", paused=True)
    clock.advance(timedelta(hours=1))

    assert await app.foreman.look_around() == 1  # the worker

    assert (await the_pool(world)).status == pb.WORK_STATUS_PAUSED
    assert (await the_queue(world)).status == pb.WORK_STATUS_PAUSED


async def test_one_online_worker_keeps_its_pool_ready(
    world: World, app: App, clock: FakeClock
) -> None:
    await new_pool(world)
    await beat(world, "gone")
    await beat(world, "here", heartbeat_interval=lasting(timedelta(hours=1)))
    clock.advance(timedelta(minutes=5))

    assert await app.foreman.look_around() == 1

    assert (await the_pool(world)).status == pb.WORK_STATUS_READY
    assert await listed(world) == {"here": ONLINE, "gone": OFFLINE}


async def test_a_poll_makes_queues_and_deployments_ready(world: World, app: App) -> None:
    await new_pool(world)
    other = await new_queue(world, "other")
    on_default = await a_deployment_on(app, (await the_queue(world)).id)
    on_other = await a_deployment_on(app, other.id)

    await polled(world, work_queue_names=["default"])

    queue = await the_queue(world)
    assert (queue.status, when(queue.last_polled_time)) == (pb.WORK_STATUS_READY, NOW)
    assert (await the_queue(world, "other")).status == pb.WORK_STATUS_NOT_READY
    assert await status_of_deployment(app, on_default) == "READY"
    assert await status_of_deployment(app, on_other) == "NOT_READY"
    await polled(world)
    assert (await the_queue(world, "other")).status == pb.WORK_STATUS_READY
    assert await status_of_deployment(app, on_other) == "READY"


async def test_polls_are_noted_every_few_seconds(world: World, clock: FakeClock) -> None:
    await new_pool(world)
    await polled(world)

    clock.advance(timedelta(seconds=3) - A_TICK)
    await polled(world)
    too_soon = await the_queue(world)
    clock.advance(A_TICK)
    await polled(world)
    later = await the_queue(world)

    assert when(too_soon.last_polled_time) == NOW
    assert when(later.last_polled_time) == NOW + timedelta(seconds=3)


async def status_of_deployment(app: App, deployment_id: str) -> str:
    """Read the status of a deployment."""
    statement = select(DEPLOYMENT.c.status).where(DEPLOYMENT.c.id == deployment_id)
    return str(await write(app, lambda conn: conn.execute(statement).scalar_one()))
