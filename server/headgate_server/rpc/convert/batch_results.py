"""Batches: what became of each item, written.

The changes are made when an answer is written, so it must arrive: one that turns out too large for a message is written again
without what makes it large.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from headgate import v1 as pb
from headgate_server.model.errors import HeadgateError
from headgate_server.model.server_info import Limits
from headgate_server.model.verdicts import Verdict
from headgate_server.operations.batches import Changed, Preview, Settled
from headgate_server.operations.creation import CreatedFlowRun
from headgate_server.operations.deletion import DeletedFlowRun
from headgate_server.rpc.convert.flow_runs import write_flow_run
from headgate_server.rpc.convert.states import write_state
from headgate_server.rpc.convert.transitions import VERDICT_STATUS_NUMBERS, write_verdict_details
from headgate_server.rpc.errors import write_refusal

Previewing: TypeAlias = pb.BatchSetFlowRunStatesResponse | pb.BatchDeleteFlowRunsResponse
"""The answers that may tell what would be changed."""


def answer_batch_create(
    outcomes: Sequence[Settled[CreatedFlowRun]], limits: Limits, now: datetime
) -> pb.BatchCreateFlowRunsResponse:
    """Write what became of runs to create.

    Args:
        outcomes: What became of each.
        limits: How large the answer may be.
        now: The time for which the estimates are made.
    """
    answer = pb.BatchCreateFlowRunsResponse(refused_count=_refused(outcomes))
    for outcome in outcomes:
        result = answer.results.add()
        if isinstance(outcome, HeadgateError):
            write_refusal(outcome, result.refusal)
            continue
        result.created = outcome.created
        result.revision = outcome.revision
        write_flow_run(outcome.run, result.flow_run, now)
    if answer.ByteSize() > limits.message_bytes:
        for result in answer.results:
            _keep_little(result.flow_run)
    return answer


def answer_batch_set_states(
    changed: Changed[Verdict], limits: Limits, now: datetime
) -> pb.BatchSetFlowRunStatesResponse:
    """Write what became of proposed states. Arguments as for `answer_batch_create`."""
    answer = pb.BatchSetFlowRunStatesResponse(
        refused_count=_refused(changed.outcomes), next_page_token=changed.next_token
    )
    for run_id, outcome in zip(changed.flow_run_ids, changed.outcomes, strict=True):
        result = answer.results.add(flow_run_id=run_id)
        if isinstance(outcome, HeadgateError):
            write_refusal(outcome, result.refusal)
        else:
            _write_verdict(outcome, result)
    if answer.ByteSize() > limits.message_bytes:
        for result in answer.results:
            result.ClearField("state")
    _write_preview(changed.preview, answer, limits, now)
    return answer


def answer_batch_delete(
    changed: Changed[DeletedFlowRun], limits: Limits, now: datetime
) -> pb.BatchDeleteFlowRunsResponse:
    """Write what became of runs to delete. Arguments as for `answer_batch_create`."""
    answer = pb.BatchDeleteFlowRunsResponse(
        refused_count=_refused(changed.outcomes), next_page_token=changed.next_token
    )
    for run_id, outcome in zip(changed.flow_run_ids, changed.outcomes, strict=True):
        result = answer.results.add(flow_run_id=run_id)
        if isinstance(outcome, HeadgateError):
            write_refusal(outcome, result.refusal)
        else:
            result.revision = outcome.revision
    _write_preview(changed.preview, answer, limits, now)
    return answer


def _write_verdict(verdict: Verdict, result: pb.SetFlowRunStateResult) -> None:
    result.status = VERDICT_STATUS_NUMBERS[verdict.status]
    result.version = verdict.run.version
    result.created = verdict.is_written
    result.revision = verdict.revision
    if verdict.run.state is not None:
        write_state(verdict.run.state, verdict.run.id, result.state)
    write_verdict_details(verdict, result)


def _write_preview(preview: Preview, answer: Previewing, limits: Limits, now: datetime) -> None:
    answer.matching_count = preview.matching_count
    for run in preview.sample:
        write_flow_run(run, answer.sample.add(), now)
    if preview.sample and answer.ByteSize() > limits.message_bytes:
        for message in answer.sample:
            _keep_little(message)


def _keep_little(message: pb.FlowRun) -> None:
    """Take from a run what may be large."""
    little = pb.FlowRun(id=message.id, flow_id=message.flow_id, version=message.version)
    message.CopyFrom(little)


def _refused(outcomes: Sequence[object]) -> int:
    return sum(isinstance(outcome, HeadgateError) for outcome in outcomes)
