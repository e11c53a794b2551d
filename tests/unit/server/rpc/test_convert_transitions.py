import pytest

from headgate import v1 as pb
from headgate_server.model.commands import Resume
from headgate_server.model.errors import InvalidRequestError
from headgate_server.model.inputs import NewFlowRunInput
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.model.states import StateType
from headgate_server.model.verdicts import Verdict, VerdictStatus
from headgate_server.rpc.convert.transitions import (
    VERDICT_STATUS_NUMBERS,
    answer_proposal,
    answer_resume,
    read_list_states,
    read_proposal,
    read_resume,
    write_state_page,
)
from tests.builders import a_flow, a_flow_run, a_state

HERE = "here"
NEXT = "next"

RUN_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ab"
OTHER_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ac"
LIMITS = Limits()
RUN = a_flow_run(a_flow(), a_state(StateType.RUNNING, version=3, data_json='"x"'))


def a_proposal(*inputs: pb.NewFlowRunInput) -> pb.SetFlowRunStateRequest:
    return pb.SetFlowRunStateRequest(
        flow_run_id=RUN_ID, state=pb.ProposedState(type=pb.STATE_TYPE_PAUSED), inputs=inputs
    )


def faults(request: pb.SetFlowRunStateRequest) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as caught:
        read_proposal(request, LIMITS)
    return {each.field: each.description for each in caught.value.violations}


def test_inputs_ride_with_a_proposal_in_order() -> None:
    request = a_proposal(
        pb.NewFlowRunInput(key="b", value_json="1.0", sender="me"),
        pb.NewFlowRunInput(key="", value_json="null"),
    )

    assert read_proposal(request, LIMITS).inputs == (
        NewFlowRunInput(key="b", value_json="1.0", sender="me"),
        NewFlowRunInput(key="", value_json="null"),
    )


def test_everything_wrong_with_the_inputs_is_named_by_its_path() -> None:
    request = a_proposal(
        pb.NewFlowRunInput(key="a", value_json="1"),
        pb.NewFlowRunInput(key="A", value_json="", sender="x" * 256),
        pb.NewFlowRunInput(key="a", value_json="1"),
    )

    found = faults(request)

    assert set(found) == {
        "inputs[1].key",
        "inputs[1].value_json",
        "inputs[1].sender",
        "inputs[2].key",
    }
    assert found["inputs[2].key"] == "must not repeat a key of the same request"


def test_too_many_inputs_are_refused_without_a_look_at_each() -> None:
    request = a_proposal(*[pb.NewFlowRunInput()] * 101)

    assert faults(request) == {"inputs": "must have at most 100 members"}


def test_everything_wrong_with_a_proposal_is_told_at_once() -> None:
    request = pb.SetFlowRunStateRequest(expected_version=-1, inputs=[pb.NewFlowRunInput()])

    assert set(faults(request)) == {
        "flow_run_id",
        "state",
        "expected_version",
        "inputs[0].value_json",
    }


@pytest.mark.parametrize(
    ("verdict", "details"),
    [
        (
            Verdict(status=VerdictStatus.ACCEPT, run=RUN, is_written=True, revision=9),
            {"accept": pb.AcceptDetails()},
        ),
        (
            Verdict(status=VerdictStatus.REJECT, run=RUN, reason="no"),
            {"reject": pb.RejectDetails(reason="no")},
        ),
        (
            Verdict(status=VerdictStatus.REJECT, run=RUN, is_written=True, revision=9),
            {"reject": pb.RejectDetails()},
        ),
        (
            Verdict(status=VerdictStatus.ABORT, run=RUN, reason="stop"),
            {"abort": pb.AbortDetails(reason="stop")},
        ),
        (
            Verdict(status=VerdictStatus.WAIT, run=RUN, reason="soon", delay_seconds=7),
            {"wait": pb.WaitDetails(delay={"seconds": 7}, reason="soon")},  # type: ignore[arg-type]
        ),
    ],
    ids=["accept", "reject", "reject with another state", "abort", "wait"],
)
def test_a_verdict_is_answered_with_the_details_of_its_kind(
    verdict: Verdict, details: dict[str, object]
) -> None:
    answer = answer_proposal(verdict)

    expected = pb.SetFlowRunStateResponse(
        status=VERDICT_STATUS_NUMBERS[verdict.status],
        version=RUN.version,
        created=verdict.is_written,
        revision=verdict.revision,
        **details,  # type: ignore[arg-type]
    )
    assert answer.state.data_json == '"x"'
    assert answer.state.details.flow_run_id == RUN.id
    answer.ClearField("state")
    assert answer == expected


