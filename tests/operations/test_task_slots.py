"""Slots of concurrency limits: taken at the start, held while a task run runs, given back when it does not."""

from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import Connection, update

from headgate_server.model.states import ProposedState, StateType
from headgate_server.model.task_runs import TaskRunPolicy
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.operations.task_transitions import TaskTransitions
from headgate_server.storage.tables import CONCURRENCY_LIMIT
from headgate_server.storage.writer import Writer
from tests.operations.tasks import TaskWorld, proposal

ACCEPT: Final = VerdictStatus.ACCEPT
REJECT: Final = VerdictStatus.REJECT
ABORT: Final = VerdictStatus.ABORT
WAIT: Final = VerdictStatus.WAIT


class TestTaking:
    async def test_a_start_takes_a_slot_of_each_limit_on_the_tags(
        self, task_world: TaskWorld
    ) -> None:
        for tag in ("a", "b", "c"):
            await task_world.limit(tag, 1)
        task_run = await task_world.task(tags=("b", "a", "b", "unlimited"))

        verdict = await task_world.propose(task_run, StateType.RUNNING)

        assert verdict.status is ACCEPT
        assert await task_world.slots() == {"a": {task_run.id}, "b": {task_run.id}}

    async def test_who_finds_no_slot_waits_and_takes_none(self, task_world: TaskWorld) -> None:
        for tag, slots in (("a", 2), ("b", 1), ("c", 1)):
            await task_world.limit(tag, slots)
        first, second = (
            await task_world.task(tags=("b",)),
            await task_world.task(tags=("c", "b", "a")),
        )
        await task_world.propose(first, StateType.RUNNING)

        verdict = await task_world.propose(second, StateType.RUNNING)

        assert (verdict.status, verdict.delay_seconds, verdict.is_written) == (WAIT, 30, False)
        assert verdict.reason == "Concurrency limit for the b tag has been reached"
        assert await task_world.slots() == {"b": {first.id}}

    async def test_a_limit_of_0_lets_nothing_start(self, task_world: TaskWorld) -> None:
        await task_world.limit("a", 1)
        await task_world.limit("b", 0)
        task_run = await task_world.task(tags=("a", "b"))

        verdict = await task_world.propose(task_run, StateType.RUNNING)

        assert (verdict.status, verdict.is_written) == (ABORT, False)
        assert verdict.reason == (
            'The concurrency limit on tag "b" is 0 and will deadlock if the task tries to run again.'
        )
        assert await task_world.slots() == {}

    async def test_a_task_run_that_starts_again_keeps_its_own_slot(
        self, task_world: TaskWorld
    ) -> None:
        await task_world.limit("a", 1)
        task_run = await task_world.task(tags=("a",))
        await task_world.propose(task_run, StateType.RUNNING)

        again = await task_world.propose(task_run, StateType.RUNNING)

        assert again.status is ACCEPT
        assert await task_world.slots() == {"a": {task_run.id}}

    async def test_a_limit_that_was_lowered_ends_no_run_but_lets_none_start(
        self, task_world: TaskWorld
    ) -> None:
        limit = await task_world.limit("a", 2)
        made = await task_world.tasks(3, tags=("a",))
        for each in made[:2]:
            await task_world.propose(each, StateType.RUNNING)

        def lower(conn: Connection) -> None:
            statement = update(CONCURRENCY_LIMIT).where(CONCURRENCY_LIMIT.c.id == limit.id)
            conn.execute(statement.values(concurrency_limit=1))

        await task_world.database.write(lower)
        await task_world.propose(made[0], StateType.COMPLETED)
        verdict = await task_world.propose(made[2], StateType.RUNNING)

        assert verdict.status is WAIT
        assert await task_world.slots() == {"a": {made[1].id}}

    async def test_a_batch_gives_away_no_more_slots_than_there_are(
        self, task_world: TaskWorld
    ) -> None:
        await task_world.limit("a", 3)
        made = await task_world.tasks(10, tags=("a",))

        verdicts = await task_world.propose_at_once(
            *(proposal(each, StateType.RUNNING) for each in made)
        )

        assert [each.status for each in verdicts] == [ACCEPT] * 3 + [WAIT] * 7
        assert await task_world.slots() == {"a": {each.id for each in made[:3]}}

    async def test_a_slot_that_gets_free_in_a_batch_goes_to_the_next(
        self, task_world: TaskWorld
    ) -> None:
        await task_world.limit("a", 1)
        first, second = await task_world.tasks(2, tags=("a",))
        await task_world.propose(first, StateType.RUNNING)

        _, started = await task_world.propose_at_once(
            proposal(first, StateType.COMPLETED), proposal(second, StateType.RUNNING)
        )

        assert started.status is ACCEPT
        assert await task_world.slots() == {"a": {second.id}}

    async def test_who_waits_for_its_time_takes_no_slot(self, task_world: TaskWorld) -> None:
        await task_world.limit("a", 1)
        task_run = await task_world.task(None, tags=("a",))
        due = task_world.flow_run.create_time + timedelta(hours=1)
        await task_world.propose(task_run, StateType.SCHEDULED, scheduled_time=due)

        verdict = await task_world.propose(task_run, StateType.RUNNING)

        assert (verdict.status, verdict.delay_seconds) == (WAIT, 3600)
        assert await task_world.slots() == {}

    async def test_how_long_to_wait_for_a_slot_is_a_setting(
        self, task_world: TaskWorld, writer: Writer
    ) -> None:
        await task_world.limit("a", 1)
        first, second = await task_world.tasks(2, tags=("a",))
        impatient = TaskTransitions(writer, slot_wait=timedelta(seconds=2))
        await impatient.propose(proposal(first, StateType.RUNNING))

        verdict = await impatient.propose(proposal(second, StateType.RUNNING))

        assert verdict.delay_seconds == 2


