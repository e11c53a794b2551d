"""Transitions of task runs: proposals read, verdicts written."""

from headgate import v1 as pb
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.model.states import State
from headgate_server.model.task_commands import TaskProposal
from headgate_server.model.verdicts import TaskVerdict
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.paging import read_page
from headgate_server.rpc.convert.states import read_proposed_state, write_state
from headgate_server.rpc.convert.transitions import VERDICT_STATUS_NUMBERS, write_verdict_details
from headgate_server.rpc.convert.versions import read_expected_version


def read_task_proposal(request: pb.SetTaskRunStateRequest, limits: Limits) -> TaskProposal:
    """Read what state is proposed for which task run.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        TaskProposal(
            task_run_id=checks.id(request.task_run_id, "task_run_id"),
            state=read_proposed_state(request, checks),
            force=request.force,
            expected_version=read_expected_version(request, checks),
        )
    )


def read_list_task_states(
    request: pb.ListTaskRunStatesRequest, limits: Limits
) -> tuple[str, PageRequest]:
    """Read the states of which task run to list.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        (
            checks.id(request.task_run_id, "task_run_id"),
            read_page(request.page_size, request.page_token, checks),
        )
    )


def answer_task_proposal(verdict: TaskVerdict) -> pb.SetTaskRunStateResponse:
    """Write what became of a proposal."""
    task_run = verdict.task_run
    answer = pb.SetTaskRunStateResponse(
        status=VERDICT_STATUS_NUMBERS[verdict.status],
        version=task_run.version,
        created=verdict.is_written,
        revision=verdict.revision,
    )
    if task_run.state is not None:
        write_state(task_run.state, task_run.flow_run_id, answer.state, task_run_id=task_run.id)
    write_verdict_details(verdict, answer)
    return answer


def write_task_state_page(
    page: Page[State],
    flow_run_id: str,
    task_run_id: str,
    message: pb.ListTaskRunStatesResponse,
) -> None:
    """Write a page of the states of a task run."""
    for state in page.items:
        write_state(state, flow_run_id, message.states.add(), task_run_id=task_run_id)
    message.next_page_token = page.next_token
