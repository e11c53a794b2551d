"""The error border: which error a failed call means. Nothing else in the client reads statuses."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, cast

from google.rpc import error_details_pb2, status_pb2
from grpc import Call, RpcError, StatusCode
from grpc_status import rpc_status

from headgate import errors
from headgate import v1 as pb
from headgate.errors import CallError, FieldViolation

DOMAIN: Final = "headgate"
"""The domain of the reasons that this client understands."""

# fmt: off
BY_REASON: Final[Mapping[str, type[CallError]]] = MappingProxyType({
    "INVALID_REQUEST":           errors.InvalidRequestError,
    "PAGE_TOKEN_MISMATCH":       errors.PageTokenMismatchError,
    "RESUME_TOKEN_MISMATCH":     errors.ResumeTokenMismatchError,
    "PARAMETERS_NOT_HYDRATED":   errors.ParametersNotHydratedError,
    "PARAMETERS_INVALID":        errors.ParametersInvalidError,
    "PARAMETER_SCHEMA_INVALID":  errors.ParameterSchemaInvalidError,
    "JOB_VARIABLES_INVALID":     errors.JobVariablesInvalidError,
    "FLOW_NOT_FOUND":            errors.FlowNotFoundError,
    "FLOW_RUN_NOT_FOUND":        errors.FlowRunNotFoundError,
    "TASK_RUN_NOT_FOUND":        errors.TaskRunNotFoundError,
    "FLOW_RUN_INPUT_NOT_FOUND":  errors.FlowRunInputNotFoundError,
    "CONCURRENCY_LIMIT_NOT_FOUND": errors.ConcurrencyLimitNotFoundError,
    "DEPLOYMENT_NOT_FOUND":      errors.DeploymentNotFoundError,
    "WORK_POOL_NOT_FOUND":       errors.WorkPoolNotFoundError,
    "WORK_QUEUE_NOT_FOUND":      errors.WorkQueueNotFoundError,
    "VARIABLE_NOT_FOUND":        errors.VariableNotFoundError,
    "INPUT_KEY_EXISTS":          errors.InputKeyExistsError,
    "TASK_RUN_EXISTS":           errors.TaskRunExistsError,
    "WORK_POOL_EXISTS":          errors.WorkPoolExistsError,
    "WORK_QUEUE_EXISTS":         errors.WorkQueueExistsError,
    "WORK_POOL_NAME_RESERVED":   errors.WorkPoolNameReservedError,
    "VARIABLE_EXISTS":           errors.VariableExistsError,
    "VERSION_MISMATCH":          errors.VersionMismatchError,
    "STATE_NOT_ALLOWED":         errors.StateNotAllowedError,
    "DEPLOYMENT_REQUIRED":       errors.DeploymentRequiredError,
    "PARAMETER_SCHEMA_REQUIRED": errors.ParameterSchemaRequiredError,
    "WORK_POOL_REQUIRED":        errors.WorkPoolRequiredError,
    "REQUEST_ID_REUSED":         errors.RequestIdReusedError,
    "WORK_QUEUE_IS_DEFAULT":     errors.WorkQueueIsDefaultError,
    "DATA_CONFLICT":             errors.DataConflictError,
    "REVISION_COMPACTED":        errors.RevisionCompactedError,
    "EPOCH_CHANGED":             errors.EpochChangedError,
    "SLOW_CONSUMER":             errors.SlowConsumerError,
    "GRAPH_TOO_LARGE":           errors.GraphTooLargeError,
    "OVERLOADED":                errors.OverloadedError,
    "DATABASE_UNAVAILABLE":      errors.DatabaseUnavailableError,
    "SERVER_DRAINING":           errors.ServerDrainingError,
    "WATCH_AGED":                errors.WatchAgedError,
    "REVISION_NOT_REACHED":      errors.RevisionNotReachedError,
    "METHOD_NOT_FOUND":          errors.MethodNotFoundError,
    "DEADLINE_EXCEEDED":         errors.DeadlineExceededError,
    "INTERNAL":                  errors.InternalError,
})
"""The class for each reason."""

BY_CODE: Final[Mapping[StatusCode, type[CallError]]] = MappingProxyType({
    StatusCode.INVALID_ARGUMENT:     errors.InvalidRequestError,
    StatusCode.NOT_FOUND:            errors.NotFoundError,
    StatusCode.ALREADY_EXISTS:       errors.AlreadyExistsError,
    StatusCode.ABORTED:              errors.AbortedError,
    StatusCode.FAILED_PRECONDITION:  errors.FailedPreconditionError,
    StatusCode.OUT_OF_RANGE:         errors.OutOfRangeError,
    StatusCode.RESOURCE_EXHAUSTED:   errors.ResourceExhaustedError,
    StatusCode.UNAVAILABLE:          errors.UnavailableError,
    StatusCode.UNIMPLEMENTED:        errors.UnimplementedError,
    StatusCode.DEADLINE_EXCEEDED:    errors.DeadlineExceededError,
    StatusCode.INTERNAL:             errors.InternalError,
    StatusCode.UNAUTHENTICATED:      errors.UnauthenticatedError,
    StatusCode.PERMISSION_DENIED:    errors.PermissionDeniedError,
})
"""The class for a status whose reason is unknown or missing."""
# fmt: on


_CODES: Final = {code.value[0]: code for code in StatusCode}
_REASON_PREFIX: Final = "ERROR_REASON_"


def from_rpc_error(error: RpcError) -> CallError:
    """Return the error of this module that a failed call means.

    Args:
        error: What grpc raised, from a blocking call or from `grpc.aio`.
    """
    code, message = error.code(), error.details() or ""
    info, bad_request, retry = _unpacked(error)
    reason = info.reason if info.domain == DOMAIN else None
    if reason is None and code is StatusCode.UNAVAILABLE:
        kind: type[CallError] = errors.ServerUnreachableError
    else:
        kind = BY_REASON.get(reason or "", BY_CODE.get(code, CallError))
    return kind(
        message,
        code=code,
        reason=reason,
        metadata=MappingProxyType(dict(info.metadata)),
        violations=tuple(
            FieldViolation(field=violation.field, description=violation.description)
            for violation in bad_request.field_violations
        ),
        retry_delay=retry.retry_delay.ToTimedelta() if retry.HasField("retry_delay") else None,
    )


def from_item_refusal(refusal: pb.ItemRefusal) -> CallError:
    """Return the error that the refusal of one item of a batch means."""
    code = _CODES.get(refusal.code, StatusCode.UNKNOWN)
    known = pb.ErrorReason.DESCRIPTOR.values_by_number.get(refusal.reason)
    reason = None if known is None else known.name.removeprefix(_REASON_PREFIX)
    kind = BY_REASON.get(reason or "", BY_CODE.get(code, CallError))
    return kind(
        refusal.message,
        code=code,
        reason=reason,
        metadata=MappingProxyType(dict(refusal.metadata)),
        violations=tuple(
            FieldViolation(field=violation.field, description=violation.description)
            for violation in refusal.violations
        ),
    )


def _unpacked(
    error: RpcError,
) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo]:
    found = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    for detail in _status(error).details:
        for message in found:
            if detail.Is(message.DESCRIPTOR):
                detail.Unpack(message)
    return found


def _status(error: RpcError) -> status_pb2.Status:
    try:
        status = rpc_status.from_call(cast("Call", error))
    except ValueError:  # something on the way changed the status, so the details are not its own
        status = None
    return status or status_pb2.Status()
