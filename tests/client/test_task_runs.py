"""Task runs and concurrency limits through the client, with Python's types, also over a connection that fails."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

import headgate
from headgate import (
    Client,
    TaskInput,
    TaskRun,
    TaskRunPolicy,
    TaskRunSort,
    TaskRunView,
    VerdictStatus,
    errors,
    sync,
)
from tests.client.conftest import MakeRun
from tests.client.faults import Fault, FaultyDoor

LOST_ANSWER = Fault(is_answer_lost=True)


@pytest.fixture
async def run_id(a_run: MakeRun) -> UUID:
    """Return a flow run that runs."""
    return (await a_run()).id


async def a_task_run(client: Client, run_id: UUID, *tags: str) -> TaskRun:
    """Return a new task run with keys of its own."""
    return (await client.task_runs.create(run_id, "task", str(uuid4()), tags=tags)).task_run


async def test_a_task_run_is_created_with_everything_python_has(
    client: Client, run_id: UUID
) -> None:
    task_run_id, source = uuid4(), uuid4()
    expire_time = datetime(2040, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    policy = TaskRunPolicy(
        retries=2,
        retry_delays=(timedelta(seconds=0.5), timedelta(minutes=1)),
        retry_jitter_factor=0.25,
    )
    inputs = {
        "rows": (TaskInput.from_task_run(source), TaskInput.from_constant("int")),
        "day": (TaskInput.from_parameter("day"),),
        "none": (),
    }

    created = await client.task_runs.create(
        run_id,
        "load",
        "0",
        task_run_id=task_run_id,
        name="load the day",
        state=headgate.Completed(data={"n": 2**70}),
        task_version="3",
        cache_key="k",
        cache_expire_time=expire_time,
        policy=policy,
        task_inputs=inputs,
        tags=["b", "a"],
    )

    task_run = created.task_run
    assert created.created
    assert created.revision > 0
    assert (task_run.id, task_run.flow_run_id) == (task_run_id, run_id)
    assert (task_run.task_key, task_run.dynamic_key, task_run.name) == (
        *("load", "0"),
        "load the day",
    )
    assert (task_run.task_version, task_run.cache_key) == ("3", "k")
    assert task_run.cache_expire_time == expire_time
    assert (task_run.policy, task_run.task_inputs, task_run.tags) == (policy, inputs, ("b", "a"))
    assert task_run.state is not None
    assert task_run.state.data == {"n": 2**70}
    assert task_run.state.details.task_run_id == task_run_id
    assert task_run.is_final
    assert (await client.task_runs.get(task_run_id)).state == task_run.state


async def test_a_task_run_is_created_once_and_then_returned(client: Client, run_id: UUID) -> None:
    first = await client.task_runs.create(run_id, "load", "0")

    again = await client.task_runs.create(run_id, "load", "0", name="other")

    assert (first.created, again.created) == (True, False)
    assert again.task_run.id == first.task_run.id
    with pytest.raises(errors.TaskRunExistsError):
        await client.task_runs.create(run_id, "save", "0", task_run_id=first.task_run.id)
    with pytest.raises(errors.FlowRunNotFoundError):
        await client.task_runs.create(uuid4(), "load", "0")


async def test_task_runs_are_listed_counted_and_iterated(client: Client, run_id: UUID) -> None:
    made = [await a_task_run(client, run_id) for _ in range(3)]
    ours = headgate.FlowRunFilter(id=headgate.IdFilter(any=[run_id]))
    first = headgate.TaskRunFilter(id=headgate.IdFilter(any=[made[0].id]))

    page = await client.task_runs.list(None, ours, page_size=2)
    every = [each.id async for each in client.task_runs.iterate(None, ours, page_size=2)]
    named = [
        each.name async for each in client.task_runs.iterate(None, ours, sort=TaskRunSort.NAME_ASC)
    ]

    assert [each.id for each in page.items] == [made[2].id, made[1].id]
    assert page.next_page_token
    assert every == [each.id for each in reversed(made)]
    assert named == sorted(each.name for each in made)
    assert await client.task_runs.count(None, ours) == 3
    assert await client.task_runs.count(None, ours, first) == 1
    for empty in (
        {"deployments": headgate.DeploymentFilter()},
        {"work_pools": headgate.WorkPoolFilter()},
        {"work_queues": headgate.WorkQueueFilter()},
    ):
        assert await client.task_runs.count(None, ours, **empty) == 0


async def test_a_view_decides_how_much_is_read(client: Client, run_id: UUID) -> None:
    created = await client.task_runs.create(run_id, "load", "0", state=headgate.Completed(data=[1]))

    full = await client.task_runs.get(created.task_run.id)
    basic = await client.task_runs.get(created.task_run.id, view=TaskRunView.BASIC)

    assert full.state is not None
    assert basic.state is not None
    assert (full.state.data, basic.state.data) == ([1], None)


async def test_a_task_run_is_renamed_and_deleted(client: Client, run_id: UUID) -> None:
    made = await a_task_run(client, run_id)

    updated = await client.task_runs.update(made.id, name="new", expected_version=1)
    with pytest.raises(errors.VersionMismatchError) as caught:
        await client.task_runs.delete(made.id, expected_version=7)
    await client.task_runs.delete(made.id)

    assert updated.task_run.name == "new"
    assert updated.revision > 0
    assert caught.value.current_version == 1
    assert caught.value.metadata["task_run_id"] == str(made.id)
    with pytest.raises(errors.TaskRunNotFoundError):
        await client.task_runs.get(made.id)


async def test_states_are_proposed_and_their_history_is_kept(client: Client, run_id: UUID) -> None:
    made = await a_task_run(client, run_id)
    details = headgate.StateDetails(retriable=False)

    verdict = await client.task_runs.set_state(made.id, headgate.Running())
    await client.task_runs.set_state(made.id, headgate.Failed(details=details))

    assert (verdict.status, verdict.version, verdict.created) == (VerdictStatus.ACCEPT, 2, True)
    states = [each async for each in client.task_runs.iterate_states(made.id, page_size=2)]
    assert [str(each) for each in states] == ["Pending()", "Running()", "Failed()"]
    assert [each.details.retriable for each in states] == [None, None, False]


async def test_a_kept_result_comes_as_a_rejection(client: Client, run_id: UUID) -> None:
    key = str(uuid4())
    cached = headgate.StateDetails(cache_key=key)
    source, made = await a_task_run(client, run_id), await a_task_run(client, run_id)
    await client.task_runs.set_state(source.id, headgate.Running())
    await client.task_runs.set_state(source.id, headgate.Completed(data=42, details=cached))

    verdict = await client.task_runs.set_state(made.id, headgate.Running(details=cached))

    assert (verdict.status, verdict.reason) == (
        VerdictStatus.REJECT,
        "Retrieved state from cache",
    )
    assert verdict.state is not None
    assert (verdict.state.name, verdict.state.data) == ("Cached", 42)


async def test_limits_are_set_read_reset_and_deleted(client: Client, run_id: UUID) -> None:
    tag = f"tag-{uuid4()}"
    first, second = [await a_task_run(client, run_id, tag) for _ in range(2)]

    created = await client.concurrency_limits.create(tag, 2)
    again = await client.concurrency_limits.create(tag, 1)
    await client.task_runs.set_state(first.id, headgate.Running())
    waits = await client.task_runs.set_state(second.id, headgate.Running())
    held = await client.concurrency_limits.get_by_tag(tag)
    reset = await client.concurrency_limits.reset(tag, active_slots=[second.id])

    assert (created.created, again.created) == (True, False)
    assert again.concurrency_limit.id == created.concurrency_limit.id
    assert (waits.status, waits.delay) == (VerdictStatus.WAIT, timedelta(seconds=30))
    assert (held.concurrency_limit, held.active_slots) == (1, (first.id,))
    assert reset.active_slots == (second.id,)
    assert await client.concurrency_limits.get(held.id) == reset
    assert tag in [each.tag async for each in client.concurrency_limits.iterate(page_size=1)]
    await client.concurrency_limits.delete(held.id)
    for call in (
        client.concurrency_limits.get_by_tag(tag),
        client.concurrency_limits.delete_by_tag(tag),
        client.concurrency_limits.reset(tag),
    ):
        with pytest.raises(errors.ConcurrencyLimitNotFoundError):
            await call


@pytest.mark.parametrize("expected_version", [None, 1], ids=["plain", "at a version"])
async def test_a_state_whose_answer_was_lost_is_accepted_once(
    shaky: Client, door: FaultyDoor, run_id: UUID, expected_version: int | None
) -> None:
    made = await a_task_run(shaky, run_id)
    door.fail("SetTaskRunState", LOST_ANSWER)

    verdict = await shaky.task_runs.set_state(
        made.id, headgate.Running(), expected_version=expected_version
    )

    assert (verdict.status, verdict.version, verdict.created) == (VerdictStatus.ACCEPT, 2, True)
    assert verdict.reason == ""
    assert verdict.state is not None
    assert verdict.state.is_running
    assert len((await shaky.task_runs.list_states(made.id)).items) == 2


async def test_a_real_version_mismatch_stays_one(
    shaky: Client, door: FaultyDoor, run_id: UUID
) -> None:
    made = await a_task_run(shaky, run_id)
    door.fail("SetTaskRunState", Fault())

    with pytest.raises(errors.VersionMismatchError):
        await shaky.task_runs.set_state(made.id, headgate.Running(), expected_version=7)


async def test_a_lost_answer_does_not_make_a_second_task_run(
    shaky: Client, door: FaultyDoor, run_id: UUID
) -> None:
    door.fail("CreateTaskRun", LOST_ANSWER, LOST_ANSWER)

    created = await shaky.task_runs.create(run_id, "load", "0")

    ours = headgate.FlowRunFilter(id=headgate.IdFilter(any=[run_id]))
    assert await shaky.task_runs.count(None, ours) == 1
    assert (await shaky.task_runs.get(created.task_run.id)).version == 1


async def test_a_lost_answer_does_not_hide_that_a_task_run_was_deleted(
    shaky: Client, door: FaultyDoor, run_id: UUID
) -> None:
    made = await a_task_run(shaky, run_id)
    door.fail("DeleteTaskRun", LOST_ANSWER)

    assert await shaky.task_runs.delete(made.id) > 0


@pytest.fixture
def blocking(server_target: str) -> Iterator[sync.Client]:
    """Return a blocking client."""
    with sync.Client(server_target) as connected:
        yield connected


def test_task_runs_are_driven_without_await(blocking: sync.Client) -> None:
    flow = blocking.flows.create(f"flow-{uuid4()}").flow
    run = blocking.flow_runs.create(flow.id, state=headgate.Running()).flow_run
    made = blocking.task_runs.create(run.id, "load", "0").task_run

    blocking.task_runs.set_state(made.id, headgate.Running())
    blocking.task_runs.set_state(made.id, headgate.Completed(data=4))

    ours = headgate.FlowFilter(id=headgate.IdFilter(any=[flow.id]))
    assert [each.id for each in blocking.task_runs.iterate(ours)] == [made.id]
    assert [each.name for each in blocking.task_runs.iterate_states(made.id)] == [
        *("Pending", "Running", "Completed")
    ]
    tag = f"tag-{uuid4()}"
    assert blocking.concurrency_limits.create(tag, 1).created
    blocking.concurrency_limits.delete_by_tag(tag)
