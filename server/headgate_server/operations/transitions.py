"""Transitions: load, decide, write. The heart of the service.

Proposals are carried out in batches inside the writer's transaction: what they need is loaded by a handful of statements, the
rules decide in memory, one proposal after the other, and what they decided is written by a handful of statements.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from headgate_server.model.commands import Proposal
from headgate_server.model.conflicts import InputKeyExistsError, VersionMismatchError
from headgate_server.model.errors import FlowRunNotFoundError, HeadgateError
from headgate_server.model.events import Change, EventKind
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.ids import new_id
from headgate_server.model.inputs import FlowRunInput
from headgate_server.model.states import State, StateType
from headgate_server.model.verdicts import Verdict
from headgate_server.operations.mirroring import mirror
from headgate_server.orchestration.engine import FlowDecision, orchestrate
from headgate_server.orchestration.policies import MARK_LATE_POLICY, FlowPolicy, policy_for
from headgate_server.storage import flow_runs, inputs
from headgate_server.storage.database import Connection
from headgate_server.storage.writer import LostRace, Outcome, Work, Writer, Written

_RESULTS_MATTER = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CRASHED})
"""States whose data the rules look at when they are left."""


class Transitions:
    """Proposes states for flow runs."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._propose = Work(carry_out, Verdict)
        self._mark_late = Work(partial(carry_out, policy=MARK_LATE_POLICY), Verdict)

    async def propose(self, proposal: Proposal) -> Verdict:
        """Let the rules judge a proposed state, and write what they let through.

        Raises:
            FlowRunNotFoundError: There is no such run.
            VersionMismatchError: The run is not at the version expected.
            InputKeyExistsError: An input that rides with the state has a key that is taken.
        """
        return await self._writer.write(self._propose, proposal)

    async def mark_late(self, proposal: Proposal) -> Verdict:
        """Let only the rule about late runs judge a proposed state.

        Raises:
            FlowRunNotFoundError: There is no such run.
            VersionMismatchError: The run is not at the version expected.
        """
        return await self._writer.write(self._mark_late, proposal)


def carry_out(
    conn: Connection,
    now: datetime,
    proposals: Sequence[Proposal],
    *,
    policy: FlowPolicy | None = None,
) -> list[Outcome[Verdict]]:
    """Judge proposals in order and write what is let through.

    Args:
        conn: The connection of the writer's transaction.
        now: The time of the transaction.
        proposals: What is proposed; several may concern one run.
        policy: The rules to ask; None chooses them by each proposal's `force`.
    """
    batch = _Batch(conn, now, proposals)
    outcomes = [batch.judge(proposal, policy) for proposal in proposals]
    return batch.write(outcomes)


