"""Transitions of task runs: load, decide, write, as `transitions` does for flow runs.

Besides the task runs themselves, what starts them is looked up and kept: the flow run that must be running, results that
answer to a cache key, and the slots of concurrency limits.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from random import random
from typing import Final

from msgspec.structs import replace

from headgate_server.model.conflicts import DataConflictError, VersionMismatchError
from headgate_server.model.errors import TaskRunNotFoundError
from headgate_server.model.events import Change, EventKind
from headgate_server.model.ids import new_id
from headgate_server.model.states import State, StateType
from headgate_server.model.task_commands import TaskProposal
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.verdicts import TaskVerdict
from headgate_server.operations.slots import Slots
from headgate_server.orchestration.draft import TaskFacts
from headgate_server.orchestration.engine import NO_FACTS, TaskDecision, orchestrate_task
from headgate_server.orchestration.policies import (
    MINIMAL_TASK_POLICY,
    TaskPolicy,
    task_policy_for,
)
from headgate_server.orchestration.task_rules import asks_the_cache
from headgate_server.storage import flow_runs, task_cache, task_runs
from headgate_server.storage.database import Connection
from headgate_server.storage.writer import LostRace, Outcome, Work, Writer, Written

SLOT_WAIT: Final = timedelta(seconds=30)
"""How long a task run waits for a slot before it asks again, unless the operator decides otherwise."""

_RESULTS_MATTER: Final = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CRASHED})
"""States whose data the rules look at when they are left."""


class TaskTransitions:
    """Proposes states for task runs."""

    def __init__(self, writer: Writer, *, slot_wait: timedelta = SLOT_WAIT) -> None:
        """Make the operation; a task run that finds no free slot is told to come back after `slot_wait`."""
        self._writer = writer
        self._propose = Work(partial(carry_out, slot_wait=slot_wait), TaskVerdict)

    async def propose(self, proposal: TaskProposal) -> TaskVerdict:
        """Let the rules judge a proposed state, and write what they let through.

        Raises:
            TaskRunNotFoundError: There is no such task run.
            VersionMismatchError: The task run is not at the version expected.
        """
        return await self._writer.write(self._propose, proposal)


def carry_out(
    conn: Connection,
    now: datetime,
    proposals: Sequence[TaskProposal],
    *,
    policy: TaskPolicy | None = None,
    slot_wait: timedelta = SLOT_WAIT,
) -> list[Outcome[TaskVerdict]]:
    """Judge proposals in order and write what is let through.

    Args:
        conn: The connection of the writer's transaction.
        now: The time of the transaction.
        proposals: What is proposed; several may concern one task run.
        policy: The rules to ask; None chooses them by each proposal's `force`.
        slot_wait: How long to wait for a slot before asking again.

    Raises:
        DataConflictError: Another server came between, and what was decided here rests on what that undid; nothing was
            written.
    """
    judged = [(each, policy or task_policy_for(force=each.force)) for each in proposals]
    batch = _Batch(conn, now, judged, slot_wait)
    return batch.write([batch.judge(*each) for each in judged])


class _Batch:
    """The task runs that some proposals concern: as loaded, and as decided so far."""

    def __init__(
        self,
        conn: Connection,
        now: datetime,
        judged: Sequence[tuple[TaskProposal, TaskPolicy]],
        slot_wait: timedelta,
    ) -> None:
        self._conn = conn
        self._now = now
        self._slot_wait = slot_wait
        self._loaded, self._made = task_runs.load_for_transitions(
            conn, [(each.task_run_id, each.state.details.transition_id) for each, _ in judged]
        )
        self._task_runs = {each_id: each.task_run for each_id, each in self._loaded.items()}
        self._load_results()
        self._load_facts([each for each, policy in judged if policy is not MINIMAL_TASK_POLICY])
        self._states: list[tuple[str, State]] = []
        self._shared: list[tuple[str, State]] = []
        self._relied_on: set[str] = set()

    def _load_results(self) -> None:
        """Add the data of current states where rules look at it."""
        ended = [
            each_id
            for each_id, each in self._task_runs.items()
            if each.state is not None and each.state.type in _RESULTS_MATTER
        ]
        for each_id, data in task_runs.current_data(self._conn, ended).items():
            self._task_runs[each_id] = task_runs.with_data(self._task_runs[each_id], data)

    def _load_facts(self, proposals: Sequence[TaskProposal]) -> None:
        """Look up what starts depend on, and the slots that the task runs hold."""
        starts = [
            each
            for each in proposals
            if each.state.type is StateType.RUNNING and each.task_run_id in self._task_runs
        ]
        starting = [self._task_runs[each.task_run_id] for each in starts]
        self._flow_runs = flow_runs.load_basic(
            self._conn, list({each.flow_run_id for each in starting})
        )
        keys = {each.state.details.cache_key or "" for each in starts if asks_the_cache(each.state)}
        self._cached = task_cache.newest(self._conn, keys, self._now)
        self._slots = Slots(self._conn, starting=starting, concerned=self._task_runs.values())

    def judge(self, proposal: TaskProposal, policy: TaskPolicy) -> Outcome[TaskVerdict]:
        """Decide one proposal on the task run as the ones before it left it."""
        before = self._task_runs.get(proposal.task_run_id)
        if before is None:
            return TaskRunNotFoundError(proposal.task_run_id)
        if proposal.expected_version not in {None, before.version}:
            return _mismatch(before, proposal.expected_version or 0)
        transition = (before.id, proposal.state.details.transition_id)
        decision = orchestrate_task(
            before,
            proposal.state,
            policy=policy,
            now=self._now,
            state_id=new_id(),
            facts=NO_FACTS if policy is MINIMAL_TASK_POLICY else self._facts(before, proposal),
            repeats_a_transition=transition in self._made,
        )
        if decision.written is None:
            return Written(_verdict(decision))
        self._keep(decision, decision.written)
        return Written(_verdict(decision), (_change(before, decision.run),))

    def _facts(self, task_run: TaskRun, proposal: TaskProposal) -> TaskFacts:
        """Return what the rules look at besides the task run."""
        chance = random()  # noqa: S311 - when a retry falls is no secret
        if proposal.state.type is not StateType.RUNNING:
            return TaskFacts(chance=chance)
        return TaskFacts(
            flow_run=self._flow_runs.get(task_run.flow_run_id),
            cached=self._cached.get(proposal.state.details.cache_key or ""),
            limits=self._slots.limits_on(task_run),
            slot_wait=self._slot_wait,
        )

    def _keep(self, decision: TaskDecision, written: State) -> None:
        """Note what a decision writes, for the proposals that follow and for the database."""
        task_run = decision.run
        self._task_runs[task_run.id] = task_run
        self._states.append((task_run.id, written))
        if transition_id := written.details.transition_id:
            self._made.add((task_run.id, transition_id))
        if decision.takes_slots:
            self._slots.take(task_run)
        if decision.frees_slots and self._slots.free(task_run):
            self._relied_on.add(task_run.id)
        if decision.shares_result:
            self._shared.append((task_run.id, written))
            self._relied_on.add(task_run.id)
            expire_time = written.details.cache_expire_time
            if expire_time is None or expire_time > self._now:
                self._cached[written.details.cache_key or ""] = written

    def write(self, outcomes: list[Outcome[TaskVerdict]]) -> list[Outcome[TaskVerdict]]:
        """Write what was decided, and return the outcomes as they then are."""
        touched = {each_id for each_id, _ in self._states}
        held = task_runs.update(
            self._conn,
            [(self._task_runs[each], self._loaded[each]) for each in touched],
            self._states,
        )
        lost = touched - held
        if lost & self._relied_on:
            # Others were given slots or results that another server's change has kept from becoming free.
            raise DataConflictError
        self._slots.write(lost)
        shared = [each for each in self._shared if each[0] not in lost]
        task_cache.insert(self._conn, self._now, shared)
        if lost:
            outcomes = [_unless_lost(outcome, lost) for outcome in outcomes]
        return self._unless_overtaken(self._with_results(outcomes), held)

    def _with_results(self, outcomes: list[Outcome[TaskVerdict]]) -> list[Outcome[TaskVerdict]]:
        """Add the data of the current state to verdicts that leave it in place."""
        staying = {task_run_id for each in outcomes if (task_run_id := _left_alone(each))}
        results = task_runs.current_data(self._conn, list(staying))
        return [
            Written(replace(outcome.value, task_run=_with_result(outcome.value, results)))
            if isinstance(outcome, Written) and not outcome.value.is_written
            else outcome
            for outcome in outcomes
        ]

    def _unless_overtaken(
        self, outcomes: list[Outcome[TaskVerdict]], held: set[str]
    ) -> list[Outcome[TaskVerdict]]:
        """Void what leaves a task run as it is, if another server has written it since it was loaded.

        Task runs that were written, and so are held, were not overtaken: their update would have missed them.
        """
        resting = {task_run_id for each in outcomes if (task_run_id := _left_alone(each))} - held
        if not resting:
            return outcomes
        overtaken = task_runs.changed(
            self._conn, {each: self._loaded[each].edition for each in resting}
        )
        return [
            LostRace(_mismatch(outcome.value.task_run, outcome.value.task_run.version, moved=1))
            if isinstance(outcome, Written) and _left_alone(outcome) in overtaken
            else outcome
            for outcome in outcomes
        ]


def _left_alone(outcome: Outcome[TaskVerdict]) -> str | None:
    """Return the task run that an outcome leaves as it is; None if it writes one or rests on nothing but its version."""
    if isinstance(outcome, Written) and not outcome.value.is_written:
        return outcome.value.task_run.id
    return None


def _verdict(decision: TaskDecision) -> TaskVerdict:
    return TaskVerdict(
        status=decision.status,
        task_run=decision.run,
        is_written=decision.written is not None,
        reason=decision.reason,
        delay_seconds=decision.delay_seconds,
    )


def _change(before: TaskRun, after: TaskRun) -> Change:
    """Return what a decision changes, for the log."""
    return Change(
        kind=EventKind.TASK_STATE_CHANGE,
        flow_run_id=before.flow_run_id,
        task_before=task_runs.basic(before),
        task_after=task_runs.basic(after),
    )


def _unless_lost(outcome: Outcome[TaskVerdict], lost: set[str]) -> Outcome[TaskVerdict]:
    """Return the outcome, or that it is void because another server wrote the task run first."""
    if not isinstance(outcome, Written) or outcome.value.task_run.id not in lost:
        return outcome
    task_run = outcome.value.task_run
    return LostRace(_mismatch(task_run, task_run.version - 1))


def _mismatch(task_run: TaskRun, expected: int, *, moved: int = 0) -> VersionMismatchError:
    """Return that a task run is not at a version, but `moved` beyond the one that it has here."""
    return VersionMismatchError(task_run.id, expected, task_run.version + moved, is_task_run=True)


def _with_result(verdict: TaskVerdict, results: dict[str, str | None]) -> TaskRun:
    """Return the task run of a verdict with the data of its state."""
    return task_runs.with_data(verdict.task_run, results.get(verdict.task_run.id))
