"""Drafts: what each verdict makes of them."""

import pytest
from msgspec.structs import replace

from headgate_server.model.states import ProposedState, StateDetails, StateType
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.orchestration.draft import Draft, FlowDraft
from tests.unit.server.orchestration.builders import NOW, a_run


@pytest.fixture
def draft() -> FlowDraft:
    """Return a draft for a running run to end COMPLETED."""
    run = a_run(StateType.RUNNING)
    return Draft(
        run=run,
        amended=run,
        proposed=ProposedState(
            type=StateType.COMPLETED, details=StateDetails(transition_id="a-transition")
        ),
        now=NOW,
        state_id="a-new-state",
    )


def test_a_draft_stands_until_a_rule_objects(draft: FlowDraft) -> None:
    assert (draft.status, draft.is_to_be_written) == (VerdictStatus.ACCEPT, True)


def test_a_refused_draft_is_not_written(draft: FlowDraft) -> None:
    refused = draft.refuse("No.")

    assert (refused.status, refused.reason) == (VerdictStatus.REJECT, "No.")
    assert not refused.is_to_be_written


def test_an_aborted_draft_is_not_written(draft: FlowDraft) -> None:
    aborted = draft.abort("Stop.")

    assert (aborted.status, aborted.reason) == (VerdictStatus.ABORT, "Stop.")
    assert not aborted.is_to_be_written


def test_a_draft_that_waits_says_how_long_and_is_not_written(draft: FlowDraft) -> None:
    waiting = draft.wait(7, "Too early.")

    assert (waiting.status, waiting.reason) == (VerdictStatus.WAIT, "Too early.")
    assert waiting.delay_seconds == 7
    assert not waiting.is_to_be_written


def test_a_rejected_draft_writes_the_substitute_under_the_same_transition_id(
    draft: FlowDraft,
) -> None:
    rejected = draft.reject("Not this.", instead=ProposedState(type=StateType.CANCELLED))

    assert (rejected.status, rejected.reason) == (VerdictStatus.REJECT, "Not this.")
    assert rejected.is_to_be_written
    assert rejected.proposed == ProposedState(
        type=StateType.CANCELLED, details=StateDetails(transition_id="a-transition")
    )


def test_a_rejected_draft_loses_what_was_changed_for_the_proposed_state(draft: FlowDraft) -> None:
    changed = draft.amend(name="another", policy=replace(draft.run.policy, resuming=True))

    rejected = changed.reject("Not this.", instead=ProposedState(type=StateType.CANCELLED))

    assert rejected.amended == draft.run


@pytest.mark.parametrize(
    ("name", "expected"), [(None, "Completed"), ("", ""), ("Splendid", "Splendid")]
)
def test_only_a_missing_name_is_made_up(draft: FlowDraft, name: str | None, expected: str) -> None:
    revised = draft.revise(replace(draft.proposed, name=name))

    assert revised.proposed_name == expected


def test_a_rule_that_looks_for_the_state_of_a_new_run_learns_so_at_once(draft: FlowDraft) -> None:
    new = replace(draft, run=replace(draft.run, state=None))

    with pytest.raises(LookupError, match="has no state"):
        new.initial  # noqa: B018 - looking is the act
