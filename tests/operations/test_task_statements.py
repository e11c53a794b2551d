"""A batch of proposals for task runs costs a handful of statements, however many task runs it is about."""

from collections.abc import Sequence

import pytest

from headgate_server.model.commands import Proposal
from headgate_server.model.ids import new_id
from headgate_server.model.states import ProposedState, StateType
from headgate_server.model.task_commands import TaskProposal
from headgate_server.operations import task_transitions, transitions
from headgate_server.storage.writer import Written
from tests.builders import NOW
from tests.operations.tasks import TaskWorld, proposal


@pytest.fixture
def saved(database_url: str) -> int:
    """Return how many statements are saved where a row and its new state are written with one."""
    return int(database_url.startswith("postgresql"))


async def carried_out(
    task_world: TaskWorld, statements: list[str], proposals: Sequence[TaskProposal]
) -> int:
    """Carry proposals out in one transaction, all of which write, and return how many statements that took."""
    statements.clear()
    outcomes = await task_world.database.write(
        lambda conn: task_transitions.carry_out(conn, NOW, proposals)
    )
    assert all(isinstance(each, Written) and each.value.is_written for each in outcomes)
    return len(statements)


async def test_a_plain_state_takes_three_statements_and_a_start_one_more(
    task_world: TaskWorld, statements: list[str], saved: int
) -> None:
    task_run = await task_world.task()

    start = await carried_out(
        task_world, statements, [proposal(task_run, StateType.RUNNING, transition_id=new_id())]
    )
    end = await carried_out(
        task_world, statements, [proposal(task_run, StateType.COMPLETED, data_json="1")]
    )

    # The task run is loaded, updated and given a state; a start looks at the flow run, too.
    assert (start, end) == (4 - saved, 3 - saved)


@pytest.mark.parametrize("count", [1, 150])
async def test_all_that_a_start_and_an_end_can_need_takes_as_many_statements_for_many(
    task_world: TaskWorld, statements: list[str], saved: int, count: int
) -> None:
    await task_world.limit("a", 1000)
    await task_world.limit("b", 1000)
    made = await task_world.tasks(count, tags=("a", "b"))

    starts = await carried_out(
        task_world,
        statements,
        [proposal(each, StateType.RUNNING, cache_key=each.id) for each in made],
    )
    ends = await carried_out(
        task_world,
        statements,
        [proposal(each, StateType.COMPLETED, cache_key=each.id) for each in made],
    )

    assert (starts, ends) == (9 - saved, 6 - saved)


async def test_a_state_of_a_subflow_run_takes_few_more(
    task_world: TaskWorld, statements: list[str], saved: int
) -> None:
    runs = [await task_world.subflow_of(await task_world.task()) for _ in range(20)]
    proposals = [
        Proposal(flow_run_id=run.id, state=ProposedState(type=StateType.RUNNING)) for run in runs
    ]
    statements.clear()

    await task_world.database.write(lambda conn: transitions.carry_out(conn, NOW, proposals))

    locks = [each for each in statements if "FOR UPDATE" in each and "WITH" not in each]
    assert len(statements) - len(locks) == 6 - 2 * saved
    assert len(locks) <= 1
