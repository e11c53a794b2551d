"""Batches to stubs and back."""

from collections.abc import Sequence
from uuid import UUID

from headgate import v1 as pb
from headgate._convert import (
    from_new_input,
    from_proposed_state,
    from_timedelta,
    to_flow_run,
    to_verdict,
)
from headgate._json import to_object_text
from headgate._rpc_errors import from_item_refusal
from headgate.batches import Batch, FlowRunDeletion, FlowRunProposal, NewFlowRun
from headgate.models import CreatedFlowRun, Id, Verdict
from headgate.states import JsonObject


def from_new_flow_run(item: NewFlowRun) -> pb.NewFlowRun:
    """Return the message of a run that is to be created.

    Raises:
        ValueError: Something is not JSON, or a time has no time zone.
    """
    return pb.NewFlowRun(
        flow_id=str(item.flow_id),
        name=item.name,
        state=None if item.state is None else from_proposed_state(item.state),
        parameters_json=_object_text(item.parameters, "parameters"),
        context_json=_object_text(item.context, "context"),
        tags=item.tags,
        flow_version=item.flow_version,
        deployment_id=_id_text(item.deployment_id),
        parent_task_run_id=_id_text(item.parent_task_run_id),
        idempotency_key=item.idempotency_key,
        idempotency_ttl=(
            None if item.idempotency_ttl is None else from_timedelta(item.idempotency_ttl)
        ),
        retries=item.retries,
        retry_delay=None if item.retry_delay is None else from_timedelta(item.retry_delay),
    )


def from_proposal(item: FlowRunProposal) -> pb.FlowRunProposal:
    """Return the message of a state that is to be proposed.

    Raises:
        ValueError: Something is not JSON, a time has no time zone, or the type is UNKNOWN.
    """
    return pb.FlowRunProposal(
        flow_run_id=str(item.flow_run_id),
        state=from_proposed_state(item.state),
        force=item.force,
        expected_version=item.expected_version,
        inputs=[from_new_input(each) for each in item.inputs],
    )


def from_deletion(item: FlowRunDeletion | Id) -> pb.FlowRunDeletion:
    """Return the message of a run that is to be deleted."""
    if not isinstance(item, FlowRunDeletion):
        return pb.FlowRunDeletion(flow_run_id=str(item))
    return pb.FlowRunDeletion(
        flow_run_id=str(item.flow_run_id), expected_version=item.expected_version
    )


def to_created(answer: pb.BatchCreateFlowRunsResponse) -> Batch[CreatedFlowRun]:
    """Return what became of runs to create."""
    return Batch(
        results=tuple(
            from_item_refusal(result.refusal)
            if result.HasField("refusal")
            else CreatedFlowRun(
                flow_run=to_flow_run(result.flow_run),
                created=result.created,
                revision=result.revision,
            )
            for result in answer.results
        ),
        flow_run_ids=tuple(_to_uuid(result.flow_run.id) for result in answer.results),
    )


def to_verdicts(answer: pb.BatchSetFlowRunStatesResponse) -> Batch[Verdict]:
    """Return what became of proposed states."""
    results = tuple(
        from_item_refusal(result.refusal) if result.HasField("refusal") else to_verdict(result)
        for result in answer.results
    )
    return Batch(
        results=results,
        flow_run_ids=_ids(answer.results),
        next_page_token=answer.next_page_token,
        matching_count=answer.matching_count,
        sample=tuple(to_flow_run(run) for run in answer.sample),
    )


def to_deleted(answer: pb.BatchDeleteFlowRunsResponse) -> Batch[int]:
    """Return what became of runs to delete: the revisions of the changes."""
    results = tuple(
        from_item_refusal(result.refusal) if result.HasField("refusal") else result.revision
        for result in answer.results
    )
    return Batch(
        results=results,
        flow_run_ids=_ids(answer.results),
        next_page_token=answer.next_page_token,
        matching_count=answer.matching_count,
        sample=tuple(to_flow_run(run) for run in answer.sample),
    )


def _ids(
    results: Sequence[pb.SetFlowRunStateResult] | Sequence[pb.DeleteFlowRunResult],
) -> tuple[UUID | None, ...]:
    return tuple(_to_uuid(result.flow_run_id) for result in results)


def _to_uuid(text: str) -> UUID | None:
    return UUID(text) if text else None


def _object_text(value: JsonObject | None, field: str) -> str | None:
    return None if value is None else to_object_text(value, field)


def _id_text(value: Id | None) -> str | None:
    return None if value is None else str(value)
