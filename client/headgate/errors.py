"""Everything that this client raises on its own account.

    HeadgateError
    ├── CallError                       a call was answered with a status other than OK
    │   ├── InvalidRequestError         the request is wrong by itself
    │   │   ├── PageTokenMismatchError
    │   │   ├── ParametersNotHydratedError
    │   │   ├── ParametersInvalidError
    │   │   ├── ParameterSchemaInvalidError
    │   │   ├── JobVariablesInvalidError
    │   │   └── ResumeTokenMismatchError
    │   ├── NotFoundError
    │   │   ├── FlowNotFoundError
    │   │   ├── FlowRunNotFoundError
    │   │   ├── TaskRunNotFoundError
    │   │   ├── FlowRunInputNotFoundError
    │   │   ├── ConcurrencyLimitNotFoundError
    │   │   ├── DeploymentNotFoundError
    │   │   ├── WorkPoolNotFoundError
    │   │   ├── WorkQueueNotFoundError
    │   │   └── VariableNotFoundError
    │   ├── AlreadyExistsError
    │   │   ├── InputKeyExistsError
    │   │   ├── TaskRunExistsError
    │   │   ├── WorkPoolExistsError
    │   │   ├── WorkQueueExistsError
    │   │   └── VariableExistsError
    │   ├── AbortedError                somebody else was faster: read again and decide anew
    │   │   └── VersionMismatchError
    │   ├── FailedPreconditionError     what is stored does not allow it
    │   │   ├── StateNotAllowedError
    │   │   ├── DeploymentRequiredError
    │   │   ├── ParameterSchemaRequiredError
    │   │   ├── WorkPoolRequiredError
    │   │   ├── RequestIdReusedError
    │   │   ├── WorkQueueIsDefaultError
    │   │   ├── DataConflictError
    │   │   └── EpochChangedError
    │   ├── OutOfRangeError
    │   │   └── RevisionCompactedError
    │   ├── ResourceExhaustedError      too much at once, or a message above the size limit
    │   │   ├── GraphTooLargeError
    │   │   ├── SlowConsumerError
    │   │   └── OverloadedError
    │   ├── UnavailableError            try again; what can be repeated was tried already
    │   │   ├── ServerUnreachableError
    │   │   ├── DatabaseUnavailableError
    │   │   ├── ServerDrainingError
    │   │   ├── WatchAgedError
    │   │   └── RevisionNotReachedError
    │   ├── UnimplementedError
    │   │   └── MethodNotFoundError
    │   ├── DeadlineExceededError
    │   ├── InternalError
    │   ├── UnauthenticatedError
    │   └── PermissionDeniedError
    │       └── WorkPoolNameReservedError
    ├── ClientClosedError
    ├── TransitionRefusedError          a helper asked for a state, and the rules said no
    │   ├── PauseRefusedError
    │   ├── SuspendRefusedError
    │   ├── ResumeRefusedError
    │   └── CancelRefusedError
    ├── NotPausedError
    ├── PauseEndedError                 a pause ended, and not by being resumed
    │   ├── FlowPauseTimeoutError
    │   └── FlowRunCancelledError
    ├── FlowRunWaitTimeoutError         also a TimeoutError
    └── ReceiveTimeoutError             also a TimeoutError

Which `CallError` it is follows from the reason that the server gives, never from a text. Other
errors are Python's own: ValueError and TypeError for arguments that were never sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from uuid import UUID

from grpc import StatusCode

from headgate.models import Verdict
from headgate.states import State


class HeadgateError(Exception):
    """Something went wrong in the use of headgate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One field of a request that is wrong."""

    field: str
    """The path of the field, as in `state.details.pause_key`."""
    description: str
    """What was expected of it."""


class CallError(HeadgateError):
    """A call was answered with a status other than OK, for a reason that has no class of its own.

    Attributes:
        code: The status of the call.
        reason: The name of the `ErrorReason`; None if the answer comes from the transport.
        metadata: Facts about the refusal by name, as `ErrorReason` documents them.
        violations: Every field that is wrong, if the request was wrong.
        retry_delay: When to try again, if the server said so.
        attempts: How often the call was tried.
    """

    def __init__(
        self,
        message: str,
        *,
        code: StatusCode = StatusCode.UNKNOWN,
        reason: str | None = None,
        metadata: Mapping[str, str] = MappingProxyType({}),
        violations: tuple[FieldViolation, ...] = (),
        retry_delay: timedelta | None = None,
    ) -> None:
        """Keep the facts of the refusal."""
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.metadata = metadata
        self.violations = violations
        self.retry_delay = retry_delay
        self.attempts = 1
        for violation in violations:
            self.add_note(f"{violation.field}: {violation.description}")


class InvalidRequestError(CallError):
    """The request is wrong by itself; `violations` lists every field that is wrong."""


class PageTokenMismatchError(InvalidRequestError):
    """The page token is not one of this server's, or belongs to a list with other arguments."""


