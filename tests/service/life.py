"""One run as a caller drives it, and what must be true of it after every step.

The books are reckoned anew from the whole history each time, so that nothing the server keeps is taken on trust.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple, Self

from headgate import v1 as pb
from headgate_server.app import App
from tests.fakes import FakeClock
from tests.service.world import (
    ABORT,
    ACCEPT,
    PAUSED,
    REJECT,
    RUNNING,
    SCHEDULED,
    WAIT,
    Watch,
    World,
    texts,
    when,
)


class Written(NamedTuple):
    """A state of the history, and how it came to be."""

    state: pb.State
    is_accepted: bool
    is_forced: bool


class Life:
    """A run, its history as the answers told it, and a watch on it."""

    def __init__(self, app: App, world: World, clock: FakeClock, watch: Watch) -> None:
        self.app = app
        self.world = world
        self.clock = clock
        self.watch = watch
        self.run = pb.FlowRun()
        self.history: list[Written] = []
        self.inputs: set[str] = set()
        """The keys of the inputs that must be there."""

    @classmethod
    async def begin(
        cls, app: App, world: World, clock: FakeClock, first: pb.ProposedState, **fields: Any
    ) -> Self:
        """Create a run that is watched from before its first state."""
        flow = await world.new_flow()
        of_flow = pb.FlowFilter(id=pb.IdFilter(any=texts(flow.id)))
        life = cls(app, world, clock, world.watch(flows=of_flow, send_initial_state=True))
        await life.watch.next("snapshot_complete")
        life.run = await world.new_run(first, flow_id=flow.id, **fields)
        await life.check(is_accepted=True, is_forced=True)
        return life

    async def end(self) -> None:
        """Delete the run, and see that nothing but that was still to be told."""
        await self.world.flows.DeleteFlow(pb.DeleteFlowRequest(flow_id=self.run.flow_id))
        gone = await self.watch.next("deleted")
        assert gone.deleted.flow_run.state.id == self.run.state.id

    async def check(self, *, is_accepted: bool = False, is_forced: bool = False) -> None:
        """Read everything, and check it against what was there before.

        Args:
            is_accepted: Whether the state that was written since, if any, is the proposed one.
            is_forced: Whether it was written without asking the rules.
        """
        before, self.run = self.run, await self.world.get(self.run)
        states = await self.world.states(self.run)
        if self.run.version > len(self.history):
            self.history.append(Written(states[-1], is_accepted, is_forced))
            change = (await self.watch.next("state_change")).state_change
            assert_told(change, states, self.run)
        assert states == [each.state for each in self.history], "what is written stays as it is"
        assert self.run.state == states[-1]
        assert_books(self.run, self.history)
        assert_policy(self.run, self.history)
        if before.HasField("start_time"):
            assert self.run.start_time == before.start_time
        if before.HasField("expected_start_time"):
            assert self.run.expected_start_time == before.expected_start_time
        assert set(await self.world.input_values(self.run)) == self.inputs


def assert_verdict(
    answer: pb.SetFlowRunStateResponse | pb.ResumeFlowRunResponse,
    proposed: "pb.StateType.ValueType | None",
    version: int,
) -> None:
    """Check an answer by itself, given what was proposed and the version of the run before."""
    kinds = {ACCEPT: "accept", REJECT: "reject", ABORT: "abort", WAIT: "wait"}
    assert answer.WhichOneof("details") == kinds[answer.status]
    assert answer.version == version + answer.created
    assert (answer.revision > 0) is answer.created
    match answer.status:
        case pb.VERDICT_STATUS_ACCEPT:
            assert answer.created
            assert proposed in {None, answer.state.type}
        case pb.VERDICT_STATUS_REJECT:
            assert answer.reject.reason
            assert not (answer.created and proposed == answer.state.type)
        case _:
            assert not answer.created


def assert_told(change: pb.StateChange, states: Sequence[pb.State], run: pb.FlowRun) -> None:
    """Check what a watcher was told of the newest state."""
    told = pb.State()
    told.CopyFrom(states[-1])
    told.ClearField("data_json")
    assert change.state == change.flow_run.state == told
    assert (change.flow_run.version, change.flow_run.policy) == (run.version, run.policy)
    previous = states[-2] if len(states) > 1 else pb.State()
    assert (change.previous_state_type, change.previous_state_name) == (
        previous.type,
        previous.name,
    )


def assert_books(run: pb.FlowRun, history: Sequence[Written]) -> None:
    """Check what is kept of a run against its history."""
    states = [each.state for each in history]
    times = [when(state.timestamp) for state in states]
    assert [state.version for state in states] == list(range(1, run.version + 1))
    assert all(earlier < later for earlier, later in pairwise(times))
    running = [time for state, time in zip(states, times, strict=True) if state.type == RUNNING]
    assert time_of(run, "start_time") == (running[0] if running else None)
    assert run.run_count == starts_in(history)
    assert run.total_run_time.ToTimedelta() == closed_running_time(states, times)
    assert time_of(run, "expected_start_time") == (due(states[0]) or times[0])
    assert time_of(run, "next_scheduled_start_time") == due(states[-1])
    assert time_of(run, "end_time") == (end_in(states, times) if running else None)


def assert_policy(run: pb.FlowRun, history: Sequence[Written]) -> None:
    """Check what the server remembers of pauses against the history of the run."""
    keys: set[str] = set()
    is_resuming, previous = False, pb.State()
    for state, is_accepted, is_forced in history:
        is_begun_anew = previous.is_terminal and not state.is_terminal and not is_forced
        is_retried = previous.type == RUNNING and state.type == SCHEDULED and not is_accepted
        if is_begun_anew or is_retried:
            keys = set()
        if is_settled(previous) or is_settled(state):
            is_resuming = False
        if is_accepted and not is_forced:
            is_resuming |= previous.type == PAUSED
            keys |= {state.details.pause_key} if state.type == PAUSED else set()
        previous = state
    assert list(run.policy.pause_keys) == sorted(keys)
    assert run.policy.resuming is is_resuming


def is_settled(state: pb.State) -> bool:
    """Tell whether a run in this state has arrived where it was resumed to."""
    return state.type == RUNNING or state.is_terminal


def due(state: pb.State) -> datetime | None:
    """Return when a run in this state is due; None if it is not scheduled."""
    return when(state.details.scheduled_time) if state.type == SCHEDULED else None


def time_of(run: pb.FlowRun, field: str) -> datetime | None:
    """Return a time of a run; None if it is not set."""
    return when(getattr(run, field)) if run.HasField(field) else None  # type: ignore[arg-type]


def end_in(states: Sequence[pb.State], times: Sequence[datetime]) -> datetime | None:
    """Return the time of the first of the terminal states at the end; None if the last is not terminal."""
    end = None
    for state, time in zip(reversed(states), reversed(times), strict=True):
        if not state.is_terminal:
            break
        end = time
    return end


def closed_running_time(states: Sequence[pb.State], times: Sequence[datetime]) -> timedelta:
    """Return the time spent in RUNNING states that have ended."""
    spans = [
        later - earlier
        for (earlier, later), state in zip(pairwise(times), states[:-1], strict=True)
        if state.type == RUNNING
    ]
    return sum(spans, timedelta())


def starts_in(history: Sequence[Written]) -> int:
    """Count the RUNNING states that neither leave a pause nor end the way out of one."""
    count, previous, is_coming_back = 0, None, False
    for state, is_accepted, is_forced in history:
        is_leaving_a_pause = previous == PAUSED
        if state.type == RUNNING and not (is_leaving_a_pause or is_coming_back):
            count += 1
        if state.type == RUNNING or state.is_terminal:
            is_coming_back = False
        elif is_leaving_a_pause and is_accepted and not is_forced:
            is_coming_back = True
        previous = state.type
    return count
