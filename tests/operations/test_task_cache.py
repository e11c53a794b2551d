"""Results that answer to a cache key: kept when a task run completes, taken over by those that start later."""

from datetime import timedelta
from typing import Final

import pytest

from headgate_server.model.ids import new_id
from headgate_server.model.states import StateType
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.verdicts import TaskVerdict, VerdictStatus
from headgate_server.storage import task_runs
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.operations.tasks import TaskWorld, proposal

AN_HOUR: Final = timedelta(hours=1)
LONG_KEY: Final = "".join(chr(0x10000 + n * 7) for n in range(2000))
"""As long as keys get, of characters that take four bytes each."""


async def completed(
    task_world: TaskWorld, key: str, data_json: str = "42", **details: object
) -> TaskRun:
    """Return a task run that ran and kept its result under a key."""
    task_run = await task_world.task()
    await task_world.propose(task_run, StateType.RUNNING)
    verdict = await task_world.propose(
        task_run,
        StateType.COMPLETED,
        message="Done",
        data_json=data_json,
        cache_key=key,
        **details,
    )
    return verdict.task_run


async def start(task_world: TaskWorld, key: str, **details: object) -> TaskVerdict:
    """Propose that a new task run starts, which would take over what is kept under a key."""
    task_run = await task_world.task()
    return await task_world.propose(task_run, StateType.RUNNING, cache_key=key, **details)


def result_of(verdict: TaskVerdict) -> str | None:
    """Return the result that a start was answered with; None if it was accepted."""
    state = verdict.task_run.state
    assert state is not None
    if verdict.status is VerdictStatus.ACCEPT:
        assert state.type is StateType.RUNNING
        return None
    assert verdict.reason == "Retrieved state from cache"
    assert (state.type, state.name) == (StateType.COMPLETED, "Cached")
    return state.data_json


@pytest.mark.parametrize("key", ["key", "ä' \"%_", LONG_KEY], ids=["plain", "odd", "long"])
async def test_a_kept_result_answers_whoever_starts_with_its_key(
    task_world: TaskWorld, key: str
) -> None:
    await completed(task_world, key)

    verdict = await start(task_world, key)

    assert (verdict.status, verdict.is_written) == (VerdictStatus.REJECT, True)
    assert result_of(verdict) == "42"
    task_run = verdict.task_run
    assert task_run.state is not None
    assert task_run.state.message == "Done"
    assert task_run.state.details.task_run_id == task_run.id
    assert (task_run.run_count, task_run.start_time, task_run.end_time) == (0, None, None)
    assert await task_world.stored(task_run) == task_run


@pytest.mark.parametrize(
    ("key", "details"),
    [
        pytest.param("another", {}, id="another key"),
        pytest.param("", {}, id="no key"),
        pytest.param("key", {"refresh_cache": True}, id="to be refreshed"),
    ],
)
async def test_nothing_is_taken_over_by_a_start_with(
    task_world: TaskWorld, key: str, details: dict[str, object]
) -> None:
    await completed(task_world, "key")

    assert result_of(await start(task_world, key, **details)) is None


async def test_the_newest_result_answers(task_world: TaskWorld, clock: FakeClock) -> None:
    for data_json in ("1", "2", "3"):
        clock.advance(AN_HOUR)
        await completed(task_world, "key", data_json)

    assert result_of(await start(task_world, "key")) == "3"


async def test_a_result_answers_until_it_expires(task_world: TaskWorld, clock: FakeClock) -> None:
    await completed(task_world, "key", "1")
    clock.advance(AN_HOUR)
    await completed(task_world, "key", "2", cache_expire_time=NOW + 2 * AN_HOUR)

    answers = [result_of(await start(task_world, "key"))]
    clock.advance(AN_HOUR - timedelta(microseconds=1))
    answers.append(result_of(await start(task_world, "key")))
    clock.advance(timedelta(microseconds=1))
    answers.append(result_of(await start(task_world, "key")))

    assert answers == ["2", "2", "1"]


async def test_a_result_is_gone_with_its_task_run(task_world: TaskWorld) -> None:
    await completed(task_world, "key", "1")
    newest = await completed(task_world, "key", "2")
    loaded = await task_world.database.read(task_runs.load, [newest.id])

    await task_world.database.write(
        lambda conn: task_runs.delete(conn, [(newest.id, loaded[newest.id].edition)])
    )

    assert result_of(await start(task_world, "key")) == "1"


async def test_a_result_outlives_what_its_task_run_does_next(task_world: TaskWorld) -> None:
    task_run = await completed(task_world, "key")

    await task_world.propose(task_run, StateType.RUNNING, force=True)

    assert result_of(await start(task_world, "key")) == "42"


async def test_what_somebody_insisted_on_is_kept_for_nobody(task_world: TaskWorld) -> None:
    task_run = await task_world.task()
    await task_world.propose(
        task_run, StateType.COMPLETED, data_json="1", cache_key="key", force=True
    )

    assert result_of(await start(task_world, "key")) is None


async def test_a_result_answers_the_next_of_its_batch(task_world: TaskWorld) -> None:
    first, other, second, third = await task_world.tasks(4)

    verdicts = await task_world.propose_at_once(
        proposal(first, StateType.COMPLETED, data_json="1", cache_key="key"),
        proposal(
            *(other, StateType.COMPLETED), data_json="2", cache_key="old", cache_expire_time=NOW
        ),
        proposal(second, StateType.RUNNING, cache_key="key"),
        proposal(third, StateType.RUNNING, cache_key="old"),
    )

    assert [result_of(each) for each in verdicts[2:]] == ["1", None]


async def test_a_result_that_was_taken_over_bears_the_transition_id_of_its_start_alone(
    task_world: TaskWorld,
) -> None:
    await completed(task_world, "key", transition_id=new_id())

    verdict = await start(task_world, "key")

    assert verdict.task_run.state is not None
    assert verdict.task_run.state.details.transition_id is None