def test_a_verdict_on_a_run_without_a_state_has_none() -> None:
    verdict = Verdict(status=VerdictStatus.ABORT, run=a_flow_run(a_flow()))

    assert not answer_proposal(verdict).HasField("state")


def test_every_status_of_the_contract_has_a_meaning() -> None:
    assert sorted(VERDICT_STATUS_NUMBERS.values()) == sorted(set(pb.VerdictStatus.values()) - {0})


def test_a_resume_holds_all_that_is_said() -> None:
    request = pb.ResumeFlowRunRequest(
        flow_run_id=RUN_ID,
        run_input_json='{"a": 1.0}',
        expected_version=2,
        request_id=OTHER_ID,
    )

    assert read_resume(request, LIMITS) == Resume(
        flow_run_id=RUN_ID, run_input_json='{"a": 1.0}', expected_version=2, request_id=OTHER_ID
    )


def test_a_resume_without_an_answer_has_none() -> None:
    assert read_resume(pb.ResumeFlowRunRequest(flow_run_id=RUN_ID), LIMITS) == Resume(
        flow_run_id=RUN_ID
    )


def test_everything_wrong_with_a_resume_is_told_at_once() -> None:
    request = pb.ResumeFlowRunRequest(run_input_json="[]", expected_version=-1, request_id="x")

    with pytest.raises(InvalidRequestError) as caught:
        read_resume(request, LIMITS)

    assert {each.field for each in caught.value.violations} == {
        *("flow_run_id", "run_input_json", "expected_version", "request_id")
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [(VerdictStatus.ACCEPT, "accept"), (VerdictStatus.REJECT, "reject")],
)
def test_a_resumed_or_refused_run_is_answered_with_its_state(
    status: VerdictStatus, kind: str
) -> None:
    answer = answer_resume(Verdict(status=status, run=RUN, revision=4, is_written=True))

    assert answer.WhichOneof("details") == kind
    assert answer.state.version == 3
    assert (answer.version, answer.revision, answer.created) == (3, 4, True)


def test_a_run_that_was_not_paused_is_answered_without_a_state() -> None:
    answer = answer_resume(Verdict(status=VerdictStatus.ABORT, run=RUN, reason="not paused"))

    assert not answer.HasField("state")
    assert answer.status == pb.VERDICT_STATUS_ABORT
    assert answer.abort.reason == "not paused"
    assert answer.version == 3


def test_the_states_of_a_run_are_listed_by_pages() -> None:
    request = pb.ListFlowRunStatesRequest(
        flow_run_id=RUN_ID,
        page_size=3,
        page_token=HERE,
    )

    assert read_list_states(request, LIMITS) == (
        RUN_ID,
        PageRequest(size=3, token=HERE),
    )


def test_a_page_of_states_is_written_in_order_with_its_run() -> None:
    states = (a_state(StateType.PENDING), a_state(StateType.RUNNING, version=2))
    message = pb.ListFlowRunStatesResponse()

    write_state_page(Page(items=states, next_token=NEXT), RUN_ID, message)

    assert [state.version for state in message.states] == [1, 2]
    assert {state.details.flow_run_id for state in message.states} == {RUN_ID}
    assert message.next_page_token == NEXT