class _Batch:
    """The runs that some proposals concern: as loaded, and as decided so far."""

    def __init__(self, conn: Connection, now: datetime, proposals: Sequence[Proposal]) -> None:
        self._conn = conn
        self._now = now
        self._loaded, self._made = flow_runs.load_for_transitions(
            conn, [(each.flow_run_id, each.state.details.transition_id) for each in proposals]
        )
        self._runs = {run_id: loaded.run for run_id, loaded in self._loaded.items()}
        self._kept_inputs = inputs.find(conn, _pairs_of(proposals))
        self._states: list[tuple[str, State]] = []
        self._created: list[FlowRunInput] = []
        self._replaced: list[FlowRunInput] = []
        self._load_results()

    def _load_results(self) -> None:
        """Add the data of current states where rules look at it."""
        ended = [
            run_id
            for run_id, run in self._runs.items()
            if run.state is not None and run.state.type in _RESULTS_MATTER
        ]
        for run_id, data in (flow_runs.current_data(self._conn, ended) if ended else {}).items():
            self._runs[run_id] = _with_data(self._runs[run_id], data)

    def judge(self, proposal: Proposal, policy: FlowPolicy | None) -> Outcome[Verdict]:
        """Decide one proposal on the run as the ones before it left it."""
        run = self._runs.get(proposal.flow_run_id)
        if run is None:
            return FlowRunNotFoundError(proposal.flow_run_id)
        if proposal.expected_version not in {None, run.version}:
            return VersionMismatchError(run.id, proposal.expected_version or 0, run.version)
        transition = (run.id, proposal.state.details.transition_id)
        decision = orchestrate(
            run,
            proposal.state,
            policy=policy or policy_for(force=proposal.force),
            now=self._now,
            state_id=new_id(),
            repeats_a_transition=transition in self._made,
        )
        if decision.written is None:
            return Written(_verdict(decision))
        replaced, created = self._inputs_of(proposal, decision)
        for new in created:
            pair = (run.id, new.key)
            if pair in self._kept_inputs and self._kept_inputs[pair] not in replaced:
                return InputKeyExistsError(*pair)
        self._keep(decision, replaced, created)
        return Written(
            _verdict(decision), _changes(self._flow_of(run), run, decision, replaced, created)
        )

    def _inputs_of(
        self, proposal: Proposal, decision: FlowDecision
    ) -> tuple[list[FlowRunInput], list[FlowRunInput]]:
        """Return the inputs that go and those that come with a state, if it is the proposed one."""
        if not decision.is_accepted_as_proposed:
            return [], []
        run_id = decision.run.id
        replaced: list[FlowRunInput] = []
        keyset = proposal.state.details.run_input_keyset
        if keyset is not None and proposal.state.type is StateType.PAUSED:
            # The pause fires again: what was asked and answered the last time is over.
            replaced = [
                self._kept_inputs[run_id, key]
                for key in keyset.named()
                if (run_id, key) in self._kept_inputs
            ]
        created = [
            FlowRunInput(
                id=new_id(),
                flow_run_id=run_id,
                key=new.key,
                value_json=new.value_json,
                sender=new.sender,
                create_time=self._now,
            )
            for new in proposal.inputs
        ]
        return replaced, created

    def _keep(
        self, decision: FlowDecision, replaced: list[FlowRunInput], created: list[FlowRunInput]
    ) -> None:
        """Note what a decision writes, for the proposals that follow and for the database."""
        assert decision.written is not None
        run_id = decision.run.id
        self._runs[run_id] = decision.run
        self._states.append((run_id, decision.written))
        if transition_id := decision.written.details.transition_id:
            self._made.add((run_id, transition_id))
        for gone in replaced:
            del self._kept_inputs[run_id, gone.key]
        self._kept_inputs.update({(run_id, new.key): new for new in created})
        self._replaced += replaced
        self._created += created

    def _flow_of(self, run: FlowRun) -> Flow:
        return self._loaded[run.id].flow

    def write(self, outcomes: list[Outcome[Verdict]]) -> list[Outcome[Verdict]]:
        """Write what was decided, and return the outcomes as they then are."""
        touched = {run_id for run_id, _ in self._states}
        held: set[str] = set()
        if touched:
            held = flow_runs.update(
                self._conn,
                [(self._runs[run_id], self._loaded[run_id]) for run_id in touched],
                self._states,
            )
            lost = touched - held
            self._write_along(lost)
            if lost:
                outcomes = [_unless_lost(outcome, lost) for outcome in outcomes]
            outcomes = mirror(self._conn, self._now, outcomes, lambda verdict: verdict.is_written)
        return self._unless_overtaken(self._with_results(outcomes), held)

    def _write_along(self, lost: set[str]) -> None:
        """Write the inputs of the runs that were written."""
        if self._replaced:
            gone = [(each.flow_run_id, each.key) for each in self._replaced]
            inputs.delete_keys(self._conn, [pair for pair in gone if pair[0] not in lost])
        inputs.insert(self._conn, [new for new in self._created if new.flow_run_id not in lost])

    def _with_results(self, outcomes: list[Outcome[Verdict]]) -> list[Outcome[Verdict]]:
        """Add the data of the current state to verdicts that leave it in place."""
        staying = [
            outcome.value.run.id
            for outcome in outcomes
            if isinstance(outcome, Written) and not outcome.value.is_written
        ]
        if not staying:
            return outcomes
        results = flow_runs.current_data(self._conn, list(set(staying)))
        return [
            Written(_with_result(outcome.value, results))
            if isinstance(outcome, Written) and not outcome.value.is_written
            else outcome
            for outcome in outcomes
        ]

    def _unless_overtaken(
        self, outcomes: list[Outcome[Verdict]], held: set[str]
    ) -> list[Outcome[Verdict]]:
        """Void what leaves a run as it is, if another server has written the run since it was loaded.

        A run, its transitions and its inputs are loaded one after the other, so they may be of different moments. Runs that
        were written, and so are held, were not overtaken: their update would have missed them.
        """
        resting = {run_id for each in outcomes if (run_id := _left_alone(each))} - held
        if not resting:
            return outcomes
        overtaken = flow_runs.changed(
            self._conn, {run_id: self._loaded[run_id].edition for run_id in resting}
        )
        return [
            LostRace(_refusal(each)) if _left_alone(each) in overtaken else each
            for each in outcomes
        ]


