"""The engine, driven by rules made for the purpose."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import ANY, ProposedState, State, StateType
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.orchestration.draft import FlowDraft
from headgate_server.orchestration.policies import FlowPolicy, Policy, Rule
from tests.unit.server.orchestration.builders import a_run, propose

NO_RULES: FlowPolicy = Policy()


def agree(draft: FlowDraft) -> FlowDraft:
    return draft


def refuse(draft: FlowDraft) -> FlowDraft:
    return draft.refuse("No.")


def abort(draft: FlowDraft) -> FlowDraft:
    return draft.abort("Stop.")


def crash_instead(draft: FlowDraft) -> FlowDraft:
    return draft.reject("Not this.", instead=ProposedState(type=StateType.CRASHED))


def forget_retries(draft: FlowDraft) -> FlowDraft:
    return draft.amend(policy=replace(draft.amended.policy, retries=None))


def noting(word: str) -> Callable[[FlowRun, State], FlowRun]:
    def note(run: FlowRun, written: State) -> FlowRun:
        return replace(run, tags=(*run.tags, f"{word} {written.type}"))

    return note


def test_without_rules_everything_is_accepted() -> None:
    decision = propose(a_run(StateType.RUNNING), StateType.COMPLETED, policy=NO_RULES)

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.is_accepted_as_proposed
    assert decision.written is decision.run.state
    assert (decision.reason, decision.delay_seconds) == (None, 0)


@pytest.mark.parametrize("rule", [refuse, abort])
def test_a_run_about_which_nothing_is_written_is_returned_as_it_was(
    rule: Callable[[FlowDraft], FlowDraft],
) -> None:
    run = a_run(StateType.RUNNING)

    decision = propose(run, StateType.COMPLETED, policy=Policy(Rule(rule, ANY, ANY)))

    assert decision.run is run
    assert decision.written is None
    assert not decision.is_accepted_as_proposed


def test_the_first_rule_that_objects_has_the_last_word() -> None:
    policy = Policy(Rule(agree, ANY, ANY), Rule(refuse, ANY, ANY), Rule(abort, ANY, ANY))

    decision = propose(a_run(StateType.RUNNING), StateType.COMPLETED, policy=policy)

    assert (decision.status, decision.reason) == (VerdictStatus.REJECT, "No.")


def test_a_substitute_is_written_but_not_taken_for_the_proposed_state() -> None:
    policy = Policy(Rule(crash_instead, ANY, ANY), Rule(refuse, ANY, {StateType.CRASHED}))

    decision = propose(a_run(StateType.RUNNING), StateType.COMPLETED, policy=policy)

    assert (decision.status, decision.reason) == (VerdictStatus.REJECT, "Not this.")
    assert decision.written is not None
    assert decision.written.type is StateType.CRASHED
    assert not decision.is_accepted_as_proposed


@pytest.mark.parametrize(
    ("from_types", "to_types"),
    [
        pytest.param({StateType.PENDING}, ANY, id="another current state"),
        pytest.param(ANY, {StateType.FAILED}, id="another proposed state"),
    ],
)
def test_a_rule_for_another_transition_is_not_asked(
    from_types: set[StateType],
    to_types: set[StateType],
) -> None:
    policy = Policy(Rule(refuse, from_types, to_types))

    decision = propose(a_run(StateType.RUNNING), StateType.COMPLETED, policy=policy)

    assert decision.status is VerdictStatus.ACCEPT


def test_a_rule_is_asked_about_a_run_without_state_only_if_its_row_says_so() -> None:
    unasked = propose(a_run(None), StateType.PENDING, policy=Policy(Rule(refuse, ANY, ANY)))
    asked = propose(a_run(None), StateType.PENDING, policy=Policy(Rule(refuse, {None}, ANY)))

    assert unasked.status is VerdictStatus.ACCEPT
    assert asked.status is VerdictStatus.REJECT
    assert asked.run.state is None


def test_what_a_rule_changes_on_the_policy_is_written_with_the_state() -> None:
    run = a_run(StateType.RUNNING)
    run = replace(run, policy=replace(run.policy, retries=3))

    decision = propose(run, StateType.COMPLETED, policy=Policy(Rule(forget_retries, ANY, ANY)))

    assert decision.run.policy.retries is None


@pytest.mark.parametrize("overruling", [refuse, abort, crash_instead])
def test_what_a_rule_changes_is_taken_back_when_a_later_rule_overrules_it(
    overruling: Callable[[FlowDraft], FlowDraft],
) -> None:
    run = a_run(StateType.RUNNING)
    run = replace(run, policy=replace(run.policy, retries=3))
    policy = Policy(Rule(forget_retries, ANY, ANY), Rule(overruling, ANY, ANY))

    decision = propose(run, StateType.COMPLETED, policy=policy)

    assert decision.run.policy.retries == 3


def test_rules_are_left_in_reverse_once_the_proposed_state_is_written() -> None:
    policy = Policy(
        Rule(agree, ANY, ANY, noting("first")),
        Rule(agree, ANY, {StateType.FAILED}, noting("never")),
        Rule(agree, ANY, ANY, noting("second")),
    )

    decision = propose(a_run(StateType.RUNNING), StateType.COMPLETED, policy=policy)

    assert decision.run.tags == ("second COMPLETED", "first COMPLETED")


def test_nothing_is_remembered_of_a_state_that_was_replaced() -> None:
    policy = Policy(
        Rule(agree, ANY, ANY, noting("first")), Rule(crash_instead, ANY, ANY, noting("second"))
    )

    decision = propose(a_run(StateType.RUNNING), StateType.COMPLETED, policy=policy)

    assert decision.run.tags == ()
