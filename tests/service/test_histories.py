"""Random lives of runs through the service: what holds after every step, whatever was asked."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from headgate import v1 as pb
from headgate_server.app import App
from tests.fakes import FakeClock
from tests.service.life import Life, assert_verdict
from tests.service.world import (
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
    World,
    at,
    keyset,
    new_input,
    reason,
)

AN_HOUR: Final = timedelta(hours=1)
KEYSET: Final = keyset()
SCHEMA: Final = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
}
REPEATED: Final = "This run has already made this state transition."


class Proposed(NamedTuple):
    """A state that is to be proposed, with its times told from then."""

    type: "pb.StateType.ValueType"
    name: str | None
    data_json: str | None
    scheduled_after: timedelta | None
    expires_after: timedelta | None
    pause_reschedule: bool
    pause_key: str
    asks: bool
    transition: int | None

    def message(self, clock: FakeClock) -> pb.ProposedState:
        """Return the state as it is sent."""
        after, expires = self.scheduled_after, self.expires_after
        details = pb.StateDetails(
            scheduled_time=None if after is None else at(clock() + after),
            pause_expire_time=None if expires is None else at(clock() + expires),
            pause_reschedule=self.pause_reschedule,
            pause_key=self.pause_key,
            run_input_keyset=KEYSET if self.asks else None,
            transition_id="" if self.transition is None else str(UUID(int=self.transition)),
        )
        return pb.ProposedState(
            type=self.type, name=self.name, data_json=self.data_json, details=details
        )


class Step(Protocol):
    """Something that happens to a run."""

    async def happen(self, life: Life) -> None: ...


class Propose(NamedTuple):
    """Propose a state, perhaps for another version than the current one."""

    proposed: Proposed
    force: bool
    expects: int | None
    """How far the version expected is from the current one; None expects none."""

    async def happen(self, life: Life) -> None:
        version, state = life.run.version, self.proposed.message(life.clock)
        fields: dict[str, Any] = {"force": self.force}
        asks = self.proposed.asks and self.proposed.type == PAUSED
        if asks:
            fields["inputs"] = [new_input(KEYSET.schema, SCHEMA)]
        if self.expects is not None:
            fields["expected_version"] = version + self.expects
        if self.expects:
            assert await reason(life.world.propose(life.run, state, **fields)) == "VERSION_MISMATCH"
            await life.check()
            return
        transition_id = state.details.transition_id
        made = {each.state.details.transition_id for each in life.history}

        answer = await life.world.propose(life.run, state, **fields)

        assert_verdict(answer, self.proposed.type, version)
        if transition_id and transition_id in made and not self.force:
            assert (answer.status, answer.reject.reason) == (REJECT, REPEATED)
        if answer.status == ACCEPT and asks:
            life.inputs -= {KEYSET.schema, KEYSET.response, KEYSET.description}
            life.inputs.add(KEYSET.schema)
        elif answer.status == ACCEPT and self.proposed.asks and self.proposed.type == PAUSED:
            life.inputs -= {KEYSET.schema, KEYSET.response, KEYSET.description}
        await life.check(is_accepted=answer.status == ACCEPT, is_forced=self.force)
        assert answer.state == life.run.state


class Resume(NamedTuple):
    """Resume the run with an answer, right or wrong."""

    answer: object

    async def happen(self, life: Life) -> None:
        before = life.run

        answer = await life.world.resume(life.run, self.answer)

        assert_verdict(answer, None, before.version)
        is_paused = before.state.type == PAUSED
        assert answer.HasField("state") is is_paused
        asks = before.state.details.HasField("run_input_keyset")
        if is_paused and asks and self.answer != {"ok": True}:
            assert (answer.status, answer.created) == (REJECT, False)
        if answer.status == ACCEPT and asks:
            life.inputs.add(KEYSET.response)
        await life.check(is_accepted=answer.status == ACCEPT)


PLAIN: Final = Proposed(
    type=RUNNING,
    name=None,
    data_json=None,
    scheduled_after=None,
    expires_after=None,
    pause_reschedule=False,
    pause_key="",
    asks=False,
    transition=None,
)
PAUSE: Final = PLAIN._replace(type=PAUSED, asks=True, expires_after=3 * AN_HOUR)
SUSPENSION: Final = PAUSE._replace(name="Suspended", pause_reschedule=True, pause_key="1")
USUAL: Final = {
    SCHEDULED: [PLAIN._replace(type=PENDING), PLAIN],
    PENDING: [PLAIN],
    RUNNING: [
        *(PAUSE, SUSPENSION, PAUSE._replace(pause_key="2", asks=False)),
        *(PLAIN._replace(type=FAILED), PLAIN._replace(type=COMPLETED)),
    ],
    PAUSED: [PLAIN],
    COMPLETED: [PLAIN, PLAIN._replace(type=SCHEDULED)],
    FAILED: [PLAIN, PLAIN._replace(type=SCHEDULED)],
    CRASHED: [PLAIN],
    CANCELLING: [PLAIN._replace(type=CANCELLED)],
    CANCELLED: [PLAIN],
}
"""What a state is usually followed by, so that runs get about."""


class GoOn(NamedTuple):
    """Do what is usual for a run in its state, once it is due."""

    choice: int

    async def happen(self, life: Life) -> None:
        life.clock.advance(AN_HOUR)
        usual = USUAL[life.run.state.type]
        proposed = usual[self.choice % len(usual)]
        if life.run.state.type == PAUSED and self.choice < 4:
            await Resume({"ok": True}).happen(life)
        else:
            # Nothing but force brings back what was cancelled.
            await Propose(proposed, life.run.state.type == CANCELLED, None).happen(life)


class Pass(NamedTuple):
    """Let the clock go on and the passes run."""

    span: timedelta

    async def happen(self, life: Life) -> None:
        life.clock.advance(self.span)
        await life.app.passes.mark_late(timedelta(seconds=15))
        await life.check(is_accepted=True)
        await life.app.passes.expire_pauses()
        await life.check(is_accepted=True, is_forced=True)


class Update(NamedTuple):
    """Change fields of the run."""

    retries: int | None
    pid: str

    async def happen(self, life: Life) -> None:
        version, policy = life.run.version, pb.FlowRunPolicy(retries=self.retries)

        answer = await life.world.update(
            life.run,
            ["policy.retries", "infrastructure_pid"],
            infrastructure_pid=self.pid,
            policy=policy,
        )

        assert (answer.version, answer.state) == (version, life.run.state)
        told = (await life.watch.next("run_update")).run_update.flow_run
        assert (told.infrastructure_pid, told.version) == (self.pid, version)
        await life.check()


class Delete(NamedTuple):
    """Try to delete the run at a version that it is not at."""

    async def happen(self, life: Life) -> None:
        call = life.world.delete(life.run, expected_version=life.run.version + 1)
        assert await reason(call) == "VERSION_MISMATCH"
        await life.check()


offsets = st.sampled_from([-AN_HOUR, timedelta(), timedelta(milliseconds=300), AN_HOUR])
spans = offsets | st.sampled_from([timedelta(seconds=-5), timedelta(days=1)])
proposals = st.builds(
    Proposed,
    type=st.sampled_from(pb.StateType.values()[1:]),
    name=st.none() | st.sampled_from(["", "Late", "Resuming", "Suspended", "AwaitingRetry"]),
    data_json=st.none() | st.sampled_from(['{"type":"unpersisted"}', '{"type":"reference"}', "1"]),
    scheduled_after=st.none() | offsets,
    expires_after=st.none() | offsets,
    pause_reschedule=st.booleans(),
    pause_key=st.sampled_from(["", "1", "2"]),
    asks=st.booleans(),
    transition=st.none() | st.integers(1, 6),
)
some_steps = (
    st.builds(Propose, proposals, st.booleans(), st.none() | st.sampled_from([0, 0, 1, 7]))
    | st.builds(Resume, st.sampled_from([{"ok": True}, {"ok": 1}, None]))
    | st.builds(Pass, spans)
    | st.builds(Update, st.none() | st.integers(0, 3), st.sampled_from(["", "7"]))
    | st.builds(Delete)
)
usual_steps = st.builds(GoOn, st.integers(0, 4))
steps: st.SearchStrategy[Sequence[Step]] = st.lists(
    usual_steps | usual_steps | some_steps, min_size=10, max_size=40
)


@pytest.mark.timeout(60)
@settings(
    deadline=None,
    max_examples=30,
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    first=proposals,
    is_deployed=st.booleans(),
    retries=st.none() | st.integers(0, 3),
    delay=st.none() | st.just(AN_HOUR),
    steps=steps,
)
async def test_the_books_of_a_run_are_right_after_every_step(
    app: App,
    world: World,
    clock: FakeClock,
    first: Proposed,
    steps: Sequence[Step],
    retries: int | None,
    delay: timedelta | None,
    *,
    is_deployed: bool,
) -> None:
    fields: dict[str, Any] = {"retries": retries}
    if delay is not None:
        fields["retry_delay"] = delay
    if is_deployed:
        fields["deployment_id"] = str(UUID(int=7))
    life = await Life.begin(app, world, clock, first.message(clock), **fields)
    try:
        for step in steps:
            await step.happen(life)
        await life.end()
    finally:
        life.watch.cancel()
