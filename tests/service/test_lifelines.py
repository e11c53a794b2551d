"""The typical lives of runs from first state to last, and what is kept of them on the way."""

from datetime import datetime, timedelta
from uuid import uuid4

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.seeds import task_run_of
from tests.service.world import (
    ABORT,
    ACCEPT,
    CANCELLED,
    CANCELLING,
    COMPLETED,
    CRASHED,
    FAILED,
    PAUSED,
    PENDING,
    REJECT,
    RUNNING,
    SCHEDULED,
    WAIT,
    World,
    at,
    lasting,
    paused,
    scheduled_for,
    when,
)

A_MINUTE = timedelta(minutes=1)
AN_HOUR = timedelta(hours=1)


def time_of(run: pb.FlowRun, field: str) -> datetime | None:
    """Return a time of a run; None if it is not set."""
    return when(getattr(run, field)) if field in {f.name for f, _ in run.ListFields()} else None


async def lived(world: World, run: pb.FlowRun) -> list[str]:
    """Return the names of the states of a run."""
    return [state.name for state in await world.states(run)]


async def test_ad_hoc(world: World, clock: FakeClock) -> None:
    run = await world.new_run()

    clock.advance(A_MINUTE)
    await world.propose(run, RUNNING)
    running = await world.get(run)
    clock.advance(A_MINUTE * 5)
    await world.propose(run, COMPLETED)

    assert (running.run_count, time_of(running, "start_time")) == (1, NOW + A_MINUTE)
    assert time_of(running, "end_time") is None
    ended = await world.get(run)
    assert time_of(ended, "start_time") == NOW + A_MINUTE
    assert time_of(ended, "end_time") == NOW + A_MINUTE * 6
    assert time_of(ended, "expected_start_time") == NOW
    assert ended.total_run_time == ended.estimated_run_time == lasting(A_MINUTE * 5)
    assert ended.estimated_start_time_delta == lasting(A_MINUTE)
    assert await lived(world, run) == ["Pending", "Running", "Completed"]


async def test_of_a_deployment(app: App, world: World, clock: FakeClock) -> None:
    run = await world.new_run(scheduled_for(NOW + AN_HOUR), deployment_id=str(uuid4()))
    clock.advance(AN_HOUR + A_MINUTE)

    await app.passes.mark_late(A_MINUTE)
    late = await world.get(run)
    pending = await world.propose(run, PENDING)
    taken = await world.get(run)
    running = await world.propose(run, RUNNING)
    await world.propose(run, COMPLETED)

    assert time_of(late, "next_scheduled_start_time") == NOW + AN_HOUR
    assert when(pending.state.details.scheduled_time) == NOW + AN_HOUR, "the time is carried over"
    assert time_of(taken, "next_scheduled_start_time") is None
    assert running.status == ACCEPT
    assert time_of(await world.get(run), "expected_start_time") == NOW + AN_HOUR
    assert await lived(world, run) == ["Scheduled", "Late", "Pending", "Running", "Completed"]


async def test_a_taker_that_comes_early_waits_for_the_time_it_was_given(
    world: World, clock: FakeClock
) -> None:
    run = await world.new_run(scheduled_for(NOW + AN_HOUR))
    await world.propose(run, PENDING)

    early = await world.propose(run, RUNNING)
    clock.advance(AN_HOUR)
    in_time = await world.propose(run, RUNNING)

    assert (early.status, early.wait.delay) == (WAIT, lasting(AN_HOUR))
    assert in_time.status == ACCEPT


async def test_a_failure_that_is_retried_in_its_process(world: World, clock: FakeClock) -> None:
    run = await world.new_run(RUNNING, retries=1, retry_delay=lasting(A_MINUTE))
    clock.advance(A_MINUTE)

    retried = await world.propose(run, FAILED)
    waiting = await world.get(run)
    early = await world.propose(run, RUNNING)
    clock.advance(A_MINUTE)
    again = await world.propose(run, RUNNING)
    clock.advance(A_MINUTE)
    failed = await world.propose(run, FAILED)

    assert (retried.status, retried.reject.reason) == (REJECT, "Retrying")
    assert (retried.state.type, retried.state.name) == (SCHEDULED, "AwaitingRetry")
    assert time_of(waiting, "next_scheduled_start_time") == NOW + A_MINUTE * 2
    assert time_of(waiting, "end_time") is None
    assert waiting.total_run_time == lasting(A_MINUTE)
    assert waiting.policy.retry_type == pb.RETRY_TYPE_IN_PROCESS
    assert [early.status, again.status, failed.status] == [WAIT, ACCEPT, ACCEPT]
    ended = await world.get(run)
    assert (ended.run_count, ended.total_run_time) == (2, lasting(A_MINUTE * 2))
    assert ended.policy.retry_type == pb.RETRY_TYPE_IN_PROCESS
    assert await lived(world, run) == ["Running", "AwaitingRetry", "Running", "Failed"]


