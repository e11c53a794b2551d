"""The error border: which error a failed call means. Nothing else in the client reads statuses."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, cast

from google.rpc import error_details_pb2, status_pb2
from grpc import Call, RpcError, StatusCode
from grpc_status import rpc_status

from headgate import errors
from headgate.errors import CallError, FieldViolation

DOMAIN: Final = "headgate"
"""The domain of the reasons that this client understands."""

# fmt: off
BY_REASON: Final[Mapping[str, type[CallError]]] = MappingProxyType({
    "INVALID_REQUEST":           errors.InvalidRequestError,
    "PAGE_TOKEN_MISMATCH":       errors.PageTokenMismatchError,
    "RESUME_TOKEN_MISMATCH":     errors.ResumeTokenMismatchError,
    "FLOW_NOT_FOUND":            errors.FlowNotFoundError,
    "FLOW_RUN_NOT_FOUND":        errors.FlowRunNotFoundError,
    "TASK_RUN_NOT_FOUND":        errors.TaskRunNotFoundError,
    "FLOW_RUN_INPUT_NOT_FOUND":  errors.FlowRunInputNotFoundError,
    "VARIABLE_NOT_FOUND":        errors.VariableNotFoundError,
    "INPUT_KEY_EXISTS":          errors.InputKeyExistsError,
    "VARIABLE_EXISTS":           errors.VariableExistsError,
    "VERSION_MISMATCH":          errors.VersionMismatchError,
    "STATE_NOT_ALLOWED":         errors.StateNotAllowedError,
    "DEPLOYMENT_REQUIRED":       errors.DeploymentRequiredError,
    "REQUEST_ID_REUSED":         errors.RequestIdReusedError,
    "DATA_CONFLICT":             errors.DataConflictError,
    "REVISION_COMPACTED":        errors.RevisionCompactedError,
    "EPOCH_CHANGED":             errors.EpochChangedError,
    "SLOW_CONSUMER":             errors.SlowConsumerError,
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
