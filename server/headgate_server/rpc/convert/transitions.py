"""Transitions: proposals read, verdicts written."""

from collections.abc import Mapping
from typing import Final

from headgate import v1 as pb
from headgate_server.model.commands import Proposal, Resume
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.model.states import State
from headgate_server.model.verdicts import TaskVerdict, Verdict, VerdictStatus
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.inputs import read_inputs
from headgate_server.rpc.convert.paging import read_page
from headgate_server.rpc.convert.states import read_proposed_state, write_state
from headgate_server.rpc.convert.versions import read_expected_version

VERDICT_STATUS_NUMBERS: Final[Mapping[VerdictStatus, pb.VerdictStatus.ValueType]] = {
    each: pb.VerdictStatus.Value(f"VERDICT_STATUS_{each}") for each in VerdictStatus
}
"""The number on the wire of each answer."""


def read_proposal(request: pb.SetFlowRunStateRequest, limits: Limits) -> Proposal:
    """Read what state is proposed for which run.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        Proposal(
            flow_run_id=checks.id(request.flow_run_id, "flow_run_id"),
            state=read_proposed_state(request, checks),
            force=request.force,
            expected_version=read_expected_version(request, checks),
            inputs=read_inputs(request.inputs, "inputs", checks),
        )
    )


def read_resume(request: pb.ResumeFlowRunRequest, limits: Limits) -> Resume:
    """Read which run to resume with which answer.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        Resume(
            flow_run_id=checks.id(request.flow_run_id, "flow_run_id"),
            run_input_json=checks.json_object(request.run_input_json, "run_input_json")
            if request.HasField("run_input_json")
            else None,
            expected_version=read_expected_version(request, checks),
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )


def read_list_states(
    request: pb.ListFlowRunStatesRequest, limits: Limits
) -> tuple[str, PageRequest]:
    """Read the states of which run to list.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        (
            checks.id(request.flow_run_id, "flow_run_id"),
            read_page(request.page_size, request.page_token, checks),
        )
    )


def answer_proposal(verdict: Verdict) -> pb.SetFlowRunStateResponse:
    """Write what became of a proposal."""
    run = verdict.run
    answer = pb.SetFlowRunStateResponse(
        status=VERDICT_STATUS_NUMBERS[verdict.status],
        version=run.version,
        created=verdict.is_written,
        revision=verdict.revision,
    )
    if run.state is not None:
        write_state(run.state, run.id, answer.state)
    write_verdict_details(verdict, answer)
    return answer


def write_verdict_details(
    verdict: Verdict | TaskVerdict,
    answer: pb.SetFlowRunStateResponse | pb.SetTaskRunStateResponse | pb.SetFlowRunStateResult,
) -> None:
    """Write what there is to say about the status of a verdict."""
    match verdict.status:
        case VerdictStatus.ACCEPT:
            answer.accept.SetInParent()
        case VerdictStatus.REJECT:
            answer.reject.reason = verdict.reason or ""
        case VerdictStatus.ABORT:
            answer.abort.reason = verdict.reason or ""
        case VerdictStatus.WAIT:
            answer.wait.delay.seconds = verdict.delay_seconds
            answer.wait.reason = verdict.reason or ""


def answer_resume(verdict: Verdict) -> pb.ResumeFlowRunResponse:
    """Write what became of a request to resume. Only a run that was not paused is an ABORT, and is answered without a state."""
    run = verdict.run
    answer = pb.ResumeFlowRunResponse(
        status=VERDICT_STATUS_NUMBERS[verdict.status],
        version=run.version,
        created=verdict.is_written,
        revision=verdict.revision,
    )
    if run.state is not None and verdict.status is not VerdictStatus.ABORT:
        write_state(run.state, run.id, answer.state)
    match verdict.status:
        case VerdictStatus.ACCEPT:
            answer.accept.SetInParent()
        case VerdictStatus.ABORT:
            answer.abort.reason = verdict.reason or ""
        case VerdictStatus.REJECT | VerdictStatus.WAIT:
            answer.reject.reason = verdict.reason or ""
    return answer


def write_state_page(
    page: Page[State], flow_run_id: str, message: pb.ListFlowRunStatesResponse
) -> None:
    """Write a page of the states of a run."""
    for state in page.items:
        write_state(state, flow_run_id, message.states.add())
    message.next_page_token = page.next_token