async def test_a_failure_that_is_rescheduled_by_hand(world: World, clock: FakeClock) -> None:
    run = await world.new_run(RUNNING, deployment_id=str(uuid4()))
    clock.advance(A_MINUTE)
    await world.propose(run, FAILED)
    failed = await world.get(run)

    await world.propose(run, scheduled_for(NOW + AN_HOUR, name="AwaitingRetry"))
    waiting = await world.get(run)
    clock.advance(AN_HOUR)
    await world.propose(run, PENDING)
    await world.propose(run, RUNNING)

    assert time_of(failed, "end_time") == NOW + A_MINUTE
    assert (waiting.run_count, time_of(waiting, "end_time")) == (1, None)
    assert waiting.policy.retry_type == pb.RETRY_TYPE_RESCHEDULE
    again = await world.get(run)
    assert (again.run_count, time_of(again, "start_time")) == (2, NOW)
    assert await lived(world, run) == ["Running", "Failed", "AwaitingRetry", "Pending", "Running"]


async def test_a_failure_is_not_rescheduled_without_a_deployment(world: World) -> None:
    run = await world.new_run(FAILED)

    answer = await world.propose(run, SCHEDULED)

    assert answer.status == ABORT
    assert answer.abort.reason == "Cannot reschedule a run without an associated deployment."


async def test_a_blocking_pause_is_no_new_run(world: World, clock: FakeClock) -> None:
    run = await world.new_run(RUNNING, retries=1)
    clock.advance(A_MINUTE)

    await world.propose(run, paused("1"))
    waiting = await world.get(run)
    clock.advance(AN_HOUR)
    await world.resume(run)
    resumed = await world.get(run)
    clock.advance(A_MINUTE)
    retried = await world.propose(run, FAILED)

    assert list(waiting.policy.pause_keys) == ["1"]
    assert waiting.total_run_time == waiting.estimated_run_time == lasting(A_MINUTE)
    assert (resumed.run_count, resumed.policy.resuming) == (1, True)
    assert retried.reject.reason == "Retrying", "the pause has eaten no retry"
    after = await world.get(run)
    assert (after.policy.resuming, list(after.policy.pause_keys)) == (False, [])
    assert after.total_run_time == lasting(A_MINUTE * 2)


async def test_a_suspension_ends_the_process_and_schedules_the_run_anew(
    world: World, clock: FakeClock
) -> None:
    run = await world.new_run(RUNNING, deployment_id=str(uuid4()))
    clock.advance(A_MINUTE)

    await world.propose(run, paused("1", suspended=True))
    clock.advance(AN_HOUR)
    await world.resume(run)
    resuming = await world.get(run)
    await world.propose(run, PENDING)
    await world.propose(run, RUNNING)

    assert (resuming.state.type, resuming.state.name) == (SCHEDULED, "Resuming")
    assert time_of(resuming, "next_scheduled_start_time") == NOW + A_MINUTE + AN_HOUR
    assert resuming.policy.resuming
    running = await world.get(run)
    assert (running.run_count, time_of(running, "start_time")) == (1, NOW)
    assert not running.policy.resuming
    assert await lived(world, run) == ["Running", "Suspended", "Resuming", "Pending", "Running"]


async def test_a_pause_without_a_key_is_given_one(world: World) -> None:
    run = await world.new_run(RUNNING)

    answer = await world.propose(run, PAUSED)

    assert list((await world.get(run)).policy.pause_keys) == [answer.state.details.pause_key]


async def test_what_cannot_come_back_is_not_suspended(app: App, world: World) -> None:
    parent = await world.new_run(RUNNING)
    subflow = await world.new_run(RUNNING, parent_task_run_id=await task_run_of(app, parent.id))

    answers = [await world.propose(run, paused(suspended=True)) for run in (parent, subflow)]

    assert [answer.abort.reason for answer in answers] == [
        "Cannot suspend flows without a deployment.",
        "Cannot suspend subflows.",
    ]


