"""Work queues: their places in their pool, their pauses, and how well they are served."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.work import (
    named,
    new_pool,
    new_queue,
    polled,
    priorities,
    queued,
    the_pool,
    the_queue,
    updated_queue,
)
from tests.service.world import (
    COMPLETED,
    PENDING,
    SCHEDULED,
    World,
    reason,
    refused,
    texts,
    violations,
    when,
)

A_SECOND = timedelta(seconds=1)
A_MINUTE = timedelta(minutes=1)
LATE = pb.ProposedState(type=SCHEDULED, name="Late")


async def deleted(world: World, key: pb.WorkQueueKey, **fields: Any) -> None:
    """Delete a queue."""
    await world.work.DeleteWorkQueue(pb.DeleteWorkQueueRequest(work_queue=key, **fields))


async def status(world: World, name: str = "default") -> tuple[pb.WorkQueue, pb.WorkQueueHealth]:
    """Read a queue and how well it is served."""
    request = pb.GetWorkQueueStatusRequest(work_queue=named(name))
    answer = await world.work.GetWorkQueueStatus(request)
    return answer.work_queue, answer.health


async def test_a_queue_is_kept_as_it_is_given(world: World, clock: FakeClock) -> None:
    pool = await new_pool(world)
    clock.advance(A_SECOND)

    made = await new_queue(world, "fast", description="schnell", concurrency_limit=0, priority=7)

    assert (made.work_pool_id, made.work_pool_name) == (pool.id, "pool")
    assert (made.name, made.description, made.priority) == ("fast", "schnell", 7)
    assert made.HasField("concurrency_limit")
    assert made.concurrency_limit == 0
    assert made.status == pb.WORK_STATUS_NOT_READY
    assert when(made.create_time) == when(made.update_time) == NOW + A_SECOND
    assert await the_queue(world, "fast") == made
    by_id = pb.GetWorkQueueRequest(work_queue=pb.WorkQueueKey(work_queue_id=made.id))
    assert (await world.work.GetWorkQueue(by_id)).work_queue == made


async def test_names_are_unique_within_their_pool(world: World) -> None:
    await new_pool(world, "a")
    await new_pool(world, "b")
    await new_queue(world, "queue", "a")

    assert (await new_queue(world, "queue", "b")).work_pool_name == "b"
    code, info = await refused(new_queue(world, "queue", "a"))

    assert code is grpc.StatusCode.ALREADY_EXISTS
    assert info.reason == "WORK_QUEUE_EXISTS"
    assert dict(info.metadata) == {"work_pool_name": "a", "name": "queue"}


async def test_what_is_wrong_is_told(world: World) -> None:
    call = new_queue(world, "a/b", "", priority=0, concurrency_limit=-1, request_id="x")
    nothing = world.work.GetWorkQueue(pb.GetWorkQueueRequest())
    nameless = world.work.GetWorkQueue(pb.GetWorkQueueRequest(work_queue=named("", "")))
    no_id = pb.GetWorkQueueRequest(work_queue=pb.WorkQueueKey(work_queue_id="x"))

    assert await violations(call) == [
        "work_pool_name",
        "name",
        "concurrency_limit",
        "priority",
        "request_id",
    ]
    assert await violations(nothing) == ["work_queue"]
    assert await violations(nameless) == [
        "work_queue.path.work_pool_name",
        "work_queue.path.name",
    ]
    assert await violations(world.work.GetWorkQueue(no_id)) == ["work_queue.work_queue_id"]


async def test_a_queue_that_does_not_exist_is_not_found(world: World) -> None:
    await new_pool(world)
    missing = str(uuid4())
    by_id = pb.WorkQueueKey(work_queue_id=missing)

    for key, facts in (
        (named("none"), {"work_pool_name": "pool", "name": "none"}),
        (by_id, {"work_queue_id": missing}),
    ):
        for call in (
            world.work.GetWorkQueue(pb.GetWorkQueueRequest(work_queue=key)),
            world.work.GetWorkQueueStatus(pb.GetWorkQueueStatusRequest(work_queue=key)),
            updated_queue(world, key, "paused"),
            deleted(world, key),
        ):
            code, info = await refused(call)

            assert code is grpc.StatusCode.NOT_FOUND
            assert (info.reason, dict(info.metadata)) == ("WORK_QUEUE_NOT_FOUND", facts)


async def test_a_new_queue_takes_the_lowest_place_that_is_free(world: World) -> None:
    await new_pool(world)
    await new_queue(world, "third", priority=3)

    assert (await new_queue(world, "second")).priority == 2
    assert (await new_queue(world, "fourth")).priority == 4
    assert await priorities(world) == {"default": 1, "second": 2, "third": 3, "fourth": 4}


@pytest.mark.parametrize(
    ("place", "after"),
    [
        (1, {"new": 1, "default": 2, "b": 3, "c": 4, "far": 9}),
        (2, {"default": 1, "new": 2, "b": 3, "c": 4, "far": 9}),
        (3, {"default": 1, "b": 2, "new": 3, "c": 4, "far": 9}),
        (4, {"default": 1, "b": 2, "c": 3, "new": 4, "far": 9}),
        (9, {"default": 1, "b": 2, "c": 3, "new": 9, "far": 10}),
        (2**31 - 1, {"default": 1, "b": 2, "c": 3, "far": 9, "new": 2**31 - 1}),
    ],
)
async def test_queues_move_just_enough_to_make_room(
    world: World, place: int, after: dict[str, int]
) -> None:
    await new_pool(world)
    for name, priority in {"b": 2, "c": 3, "far": 9}.items():
        await new_queue(world, name, priority=priority)

    await new_queue(world, "new", priority=place)

    found = await priorities(world)
    assert list(found.items()) == list(after.items())


async def test_a_queue_that_moves_makes_others_move(world: World) -> None:
    await new_pool(world)
    for name in ("b", "c"):
        await new_queue(world, name)

    assert (await updated_queue(world, named("c"), "priority", priority=1)).priority == 1
    assert list((await priorities(world)).items()) == [("c", 1), ("default", 2), ("b", 3)]
    await updated_queue(world, named("c"), "priority", priority=3)
    assert list((await priorities(world)).items()) == [("default", 2), ("c", 3), ("b", 4)]
    assert await violations(updated_queue(world, named("c"), "priority")) == ["priority"]


async def test_queues_of_all_pools_are_listed_by_name(world: World) -> None:
    for pool in ("a", "b"):
        await new_pool(world, pool)
        await new_queue(world, f"queue {pool}", pool)
    by_name = pb.WorkQueueFilter(name=pb.WorkQueueNameFilter(startswith=texts("QUEUE")))

    everywhere = await world.work.ListWorkQueues(pb.ListWorkQueuesRequest(work_queues=by_name))
    request = pb.ListWorkQueuesRequest(work_pool_name="a", work_queues=by_name)
    of_one = await world.work.ListWorkQueues(request)

    assert [each.name for each in everywhere.work_queues] == ["queue a", "queue b"]
    assert [each.work_pool_name for each in everywhere.work_queues] == ["a", "b"]
    assert [each.name for each in of_one.work_queues] == ["queue a"]


async def test_only_the_fields_named_are_replaced(world: World, clock: FakeClock) -> None:
    await new_pool(world)
    made = await new_queue(world, "old", concurrency_limit=3)
    clock.advance(A_SECOND)

    changed = await updated_queue(world, named("old"), "name", name="new", concurrency_limit=9)

    assert (changed.name, changed.concurrency_limit) == ("new", 3)
    assert when(changed.update_time) == when(made.create_time) + A_SECOND
    assert await the_queue(world, "new") == changed
    again = await updated_queue(world, named("new"), "name", name="new")
    assert again.name == "new"
    taken = updated_queue(world, named("new"), "name", name="default")
    assert await reason(taken) == "WORK_QUEUE_EXISTS"
    assert await violations(updated_queue(world, named("new"), "name", name=" ")) == ["name"]
    unlimited = await updated_queue(world, named("new"), "concurrency_limit")
    assert not unlimited.HasField("concurrency_limit")


async def test_runs_tell_the_names_that_their_queue_and_its_pool_now_have(
    world: World, app: App
) -> None:
    pool = await new_pool(world)
    queue = await new_queue(world, "old")
    run_id = await queued(app, queue.id, work_queue_name="old")

    await updated_queue(world, named("old"), "name", name="new")
    moved = await world.propose(run_id, PENDING)

    (listed,) = await world.listed()
    full = await world.get(run_id)
    assert moved.state.type == PENDING
    for run in (full, listed):
        assert run.work_queue_id == queue.id
        assert (run.work_queue_name, run.work_pool_name) == ("new", pool.name)


async def test_a_run_keeps_the_name_of_a_queue_that_is_gone(world: World, app: App) -> None:
    await new_pool(world)
    queue = await new_queue(world, "queue")
    run_id = await queued(app, queue.id, work_queue_name="queue")
    before = await world.get(run_id)

    await deleted(world, named("queue"))

    run = await world.get(run_id)
    assert (before.work_queue_id, before.work_pool_name) == (queue.id, "pool")
    assert run.work_queue_name == "queue"
    assert not run.HasField("work_queue_id")
    assert not run.HasField("work_pool_name")
    assert list(await priorities(world)) == ["default"]


async def test_the_default_queue_goes_only_with_its_pool(world: World) -> None:
    pool = await new_pool(world)
    await updated_queue(world, named("default"), "name", name="main")

    for key in (named("main"), pb.WorkQueueKey(work_queue_id=pool.default_queue_id)):
        code, info = await refused(deleted(world, key))

        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert info.reason == "WORK_QUEUE_IS_DEFAULT"
        assert dict(info.metadata) == {"work_pool_name": "pool", "name": "main"}
    assert (await the_pool(world)).default_queue_id == pool.default_queue_id


async def test_a_queue_is_deleted_once(world: World) -> None:
    await new_pool(world)
    await new_queue(world, "queue")
    request_id = str(uuid4())

    await deleted(world, named("queue"), request_id=request_id)

    await deleted(world, named("queue"), request_id=request_id)
    assert await reason(deleted(world, named("queue"))) == "WORK_QUEUE_NOT_FOUND"


@pytest.mark.parametrize(
    ("since", "status_after"),
    [
        (A_MINUTE, pb.WORK_STATUS_READY),
        (A_MINUTE + timedelta(microseconds=1), pb.WORK_STATUS_NOT_READY),
    ],
    ids=["polled-a-minute-ago", "polled-longer-ago"],
)
async def test_a_pause_ends_as_the_last_poll_has_it(
    world: World, clock: FakeClock, since: timedelta, status_after: int
) -> None:
    await new_pool(world)
    paused = await updated_queue(world, named("default"), "paused", paused=True)
    await polled(world)
    while_paused = await the_queue(world)
    clock.advance(since)

    let_go = await updated_queue(world, named("default"), "paused", paused=False)

    assert paused.status == while_paused.status == pb.WORK_STATUS_PAUSED
    assert let_go.status == status_after


async def test_a_pause_of_a_queue_that_was_never_polled_ends_not_ready(world: World) -> None:
    await new_pool(world)
    made = await new_queue(world, "queue", paused=True)

    let_go = await updated_queue(world, named("queue"), "paused", paused=False)

    assert made.status == pb.WORK_STATUS_PAUSED
    assert let_go.status == pb.WORK_STATUS_NOT_READY


async def test_health_tells_of_polls_and_of_late_runs(
    world: World, app: App, clock: FakeClock
) -> None:
    pool = await new_pool(world)
    never_polled, unhealthy = await status(world)
    await polled(world)
    clock.advance(A_MINUTE + timedelta(microseconds=999_999))
    queue, healthy = await status(world)
    clock.advance(timedelta(microseconds=1))
    _, too_long_ago = await status(world)
    await polled(world)
    run_id = await queued(app, pool.default_queue_id)
    await world.propose(run_id, LATE, force=True)
    elsewhere = await new_queue(world, "other")
    await world.propose(await queued(app, elsewhere.id), LATE, force=True)
    _, late = await status(world)
    await world.propose(run_id, COMPLETED, force=True)
    _, again = await status(world)

    assert never_polled.name == "default"
    assert not unhealthy.healthy
    assert not unhealthy.HasField("last_polled_time")
    assert healthy.healthy
    assert when(healthy.last_polled_time) == when(queue.last_polled_time) == NOW
    assert healthy.health_check_policy.maximum_late_runs == 0
    span = healthy.health_check_policy.maximum_time_since_last_polled.ToTimedelta()
    assert span == A_MINUTE
    assert not too_long_ago.healthy
    assert (late.healthy, late.late_runs_count) == (False, 1)
    assert (again.healthy, again.late_runs_count) == (True, 0)
