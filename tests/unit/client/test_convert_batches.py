"""Batches to stubs and back."""

from uuid import uuid4

from grpc import StatusCode

from headgate import v1 as pb
from headgate._convert_batches import from_deletion, to_created
from headgate._rpc_errors import from_item_refusal
from headgate.batches import FlowRunDeletion
from headgate.errors import CallError, FlowNotFoundError, NotFoundError


def test_a_refusal_becomes_the_error_of_its_reason() -> None:
    refusal = pb.ItemRefusal(
        code=StatusCode.NOT_FOUND.value[0],
        reason=pb.ERROR_REASON_FLOW_NOT_FOUND,
        message="Flow not found",
        metadata={"flow_id": "x"},
        violations=[pb.ItemViolation(field="name", description="wrong")],
    )

    error = from_item_refusal(refusal)

    assert type(error) is FlowNotFoundError
    assert (str(error), error.code, error.reason) == (
        "Flow not found",
        StatusCode.NOT_FOUND,
        "FLOW_NOT_FOUND",
    )
    assert error.metadata == {"flow_id": "x"}
    assert [(each.field, each.description) for each in error.violations] == [("name", "wrong")]


def test_a_reason_that_is_newer_than_this_client_falls_back_to_the_status() -> None:
    known = from_item_refusal(
        pb.ItemRefusal(code=StatusCode.NOT_FOUND.value[0], reason=pb.ErrorReason.ValueType(9999))
    )
    strange = from_item_refusal(pb.ItemRefusal(code=99, reason=pb.ErrorReason.ValueType(9999)))

    assert (type(known), known.reason) == (NotFoundError, None)
    assert (type(strange), strange.code) == (CallError, StatusCode.UNKNOWN)


def test_a_deletion_may_be_given_as_an_id() -> None:
    run_id = uuid4()

    assert from_deletion(run_id) == from_deletion(str(run_id))
    assert from_deletion(run_id) == from_deletion(FlowRunDeletion(flow_run_id=run_id))
    assert not from_deletion(run_id).HasField("expected_version")
    assert from_deletion(FlowRunDeletion(flow_run_id=run_id, expected_version=0)).HasField(
        "expected_version"
    )


def test_an_answer_without_results_is_an_empty_batch() -> None:
    batch = to_created(pb.BatchCreateFlowRunsResponse())

    assert (batch.results, batch.flow_run_ids, dict(batch.refusals)) == ((), (), {})
