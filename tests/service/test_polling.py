"""PollFlowRuns: which runs a worker may start."""

import asyncio
from datetime import timedelta

import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.replicas import replicas
from tests.service.work import (
    a_flow,
    named,
    new_pool,
    new_queue,
    poll,
    poll_due,
    queued,
    the_queue,
    updated_pool,
    updated_queue,
)
from tests.service.world import (
    CANCELLED,
    CANCELLING,
    FAILED,
    PAUSED,
    PENDING,
    RUNNING,
    SCHEDULED,
    World,
    at,
    reason,
    refused,
    scheduled_for,
    violations,
)

A_SECOND = timedelta(seconds=1)
AN_HOUR = timedelta(hours=1)


async def busy(world: World, app: App, queue_id: str) -> None:
    """Put one run that is RUNNING and one that is PENDING into a queue."""
    for state in (RUNNING, PENDING):
        await world.propose(await queued(app, queue_id), state, force=True)


@pytest.fixture
async def queues(world: World, app: App) -> dict[str, list[str]]:
    """Return, by name, three queues with the ids of five scheduled runs each, in order; two more are under way in each."""
    await new_pool(world)
    made = {"default": await the_queue(world)}
    for name in ("b", "c"):
        made[name] = await new_queue(world, name)
    waiting: dict[str, list[str]] = {}
    for name, queue in made.items():
        await busy(world, app, queue.id)
        # The last to be made is the first to be due.
        ids = [await queued(app, queue.id, NOW - n * A_SECOND) for n in range(5)]
        waiting[name] = ids[::-1]
    return waiting


async def test_runs_come_by_the_priority_of_their_queues_and_then_by_time(
    world: World, queues: dict[str, list[str]]
) -> None:
    assert await poll(world) == [*queues["default"], *queues["b"], *queues["c"]]

    await updated_queue(world, named("c"), "priority", priority=1)

    assert await poll(world) == [*queues["c"], *queues["default"], *queues["b"]]


async def test_a_limit_cuts_the_list(world: World, queues: dict[str, list[str]]) -> None:
    assert await poll(world, limit=7) == [*queues["default"], *queues["b"][:2]]
    assert await poll(world, limit=1) == queues["default"][:1]
    assert len(await poll(world, limit=0)) == 15
    assert len(await poll(world, limit=5000)) == 15
    assert await violations(poll(world, limit=-1)) == ["limit"]


async def test_only_the_queues_named_are_looked_into(
    world: World, queues: dict[str, list[str]]
) -> None:
    assert await poll(world, work_queue_names=["c"]) == queues["c"]
    assert await poll(world, work_queue_names=["c", "default", "c"]) == [
        *queues["default"],
        *queues["c"],
    ]


async def test_what_does_not_exist_is_not_found(world: World) -> None:
    _, no_pool = await refused(poll(world))
    await new_pool(world)
    _, no_queue = await refused(poll(world, work_queue_names=["default", "none"]))

    assert (no_pool.reason, dict(no_pool.metadata)) == ("WORK_POOL_NOT_FOUND", {"name": "pool"})
    assert no_queue.reason == "WORK_QUEUE_NOT_FOUND"
    assert dict(no_queue.metadata) == {"work_pool_name": "pool", "name": "none"}


@pytest.mark.parametrize(("limit", "count"), [(7, 1), (6, 0), (0, 0), (10, 4), (100, 15)], ids=str)
async def test_the_limit_of_the_pool_counts_all_its_queues(
    world: World, queues: dict[str, list[str]], limit: int, count: int
) -> None:
    await updated_pool(world, "concurrency_limit", concurrency_limit=limit)

    everything = [*queues["default"], *queues["b"], *queues["c"]]
    assert await poll(world) == everything[:count]
    # Also what is under way in queues that were not asked for takes a place.
    assert await poll(world, work_queue_names=["b"]) == queues["b"][:count]