class ResumeTokenMismatchError(InvalidRequestError):
    """The resume token is not one of this server's, or belongs to a watch with other arguments."""


class ParametersNotHydratedError(InvalidRequestError):
    """A placeholder in the parameters cannot be filled in; the text says why."""


class ParametersInvalidError(InvalidRequestError):
    """The parameters do not fit the schema of the deployment; the text says where and why."""


class ParameterSchemaInvalidError(InvalidRequestError):
    """The schema of the parameters of the deployment cannot be used; the text says why."""


class JobVariablesInvalidError(InvalidRequestError):
    """The job variables do not fit the base job template of the work pool; the text says where and why."""


class NotFoundError(CallError):
    """What the call names does not exist, or no longer."""


class FlowNotFoundError(NotFoundError):
    """There is no such flow."""


class FlowRunNotFoundError(NotFoundError):
    """There is no such flow run, or no longer."""


class TaskRunNotFoundError(NotFoundError):
    """There is no such task run."""


class FlowRunInputNotFoundError(NotFoundError):
    """The flow run has no input with this key."""


class ConcurrencyLimitNotFoundError(NotFoundError):
    """There is no such concurrency limit."""


class DeploymentNotFoundError(NotFoundError):
    """There is no such deployment."""


class WorkPoolNotFoundError(NotFoundError):
    """There is no such work pool."""


class WorkQueueNotFoundError(NotFoundError):
    """There is no such work queue."""


class VariableNotFoundError(NotFoundError):
    """There is no such variable."""


class AlreadyExistsError(CallError):
    """What the call would create is there already."""


class InputKeyExistsError(AlreadyExistsError):
    """The flow run has an input with this key."""


class TaskRunExistsError(AlreadyExistsError):
    """There is a task run with this id that was created for something else."""


class WorkPoolExistsError(AlreadyExistsError):
    """There is a work pool with this name."""


class WorkQueueExistsError(AlreadyExistsError):
    """The work pool has a queue with this name."""


class VariableExistsError(AlreadyExistsError):
    """There is a variable with this name."""


class AbortedError(CallError):
    """Somebody else was faster. Nothing was written: read again and decide anew."""


class VersionMismatchError(AbortedError):
    """The run is not at the version that the caller expected. Nothing was written."""

    @property
    def current_version(self) -> int | None:
        """The version of the run. None if the server did not say."""
        version = self.metadata.get("current_version", "")
        return int(version) if version.isdecimal() else None


class FailedPreconditionError(CallError):
    """What is stored does not allow the change. Nothing was written."""


class StateNotAllowedError(FailedPreconditionError):
    """The state of the run does not allow the change."""


class DeploymentRequiredError(FailedPreconditionError):
    """The change needs a deployment, and the run has none or its deployment is gone."""


class ParameterSchemaRequiredError(FailedPreconditionError):
    """The schema of the parameters is to be enforced, and the deployment has none."""


class WorkPoolRequiredError(FailedPreconditionError):
    """A work queue was asked for, and the deployment has no work pool."""


class RequestIdReusedError(FailedPreconditionError):
    """The request id was used before for a different request."""


class WorkQueueIsDefaultError(FailedPreconditionError):
    """The queue is the default queue of its work pool, which goes only with the work pool."""


class DataConflictError(FailedPreconditionError):
    """A stored fact stands in the way that none of the other reasons names."""


class EpochChangedError(FailedPreconditionError):
    """The database is not the one the resume token comes from. Start a watch without a token."""


class OutOfRangeError(CallError):
    """What the call names lies outside of what is kept."""


class RevisionCompactedError(OutOfRangeError):
    """The changes after the resume token are no longer kept. Start a watch without a token."""

    @property
    def oldest_revision(self) -> int | None:
        """The oldest revision that is kept. None if the server did not say."""
        revision = self.metadata.get("oldest_revision", "")
        return int(revision) if revision.isdecimal() else None


class ResourceExhaustedError(CallError):
    """Too much was asked at once, or a message is above the size limit."""


class GraphTooLargeError(ResourceExhaustedError):
    """The graph of the flow run is larger than the server gives; trying again does not help."""


class SlowConsumerError(ResourceExhaustedError):
    """The watcher did not read for longer than the server waits."""


