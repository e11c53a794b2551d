"""Every refusal reaches the caller whole: its code, its reason, its facts."""

from collections.abc import Sequence

import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import BadRequest

from headgate import v1 as pb
from headgate_server.model.conflicts import (
    DataConflictError,
    DeploymentRequiredError,
    EpochChangedError,
    InputKeyExistsError,
    ParameterSchemaRequiredError,
    RequestIdReusedError,
    StateNotAllowedError,
    TaskRunExistsError,
    VariableExistsError,
    VersionMismatchError,
    WorkPoolExistsError,
    WorkPoolRequiredError,
    WorkQueueExistsError,
    WorkQueueIsDefaultError,
)
from headgate_server.model.errors import (
    ConcurrencyLimitNotFoundError,
    DatabaseUnavailableError,
    DeploymentNotFoundError,
    FieldViolation,
    FlowNotFoundError,
    FlowRunInputNotFoundError,
    FlowRunNotFoundError,
    GraphTooLargeError,
    HeadgateError,
    InvalidRequestError,
    JobVariablesInvalidError,
    OverloadedError,
    PageTokenMismatchError,
    ParameterSchemaInvalidError,
    ParametersInvalidError,
    ParametersNotHydratedError,
    ResumeTokenMismatchError,
    RevisionCompactedError,
    RevisionNotReachedError,
    ServerDrainingError,
    SlowConsumerError,
    TaskRunNotFoundError,
    VariableNotFoundError,
    WatchAgedError,
    WorkPoolNameReservedError,
    WorkPoolNotFoundError,
    WorkQueueNotFoundError,
)
from headgate_server.rpc.errors import (
    STATUS,
    DeadlineExceededError,
    InternalError,
    MethodNotFoundError,
    ServiceUnknownError,
)
from tests.fakes_operations import Door
from tests.statuses import info_of, status_of

RUN_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ab"
HERE = "here"

ERRORS: Sequence[HeadgateError] = (
    InvalidRequestError([FieldViolation("a", "must be b")]),
    PageTokenMismatchError(),
    ResumeTokenMismatchError(),
    FlowNotFoundError("flow"),
    FlowRunNotFoundError("run"),
    TaskRunNotFoundError("task"),
    FlowRunInputNotFoundError("run", "key"),
    ConcurrencyLimitNotFoundError("limit"),
    ConcurrencyLimitNotFoundError(tag="tag"),
    WorkPoolNotFoundError("pool"),
    WorkQueueNotFoundError("queue"),
    WorkQueueNotFoundError(work_pool_name="pool", name="queue"),
    VariableNotFoundError("name"),
    InputKeyExistsError("run", "key"),
    TaskRunExistsError("task"),
    WorkPoolExistsError("pool"),
    WorkQueueExistsError("pool", "queue"),
    WorkPoolNameReservedError("prefect"),
    WorkQueueIsDefaultError("pool", "default"),
    VariableExistsError("name"),
    VersionMismatchError("run", 1, 2),
    VersionMismatchError("task", 1, 2, is_task_run=True),
    StateNotAllowedError("Not in this state.", flow_run_id="run", state_type="RUNNING"),
    DeploymentRequiredError("run"),
    DeploymentNotFoundError("deployment"),
    DeploymentNotFoundError(flow_name="flow", deployment_name="deployment"),
    ParametersNotHydratedError("deployment", "Error hydrating."),
    ParametersInvalidError("deployment", "Error creating."),
    ParameterSchemaInvalidError("deployment", "Invalid schema."),
    ParameterSchemaRequiredError("deployment"),
    JobVariablesInvalidError("deployment", "Error creating."),
    WorkPoolRequiredError("deployment"),
    RequestIdReusedError("request"),
    DataConflictError(),
    EpochChangedError(),
    RevisionCompactedError(7),
    SlowConsumerError(HERE),
    SlowConsumerError(),
    GraphTooLargeError("run", 3),
    GraphTooLargeError("run", 300, is_in_bytes=True),
    OverloadedError(),
    DatabaseUnavailableError(),
    ServerDrainingError(),
    ServerDrainingError(HERE),
    WatchAgedError(HERE),
    WatchAgedError(),
    RevisionNotReachedError(9, 7),
)
MADE_AT_THE_DOOR = {MethodNotFoundError, DeadlineExceededError, InternalError, ServiceUnknownError}


async def refusal_of_a_call(door: Door) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await pb.FlowRunServiceStub(door.channel).GetFlowRun(
            pb.GetFlowRunRequest(flow_run_id=RUN_ID)
        )
    return caught.value


def test_every_error_that_operations_raise_is_tried() -> None:
    assert {type(error) for error in ERRORS} == set(STATUS) - MADE_AT_THE_DOOR


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_a_refused_call_tells_its_reason_and_its_facts(
    door: Door, error: HeadgateError
) -> None:
    door.flow_runs.answers["get"] = error

    refusal = await refusal_of_a_call(door)

    mapped = STATUS[type(error)]
    assert refusal.code() is mapped.code
    assert refusal.details() == str(error)
    info = info_of(refusal)
    assert pb.ErrorReason.Value(f"ERROR_REASON_{info.reason}") == mapped.reason
    assert info.domain == "headgate"
    assert dict(info.metadata) == error.facts


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_a_watch_that_is_ended_tells_its_reason_and_its_facts(
    door: Door, error: HeadgateError
) -> None:
    door.watching.end = error

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await pb.FlowRunServiceStub(door.channel).WatchFlowRuns(pb.WatchFlowRunsRequest()).read()

    assert caught.value.code() is STATUS[type(error)].code
    assert dict(info_of(caught.value).metadata) == error.facts


async def test_a_wrong_request_never_reaches_the_operation(door: Door) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await pb.FlowRunServiceStub(door.channel).GetFlowRun(
            pb.GetFlowRunRequest(flow_run_id="x", min_revision=-1)
        )

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert info_of(caught.value).reason == "INVALID_REQUEST"
    listed = BadRequest()
    assert status_of(caught.value).details[1].Unpack(listed)
    assert [each.field for each in listed.field_violations] == ["flow_run_id", "min_revision"]
    assert door.flow_runs.asked == []


async def test_a_request_with_as_many_faults_as_fit_in_it_is_still_refused_in_full_form(
    door: Door,
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await pb.FlowRunServiceStub(door.channel).WaitFlowRuns(
            pb.WaitFlowRunsRequest(flow_run_ids=["x"] * 1000)
        )

    assert info_of(caught.value).reason == "INVALID_REQUEST"