async def test_runs_in_a_paused_queue_still_hold_places_of_the_pool(
    world: World, queues: dict[str, list[str]]
) -> None:
    await updated_pool(world, "concurrency_limit", concurrency_limit=7)
    await updated_queue(world, named("default"), "paused", paused=True)

    assert await poll(world) == queues["b"][:1]


@pytest.mark.parametrize(
    ("limit", "count"), [(5, 3), (2, 0), (1, 0), (0, 0), (3, 1), (100, 5)], ids=str
)
async def test_the_limit_of_a_queue_counts_its_own_runs(
    world: World, queues: dict[str, list[str]], limit: int, count: int
) -> None:
    await updated_queue(world, named("b"), "concurrency_limit", concurrency_limit=limit)

    assert await poll(world) == [*queues["default"], *queues["b"][:count], *queues["c"]]


async def test_both_limits_hold_together(world: World, queues: dict[str, list[str]]) -> None:
    await updated_pool(world, "concurrency_limit", concurrency_limit=10)
    await updated_queue(world, named("default"), "concurrency_limit", concurrency_limit=3)

    assert await poll(world) == [*queues["default"][:1], *queues["b"][:3]]


async def test_a_pause_keeps_runs_back(world: World, queues: dict[str, list[str]]) -> None:
    await updated_queue(world, named("b"), "paused", paused=True)
    without_b = await poll(world)
    only_b = await poll(world, work_queue_names=["b"])
    await updated_pool(world, "paused", paused=True)

    assert without_b == [*queues["default"], *queues["c"]]
    assert only_b == []
    assert await poll(world) == []
    await updated_pool(world, "paused", paused=False)
    assert await poll(world) == without_b


async def test_the_bounds_are_included(world: World, app: App) -> None:
    pool = await new_pool(world)
    early, now, late = [
        await queued(app, pool.default_queue_id, NOW + n * A_SECOND) for n in (-1, 0, 1)
    ]

    assert await poll(world) == [early, now, late]
    assert await poll_due(world) == [early, now]
    assert await poll(world, scheduled_after=at(NOW)) == [now, late]
    assert await poll_due(world, scheduled_after=at(NOW)) == [now]
    assert await poll_due(world, NOW - AN_HOUR) == []


@pytest.mark.parametrize(
    "state",
    [PENDING, RUNNING, PAUSED, CANCELLED, CANCELLING, FAILED],
    ids=pb.StateType.Name,
)
async def test_only_scheduled_runs_are_handed_out(
    world: World, app: App, state: "pb.StateType.ValueType"
) -> None:
    pool = await new_pool(world)
    run_id = await queued(app, pool.default_queue_id)

    await world.propose(run_id, state, force=True)

    assert await poll(world) == []


@pytest.mark.parametrize("name", ["Late", "AwaitingRetry", "Resuming", "Made up"])
async def test_scheduled_runs_are_handed_out_whatever_the_state_is_named(
    world: World, app: App, name: str
) -> None:
    pool = await new_pool(world)
    run_id = await queued(app, pool.default_queue_id)

    await world.propose(run_id, scheduled_for(NOW, name), force=True)

    assert await poll_due(world) == [run_id]


async def test_a_cancelling_run_holds_no_place(world: World, app: App) -> None:
    pool = await new_pool(world, concurrency_limit=1)
    waiting, under_way = [await queued(app, pool.default_queue_id) for _ in range(2)]
    await world.propose(under_way, RUNNING, force=True)
    while_running = await poll(world)

    await world.propose(under_way, CANCELLING, force=True)

    assert while_running == []
    assert await poll(world) == [waiting]


