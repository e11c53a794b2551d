"""Errors: how each refusal goes out. The only place that knows status codes.

Every status carries a `google.rpc.Status` with exactly one `ErrorInfo`. Details travel in the trailers, where there is little
room: a proxy that finds them too long loses the whole answer, so long lists and long texts are cut.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import grpc
import msgspec
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status

from headgate import v1 as pb
from headgate_server.model import conflicts, errors
from headgate_server.model.errors import HeadgateError
from headgate_server.rpc.convert.times import write_span

DOMAIN: Final = "headgate"
"""The domain of every `ErrorInfo`."""
DETAILS_KEY: Final = "grpc-status-details-bin"
"""The trailer that holds the details."""

ITEM_VIOLATIONS_MAX: Final = 20
"""Wrong fields of one item that are listed."""

_MESSAGE_BYTES: Final = 500
_VIOLATIONS_BYTES: Final = 2500
_REASON_PREFIX: Final = "ERROR_REASON_"


class MethodNotFoundError(HeadgateError):
    """There is no such method. Raised and sent at the door."""

    def __init__(self, method: str) -> None:
        super().__init__("The server has no such method.", method=method[:200])


class DeadlineExceededError(HeadgateError):
    """The call took longer than the server lets a call take. Raised and sent at the door."""

    def __init__(self) -> None:
        super().__init__("The call took too long.")


class InternalError(HeadgateError):
    """Something unforeseen happened. Raised and sent at the door."""

    def __init__(self, error_id: str) -> None:
        super().__init__("Something unforeseen happened.", error_id=error_id)


class ServiceUnknownError(HeadgateError):
    """There is no such service to tell the health of. Raised and sent at the door."""

    def __init__(self) -> None:
        super().__init__("The server has no such service.")


class Mapped(NamedTuple):
    """How one class of errors goes out."""

    code: grpc.StatusCode
    reason: pb.ErrorReason.ValueType | None
    """None for what another protocol prescribes, which knows no reasons."""
    resource: str = ""
    """For what was not found: its message in the contract, or a word for what has none."""


_Code: Final = grpc.StatusCode

# fmt: off
STATUS: Final[Mapping[type[HeadgateError], Mapped]] = {
    errors.InvalidRequestError:             Mapped(_Code.INVALID_ARGUMENT,    pb.ERROR_REASON_INVALID_REQUEST),
    errors.PageTokenMismatchError:          Mapped(_Code.INVALID_ARGUMENT,    pb.ERROR_REASON_PAGE_TOKEN_MISMATCH),
    errors.ResumeTokenMismatchError:        Mapped(_Code.INVALID_ARGUMENT,    pb.ERROR_REASON_RESUME_TOKEN_MISMATCH),
    errors.ParametersNotHydratedError:      Mapped(_Code.INVALID_ARGUMENT,    pb.ERROR_REASON_PARAMETERS_NOT_HYDRATED),
    errors.ParametersInvalidError:          Mapped(_Code.INVALID_ARGUMENT,    pb.ERROR_REASON_PARAMETERS_INVALID),
    errors.ParameterSchemaInvalidError:     Mapped(_Code.INVALID_ARGUMENT,    pb.ERROR_REASON_PARAMETER_SCHEMA_INVALID),
    errors.JobVariablesInvalidError:        Mapped(_Code.INVALID_ARGUMENT,    pb.ERROR_REASON_JOB_VARIABLES_INVALID),
    errors.FlowNotFoundError:               Mapped(_Code.NOT_FOUND,           pb.ERROR_REASON_FLOW_NOT_FOUND, "headgate.v1.Flow"),
    errors.FlowRunNotFoundError:            Mapped(_Code.NOT_FOUND,           pb.ERROR_REASON_FLOW_RUN_NOT_FOUND, "headgate.v1.FlowRun"),
    errors.TaskRunNotFoundError:            Mapped(_Code.NOT_FOUND,           pb.ERROR_REASON_TASK_RUN_NOT_FOUND, "headgate.v1.TaskRun"),
    errors.FlowRunInputNotFoundError:       Mapped(_Code.NOT_FOUND,           pb.ERROR_REASON_FLOW_RUN_INPUT_NOT_FOUND, "headgate.v1.FlowRunInput"),
    errors.ConcurrencyLimitNotFoundError:   Mapped(_Code.NOT_FOUND,           pb.ERROR_REASON_CONCURRENCY_LIMIT_NOT_FOUND, "headgate.v1.ConcurrencyLimit"),
    errors.DeploymentNotFoundError:         Mapped(_Code.NOT_FOUND,           pb.ERROR_REASON_DEPLOYMENT_NOT_FOUND, "headgate.v1.Deployment"),
    errors.WorkPoolNotFoundError:           Mapped(_Code.NOT_FOUND,           pb.ERROR_REASON_WORK_POOL_NOT_FOUND, "headgate.v1.WorkPool"),
    errors.WorkQueueNotFoundError:          Mapped(_Code.NOT_FOUND,           pb.ERROR_REASON_WORK_QUEUE_NOT_FOUND, "headgate.v1.WorkQueue"),
    errors.VariableNotFoundError:           Mapped(_Code.NOT_FOUND,           pb.ERROR_REASON_VARIABLE_NOT_FOUND, "headgate.v1.Variable"),
    conflicts.InputKeyExistsError:          Mapped(_Code.ALREADY_EXISTS,      pb.ERROR_REASON_INPUT_KEY_EXISTS),
    conflicts.TaskRunExistsError:           Mapped(_Code.ALREADY_EXISTS,      pb.ERROR_REASON_TASK_RUN_EXISTS),
    conflicts.WorkPoolExistsError:          Mapped(_Code.ALREADY_EXISTS,      pb.ERROR_REASON_WORK_POOL_EXISTS),
    conflicts.WorkQueueExistsError:         Mapped(_Code.ALREADY_EXISTS,      pb.ERROR_REASON_WORK_QUEUE_EXISTS),
    errors.WorkPoolNameReservedError:       Mapped(_Code.PERMISSION_DENIED,   pb.ERROR_REASON_WORK_POOL_NAME_RESERVED),
    conflicts.VariableExistsError:          Mapped(_Code.ALREADY_EXISTS,      pb.ERROR_REASON_VARIABLE_EXISTS),
    conflicts.VersionMismatchError:         Mapped(_Code.ABORTED,             pb.ERROR_REASON_VERSION_MISMATCH),
    conflicts.StateNotAllowedError:         Mapped(_Code.FAILED_PRECONDITION, pb.ERROR_REASON_STATE_NOT_ALLOWED),
    conflicts.DeploymentRequiredError:      Mapped(_Code.FAILED_PRECONDITION, pb.ERROR_REASON_DEPLOYMENT_REQUIRED),
    conflicts.ParameterSchemaRequiredError: Mapped(_Code.FAILED_PRECONDITION, pb.ERROR_REASON_PARAMETER_SCHEMA_REQUIRED),
    conflicts.WorkPoolRequiredError:        Mapped(_Code.FAILED_PRECONDITION, pb.ERROR_REASON_WORK_POOL_REQUIRED),
    conflicts.RequestIdReusedError:         Mapped(_Code.FAILED_PRECONDITION, pb.ERROR_REASON_REQUEST_ID_REUSED),
    conflicts.WorkQueueIsDefaultError:      Mapped(_Code.FAILED_PRECONDITION, pb.ERROR_REASON_WORK_QUEUE_IS_DEFAULT),
    conflicts.DataConflictError:            Mapped(_Code.FAILED_PRECONDITION, pb.ERROR_REASON_DATA_CONFLICT),
    conflicts.EpochChangedError:            Mapped(_Code.FAILED_PRECONDITION, pb.ERROR_REASON_EPOCH_CHANGED),
    errors.RevisionCompactedError:          Mapped(_Code.OUT_OF_RANGE,        pb.ERROR_REASON_REVISION_COMPACTED),
    errors.SlowConsumerError:               Mapped(_Code.RESOURCE_EXHAUSTED,  pb.ERROR_REASON_SLOW_CONSUMER),
    errors.GraphTooLargeError:              Mapped(_Code.RESOURCE_EXHAUSTED,  pb.ERROR_REASON_GRAPH_TOO_LARGE),
    errors.OverloadedError:                 Mapped(_Code.RESOURCE_EXHAUSTED,  pb.ERROR_REASON_OVERLOADED),
    errors.DatabaseUnavailableError:        Mapped(_Code.UNAVAILABLE,         pb.ERROR_REASON_DATABASE_UNAVAILABLE),
    errors.ServerDrainingError:             Mapped(_Code.UNAVAILABLE,         pb.ERROR_REASON_SERVER_DRAINING),
    errors.WatchAgedError:                  Mapped(_Code.UNAVAILABLE,         pb.ERROR_REASON_WATCH_AGED),
    errors.RevisionNotReachedError:         Mapped(_Code.UNAVAILABLE,         pb.ERROR_REASON_REVISION_NOT_REACHED),
    MethodNotFoundError:                    Mapped(_Code.UNIMPLEMENTED,       pb.ERROR_REASON_METHOD_NOT_FOUND),
    DeadlineExceededError:                  Mapped(_Code.DEADLINE_EXCEEDED,   pb.ERROR_REASON_DEADLINE_EXCEEDED),
    ServiceUnknownError:                    Mapped(_Code.NOT_FOUND,           None),
    InternalError:                          Mapped(_Code.INTERNAL,            pb.ERROR_REASON_INTERNAL),
}
"""How each refusal goes out. What is not in the table is a bug, and goes out as an `InternalError`."""
# fmt: on


class Refusal(msgspec.Struct, frozen=True):
    """A refusal in the form in which it is sent."""

    code: grpc.StatusCode
    reason: str
    """The name of an `ErrorReason` without its prefix. Empty for what another protocol prescribes."""
    message: str
    details: bytes
    """A `google.rpc.Status`."""
    error_id: str | None = None
    """For an internal error: what its log entry is found by."""


def refusal_for(error: HeadgateError) -> Refusal:
    """Say how an error of the table goes out."""
    code, number, resource = STATUS[type(error)]
    reason = "" if number is None else pb.ErrorReason.Name(number).removeprefix(_REASON_PREFIX)
    message = _shorten(str(error))
    status = Status(code=code.value[0], message=message)
    if reason:
        info = ErrorInfo(reason=reason, domain=DOMAIN, metadata=error.facts)
        status.details.add().Pack(info)
    for detail in _further_details(error, resource):
        status.details.add().Pack(detail)
    return Refusal(code, reason, message, status.SerializeToString(), error.facts.get("error_id"))


def write_refusal(error: HeadgateError, message: pb.ItemRefusal) -> None:
    """Write why one item of a batch was refused, as a call by itself would have been."""
    code, number, _ = STATUS[type(error)]
    message.code = code.value[0]
    message.reason = number or pb.ERROR_REASON_UNSPECIFIED
    message.message = _shorten(str(error))
    message.metadata.update(error.facts)
    if isinstance(error, errors.InvalidRequestError):
        for violation in error.violations[:ITEM_VIOLATIONS_MAX]:
            message.violations.add(field=violation.field, description=violation.description)


def _further_details(error: HeadgateError, resource: str) -> Iterator[Message]:
    if isinstance(error, errors.InvalidRequestError):
        yield _bad_request(error)
    if resource:
        name = "/".join(error.facts.values())
        yield ResourceInfo(resource_type=resource, resource_name=name, description=str(error))
    if error.retry_delay is not None:
        retry = RetryInfo()
        write_span(error.retry_delay, retry.retry_delay)
        yield retry


def _bad_request(error: errors.InvalidRequestError) -> BadRequest:
    """List what is wrong. Where there is no room for all of it, the last entry tells how much is left out."""
    bad_request = BadRequest()
    for index, violation in enumerate(error.violations):
        bad_request.field_violations.add(field=violation.field, description=violation.description)
        if bad_request.ByteSize() > _VIOLATIONS_BYTES:
            left_out = len(error.violations) - index
            bad_request.field_violations[-1].field = ""
            bad_request.field_violations[-1].description = f"and {left_out} more"
            break
    return bad_request


def _shorten(text: str) -> str:
    content = text.encode()
    if len(content) <= _MESSAGE_BYTES:
        return text
    return content[: _MESSAGE_BYTES - 3].decode(errors="ignore") + "…"