class OverloadedError(ResourceExhaustedError):
    """More calls wait than the server takes. Nothing was done."""


class UnavailableError(CallError):
    """The service cannot answer now. A change may have been made."""


class ServerUnreachableError(UnavailableError):
    """The connection to the server could not be made, or was lost. A change may have been made."""


class DatabaseUnavailableError(UnavailableError):
    """The database did not answer the server. A change may have been made."""


class ServerDrainingError(UnavailableError):
    """The server is shutting down. Nothing was done."""


class WatchAgedError(UnavailableError):
    """The watch has reached the age at which the server ends it."""


class RevisionNotReachedError(UnavailableError):
    """This server has not yet seen the revision asked for in `min_revision`."""


class UnimplementedError(CallError):
    """The server, or something on the way to it, cannot do this."""


class MethodNotFoundError(UnimplementedError):
    """The server has no such method. It may be older than this client."""


class DeadlineExceededError(CallError):
    """The call took longer than it may. A change may have been made."""


class InternalError(CallError):
    """Something unforeseen happened in the server, or on the way to it."""

    @property
    def error_id(self) -> str | None:
        """What to look for in the server's log. None if the error comes from the transport."""
        return self.metadata.get("error_id")


class UnauthenticatedError(CallError):
    """The server does not know who calls."""


class PermissionDeniedError(CallError):
    """The server knows who calls, and does not let them."""


class WorkPoolNameReservedError(PermissionDeniedError):
    """Names of work pools that begin with `prefect` are reserved."""


class ClientClosedError(HeadgateError):
    """The client was used after it was closed, or closed while it was used."""


class TransitionRefusedError(HeadgateError):
    """A helper asked for a state, and the rules said no.

    Attributes:
        flow_run_id: The flow run.
        verdict: What the rules said.
    """

    def __init__(self, message: str, *, flow_run_id: UUID | str, verdict: Verdict) -> None:
        """Keep the facts of the refusal."""
        super().__init__(message)
        self.flow_run_id = flow_run_id
        self.verdict = verdict

    @property
    def state(self) -> State | None:
        """The state of the run at the time."""
        return self.verdict.state


class PauseRefusedError(TransitionRefusedError):
    """The run cannot be paused: it does not run, or the pause key has fired already."""


class SuspendRefusedError(TransitionRefusedError):
    """The run cannot be suspended, for example because it has no deployment."""


class ResumeRefusedError(TransitionRefusedError):
    """The run cannot be resumed so, most often because the answer breaks its schema."""


class CancelRefusedError(TransitionRefusedError):
    """The run cannot be cancelled: it has ended already."""


class NotPausedError(HeadgateError):
    """The run is not paused, so that it cannot be resumed nor its resume be waited for.

    Attributes:
        flow_run_id: The flow run.
    """

    def __init__(self, message: str, *, flow_run_id: UUID | str) -> None:
        """Keep the flow run."""
        super().__init__(message)
        self.flow_run_id = flow_run_id


class PauseEndedError(HeadgateError):
    """A pause ended, and not by being resumed.

    Attributes:
        flow_run_id: The flow run.
        state: The state that ended the pause, or that of the run while nobody resumed it.
    """

    def __init__(self, message: str, *, flow_run_id: UUID | str, state: State | None) -> None:
        """Keep the flow run and the state."""
        super().__init__(message)
        self.flow_run_id = flow_run_id
        self.state = state


class FlowPauseTimeoutError(PauseEndedError, TimeoutError):
    """Nobody resumed the run in time."""


class FlowRunCancelledError(PauseEndedError):
    """The run was cancelled while it was paused."""


class FlowRunWaitTimeoutError(HeadgateError, TimeoutError):
    """The runs that were waited for did not end in time. They themselves go on.

    Attributes:
        flow_run_ids: The runs that have not ended.
        timeout: How long was waited, in seconds.
    """

    def __init__(self, flow_run_ids: tuple[UUID, ...], timeout: float) -> None:
        """Tell which runs were waited for, and how long."""
        seconds = int(timeout) if timeout == int(timeout) else timeout
        subject = (
            f"Flow run with ID {flow_run_ids[0]}"
            if len(flow_run_ids) == 1
            else f"Flow runs with IDs {', '.join(map(str, flow_run_ids))}"
        )
        super().__init__(f"{subject} exceeded watch timeout of {seconds} seconds")
        self.flow_run_ids = flow_run_ids
        self.timeout = timeout


class ReceiveTimeoutError(HeadgateError, TimeoutError):
    """No input came in time."""