def _left_alone(outcome: Outcome[Verdict]) -> str | None:
    """Return the run that an outcome leaves as it is; None if it writes one or rests on nothing but its version."""
    if isinstance(outcome, InputKeyExistsError):
        return outcome.facts["flow_run_id"]
    if isinstance(outcome, Written) and not outcome.value.is_written:
        return outcome.value.run.id
    return None


def _refusal(outcome: Outcome[Verdict]) -> HeadgateError:
    """Return what to tell a caller whose proposal is overtaken again and again."""
    if isinstance(outcome, Written):
        run = outcome.value.run
        return VersionMismatchError(run.id, run.version, run.version + 1)
    return outcome.refusal if isinstance(outcome, LostRace) else outcome


def _pairs_of(proposals: Sequence[Proposal]) -> list[tuple[str, str]]:
    """Return the inputs that proposals may create or replace, as pairs of run id and key."""
    pairs = [(each.flow_run_id, new.key) for each in proposals for new in each.inputs]
    for each in proposals:
        keyset = each.state.details.run_input_keyset
        if keyset is not None:
            pairs += [(each.flow_run_id, key) for key in keyset.named()]
    return pairs


def _verdict(decision: FlowDecision) -> Verdict:
    return Verdict(
        status=decision.status,
        run=decision.run,
        is_written=decision.written is not None,
        reason=decision.reason,
        delay_seconds=decision.delay_seconds,
    )


def _changes(
    flow: Flow,
    before: FlowRun,
    decision: FlowDecision,
    replaced: list[FlowRunInput],
    created: list[FlowRunInput],
) -> tuple[Change, ...]:
    """Return what a decision changes, for the log."""
    change = Change(
        kind=EventKind.STATE_CHANGE,
        flow_run_id=before.id,
        before=flow_runs.basic(before),
        after=flow_runs.basic(decision.run),
        flow=flow,
    )
    if not replaced and not created:
        return (change,)
    return (
        change,
        *(
            Change(kind=EventKind.INPUT_DELETED, flow_run_id=before.id, input=old)
            for old in replaced
        ),
        *(
            Change(kind=EventKind.INPUT_CREATED, flow_run_id=before.id, input=new)
            for new in created
        ),
    )


def _unless_lost(outcome: Outcome[Verdict], lost: set[str]) -> Outcome[Verdict]:
    """Return the outcome, or that it is void because another server wrote the run first."""
    if not isinstance(outcome, Written) or outcome.value.run.id not in lost:
        return outcome
    run = outcome.value.run
    return LostRace(VersionMismatchError(run.id, run.version - 1, run.version))


def _with_result(verdict: Verdict, results: Mapping[str, str | None]) -> Verdict:
    """Return a verdict whose state has its data."""
    return replace(verdict, run=_with_data(verdict.run, results.get(verdict.run.id)))


def _with_data(run: FlowRun, data_json: str | None) -> FlowRun:
    """Return a run whose state has this data."""
    if run.state is None or data_json is None:
        return run
    return replace(run, state=replace(run.state, data_json=data_json))