class TestGivingBack:
    @pytest.mark.parametrize("force", [False, True], ids=["proposed", "forced"])
    @pytest.mark.parametrize("state_type", StateType)
    async def test_only_running_and_cancelling_task_runs_hold_slots(
        self,
        task_world: TaskWorld,
        state_type: StateType,
        force: bool,  # noqa: FBT001 - a column of the table
    ) -> None:
        await task_world.limit("a", 1)
        task_run = await task_world.task(tags=("a",))
        await task_world.propose(task_run, StateType.RUNNING)

        await task_world.propose(task_run, state_type, force=force)

        holds = state_type in {StateType.RUNNING, StateType.CANCELLING}
        assert await task_world.slots() == ({"a": {task_run.id}} if holds else {})

    async def test_a_retry_gives_the_slot_back_until_it_is_due(self, task_world: TaskWorld) -> None:
        await task_world.limit("a", 1)
        task_run = await task_world.task(tags=("a",), policy=TaskRunPolicy(retries=1))
        await task_world.propose(task_run, StateType.RUNNING)

        verdict = await task_world.propose(task_run, StateType.FAILED)

        assert (verdict.status, verdict.is_written) == (REJECT, True)
        assert await task_world.slots() == {}

    async def test_a_refused_state_leaves_the_slot_where_it_is(self, task_world: TaskWorld) -> None:
        await task_world.limit("a", 1)
        task_run = await task_world.task(tags=("a",))
        transition_id = "0190d3a5-5b1c-7000-8000-000000000001"
        for _ in range(2):
            await task_world.propose(task_run, StateType.RUNNING, transition_id=transition_id)

        assert await task_world.slots() == {"a": {task_run.id}}

    async def test_being_forced_to_run_takes_no_slot(self, task_world: TaskWorld) -> None:
        await task_world.limit("a", 1)
        task_run = await task_world.task(tags=("a",))

        verdict = await task_world.propose(task_run, StateType.RUNNING, force=True)

        assert verdict.status is ACCEPT
        assert await task_world.slots() == {}

    async def test_a_task_run_that_is_put_off_holds_no_slot(self, task_world: TaskWorld) -> None:
        await task_world.limit("a", 1)
        task_run = await task_world.task(tags=("a",))
        await task_world.propose(task_run, StateType.RUNNING)
        paused = ProposedState(type=StateType.PAUSED)
        await task_world.propose_for_flow(task_world.flow_run, paused)

        await task_world.propose(task_run, StateType.RUNNING)

        assert await task_world.slots() == {}