async def test_cancelled_while_running(world: World, clock: FakeClock) -> None:
    run = await world.new_run(RUNNING)
    clock.advance(A_MINUTE)

    await world.propose(run, CANCELLING)
    other = await world.propose(run, COMPLETED)
    clock.advance(A_MINUTE)
    await world.propose(run, CANCELLED)

    assert other.reject.reason == (
        "Cannot transition flows that are cancelling to a state other than Cancelled."
    )
    ended = await world.get(run)
    assert time_of(ended, "end_time") == NOW + A_MINUTE * 2
    assert ended.total_run_time == lasting(A_MINUTE)
    assert await lived(world, run) == ["Running", "Cancelling", "Cancelled"]


async def test_cancelled_before_it_started(world: World) -> None:
    run = await world.new_run(scheduled_for(NOW))

    await world.propose(run, CANCELLING)

    ended = await world.get(run)
    assert ended.state.type == CANCELLED
    assert (time_of(ended, "start_time"), time_of(ended, "end_time")) == (None, None)
    assert time_of(ended, "next_scheduled_start_time") is None


async def test_cancelled_while_it_waits_to_be_retried_by_its_process(world: World) -> None:
    run = await world.new_run(RUNNING, retries=1)
    await world.propose(run, FAILED)
    await world.update(run, ["infrastructure_pid"], infrastructure_pid="7")

    answer = await world.propose(run, CANCELLING)

    assert (answer.status, answer.state.type) == (ACCEPT, CANCELLING)


async def test_cancelled_while_it_is_paused(world: World) -> None:
    pausing = await world.new_run(RUNNING)
    suspended = await world.new_run(RUNNING, deployment_id=str(uuid4()))
    await world.propose(pausing, paused())
    await world.propose(suspended, paused(suspended=True))

    blocking = await world.propose(pausing, CANCELLING)
    at_once = await world.propose(suspended, CANCELLING)

    assert (blocking.status, blocking.state.type) == (ACCEPT, CANCELLING)
    assert (at_once.status, at_once.state.type) == (REJECT, CANCELLED)
    assert at_once.reject.reason == "Suspended flow run has no infrastructure to terminate."


async def test_crashed_and_run_again(world: World, clock: FakeClock) -> None:
    run = await world.new_run(RUNNING, retries=5)
    clock.advance(A_MINUTE)

    crashed = await world.propose(run, CRASHED)
    ended = await world.get(run)
    twice = await world.propose(run, CRASHED)
    await world.propose(run, RUNNING)

    assert crashed.status == ACCEPT, "a crash is not retried"
    assert time_of(ended, "end_time") == NOW + A_MINUTE
    assert twice.abort.reason == "Run is already in terminal state CRASHED."
    again = await world.get(run)
    assert (again.run_count, time_of(again, "end_time")) == (2, None)


async def test_an_end_that_is_corrected_keeps_its_time(world: World, clock: FakeClock) -> None:
    run = await world.new_run(RUNNING)
    await world.propose(run, COMPLETED)
    before = await world.get(run)
    clock.advance(AN_HOUR)

    answer = await world.propose(run, FAILED)

    assert answer.status == ACCEPT
    assert (await world.get(run)).end_time == before.end_time


async def test_the_pause_that_expires_while_somebody_resumes(
    world: World, clock: FakeClock
) -> None:
    run = await world.new_run(RUNNING)
    await world.propose(run, paused(pause_expire_time=at(NOW + A_MINUTE)))
    clock.advance(A_MINUTE + timedelta(microseconds=1))

    answer = await world.propose(run, RUNNING)

    assert answer.status == REJECT
    assert answer.reject.reason == "The flow run pause has timed out and can no longer resume."
    assert (answer.state.type, answer.state.message) == (
        *(FAILED, "The flow was paused and never resumed."),
    )


async def test_an_expired_pause_may_still_be_ended(world: World, clock: FakeClock) -> None:
    for state in (COMPLETED, CANCELLED, CRASHED, CANCELLING):
        run = await world.new_run(RUNNING)
        await world.propose(run, paused(pause_expire_time=at(clock() + A_MINUTE)))
        clock.advance(AN_HOUR)

        answer = await world.propose(run, state)

        assert (answer.status, answer.state.type) == (ACCEPT, state)
