"""Random batches of proposals for task runs that share limits and results: what holds after each of them."""

from typing import Any, Final, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from headgate_server.model.events import Event
from headgate_server.model.states import ProposedState, StateType
from headgate_server.model.task_runs import TaskRun, TaskRunPolicy
from headgate_server.model.verdicts import TaskVerdict, VerdictStatus
from tests.operations.tasks import TaskWorld, proposal

SLOTS: Final = {"a": 1, "b": 2}
TAGS: Final = (("a", "b"), ("b",), ("b", "c"), ())
HOLDING: Final = frozenset({StateType.RUNNING, StateType.CANCELLING})


class Asked(NamedTuple):
    """A state proposed for one of the task runs."""

    place: int
    type: StateType
    force: bool
    key: str
    refresh: bool
    transition: int


asked = st.builds(
    Asked,
    place=st.integers(0, len(TAGS) - 1),
    type=st.sampled_from([StateType.RUNNING, StateType.RUNNING, StateType.COMPLETED, *StateType]),
    force=st.sampled_from([False, False, False, True]),
    key=st.sampled_from(["", "", "k", "l"]),
    refresh=st.booleans(),
    transition=st.integers(0, 30),
)
flow_states = st.sampled_from([None, None, None, StateType.PAUSED, StateType.FAILED])
batches = st.lists(st.tuples(st.lists(asked, max_size=8), flow_states), max_size=8)


class Model:
    """What must be true of slots and kept results, reckoned from the answers alone."""

    def __init__(self, task_runs: list[TaskRun]) -> None:
        self.task_runs = task_runs
        self.held: dict[str, set[str]] = {tag: set() for tag in SLOTS}
        self.kept: dict[str, str] = {}

    def follow(self, each: Asked, number: int, verdict: TaskVerdict) -> None:
        """Take an answer in, after checking that it is one that could be given."""
        task_run, state = self.task_runs[each.place], verdict.task_run.state
        assert state is not None
        tags = [tag for tag in task_run.tags if tag in SLOTS]
        is_accepted = verdict.status is VerdictStatus.ACCEPT
        if each.type is StateType.RUNNING and is_accepted and not each.force:
            assert each.refresh or each.key not in self.kept
            for tag in tags:
                self.held[tag].add(task_run.id)
        if verdict.status is VerdictStatus.WAIT:
            full = [tag for tag in tags if len(self.held[tag] - {task_run.id}) >= SLOTS[tag]]
            assert verdict.reason == f"Concurrency limit for the {full[0]} tag has been reached"
        if verdict.is_written and state.type not in HOLDING:
            for tag in tags:
                self.held[tag].discard(task_run.id)
        if verdict.is_written and state.name == "Cached":
            assert state.data_json == self.kept[each.key]
        if each.type is StateType.COMPLETED and is_accepted and not each.force and each.key:
            self.kept[each.key] = str(number)
        for tag, holders in self.held.items():
            assert len(holders) <= SLOTS[tag]


@pytest.mark.timeout(60)
@settings(
    deadline=None,
    max_examples=40,
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batches=batches, retries=st.none() | st.integers(0, 2))
async def test_slots_results_and_books_are_right_after_every_batch(
    task_world: TaskWorld,
    published: list[Event],
    batches: list[tuple[list[Asked], StateType | None]],
    retries: int | None,
) -> None:
    await task_world.begin()
    await task_world.forget_limits_and_results()
    for tag, slots in SLOTS.items():
        await task_world.limit(tag, slots)
    policy = TaskRunPolicy(retries=retries)
    task_runs = [await task_world.task(tags=tags, policy=policy) for tags in TAGS]
    model, number = Model(task_runs), 0
    published.clear()

    for batch, flow_state in batches:
        if flow_state is not None:
            await turn_flow_run(task_world, flow_state)
        numbered = [(number + place, each) for place, each in enumerate(batch)]
        number += len(batch)

        verdicts = await task_world.propose_at_once(
            *(sent(task_runs[each.place], each, place) for place, each in numbered)
        )

        for (place, each), verdict in zip(numbered, verdicts, strict=True):
            model.follow(each, place, verdict)
        held = {tag: holders for tag, holders in model.held.items() if holders}
        assert await task_world.slots() == held
    for task_run in task_runs:
        await check_books(task_world, task_run, published)


def sent(task_run: TaskRun, each: Asked, number: int) -> Any:
    """Return the proposal as it is sent."""
    return proposal(
        task_run,
        each.type,
        force=each.force,
        data_json=str(number),
        cache_key=each.key or None,
        refresh_cache=each.refresh,
        transition_id=f"t{each.transition}" if each.transition < 10 else None,
    )


async def turn_flow_run(task_world: TaskWorld, state_type: StateType) -> None:
    """Let the flow run leave RUNNING, or come back to it."""
    run = await task_world.stored_flow_run(task_world.flow_run)
    is_running = run.state is not None and run.state.type is StateType.RUNNING
    next_type = state_type if is_running else StateType.RUNNING
    await task_world.propose_for_flow(run, ProposedState(type=next_type), force=True)


async def check_books(task_world: TaskWorld, task_run: TaskRun, published: list[Event]) -> None:
    """Check that the task run, its states and the log tell the same."""
    stored, states = await task_world.stored(task_run), await task_world.states(task_run)
    assert [each.version for each in states] == list(range(1, stored.version + 1))
    times = [each.timestamp for each in states]
    assert times == sorted(set(times))
    told = [
        (before.version, after.state)
        for event in published
        if (before := event.change.task_before) and (after := event.change.task_after)
        if after.id == task_run.id
    ]
    assert [state for _, state in told] == list(states[1:])
    assert [version for version, _ in told] == list(range(1, stored.version))