async def test_a_retry_that_waits_in_its_process_is_left_to_it(
    world: World, app: App, clock: FakeClock
) -> None:
    pool = await new_pool(world)
    run_id = await queued(app, pool.default_queue_id, retries=1)
    for state in (PENDING, RUNNING, FAILED):
        clock.advance(A_SECOND)
        await world.propose(run_id, state)
    run = await world.get(run_id)

    assert run.state.name == "AwaitingRetry"
    assert await poll(world) == []
    await world.propose(run_id, scheduled_for(NOW, "Scheduled"), force=True)
    assert run.state.type == SCHEDULED


async def test_runs_are_read_as_much_as_asked_for(world: World, app: App) -> None:
    pool = await new_pool(world)
    await queued(app, pool.default_queue_id, parameters_json='{"a":1}')

    def read(view: "pb.FlowRunView.ValueType") -> pb.PollFlowRunsRequest:
        return pb.PollFlowRunsRequest(work_pool_name="pool", view=view)

    (basic,) = (await world.work.PollFlowRuns(read(pb.FLOW_RUN_VIEW_UNSPECIFIED))).due_flow_runs
    (full,) = (await world.work.PollFlowRuns(read(pb.FLOW_RUN_VIEW_FULL))).due_flow_runs

    assert not basic.flow_run.HasField("parameters_json")
    assert full.flow_run.parameters_json == '{"a":1}'
    assert (full.work_pool_id, full.work_queue_id) == (pool.id, pool.default_queue_id)
    assert full.flow_run.work_pool_name == "pool"
    assert full.flow_run == await world.get(full.flow_run.id)


async def test_a_poll_claims_nothing(world: World, app: App) -> None:
    pool = await new_pool(world)
    run_id = await queued(app, pool.default_queue_id)

    assert [await poll(world) for _ in range(3)] == [[run_id]] * 3
    await world.propose(run_id, PENDING)
    assert await poll(world) == []


async def test_many_queues_are_looked_into_in_order(world: World, app: App) -> None:
    await new_pool(world)
    flow_id = await a_flow(app)
    names = [f"q{n:02}" for n in range(60)]
    made = [await new_queue(world, name) for name in names]
    expected = [await queued(app, queue.id, NOW - A_SECOND, flow_id=flow_id) for queue in made]

    assert await poll_due(world) == expected
    assert await poll_due(world, limit=55) == expected[:55]
    assert await poll_due(world, work_queue_names=names[::-1]) == expected


async def test_a_deleted_pool_hands_out_nothing(world: World, app: App) -> None:
    pool = await new_pool(world)
    await queued(app, pool.default_queue_id)
    await world.work.DeleteWorkPool(pb.DeleteWorkPoolRequest(name="pool"))

    assert await reason(poll(world)) == "WORK_POOL_NOT_FOUND"
    await new_pool(world)
    assert await poll(world) == []


async def test_two_servers_poll_and_claim_within_the_limits(
    postgresql_url: str, clock: FakeClock
) -> None:
    async with replicas(2, postgresql_url, clock) as servers:
        (app, first), (_, second) = servers
        pool = await new_pool(first, concurrency_limit=8)
        await updated_queue(first, named("default"), "concurrency_limit", concurrency_limit=5)
        other = await new_queue(first, "other")
        flow_id = await a_flow(app)
        for _ in range(15):
            for queue_id in (pool.default_queue_id, other.id):
                await queued(app, queue_id, flow_id=flow_id)

        async def work(world: World) -> list[int]:
            """Poll, start what is handed out and end it; return how many runs were handed out each time."""
            counts: list[int] = []
            while found := await poll(world):
                counts.append(len(found))
                for run_id in found:
                    claim = await world.propose(run_id, PENDING)
                    if claim.status == pb.VERDICT_STATUS_ACCEPT:
                        await world.propose(run_id, CANCELLED, force=True)
            return counts

        counts = await asyncio.gather(*(work(world) for world in (first, second) * 3))

        assert all(count <= 8 for each in counts for count in each)
        assert await poll(first) == await poll(second) == []
        ended = [run.state.type for run in await first.listed()]
        assert ended == [CANCELLED] * 30
