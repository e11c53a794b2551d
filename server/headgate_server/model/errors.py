"""Refusals: everything the service says no to, as exceptions with their facts.

HeadgateError
├── InvalidRequestError           a field is wrong by itself
├── PageTokenMismatchError        a page token that is not for this list
├── ResumeTokenMismatchError      a resume token that is not for this watch
├── NotFoundError
│   ├── FlowNotFoundError
│   ├── FlowRunNotFoundError
│   ├── TaskRunNotFoundError
│   ├── FlowRunInputNotFoundError
│   └── VariableNotFoundError
├── AlreadyExistsError
│   ├── InputKeyExistsError
│   └── VariableExistsError
├── VersionMismatchError          the run has moved on
├── PreconditionError
│   ├── StateNotAllowedError
│   ├── DeploymentRequiredError
│   ├── RequestIdReusedError
│   ├── DataConflictError
│   └── EpochChangedError
├── RevisionCompactedError        the log no longer reaches back so far
├── SlowConsumerError
├── OverloadedError
└── UnavailableError
    ├── DatabaseUnavailableError
    ├── ServerDrainingError
    ├── WatchAgedError
    └── RevisionNotReachedError
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

import msgspec


class FieldViolation(msgspec.Struct, frozen=True):
    """One field of a request that is wrong."""

    field: str
    """Path of the field, as in `state.details.scheduled_time` or `inputs[2].key`."""
    description: str
    """What was expected of it."""


class HeadgateError(Exception):
    """The service refuses.

    Attributes:
        facts: What varies in the message, by name; sent along as metadata.
        retry_delay: When trying again may help; None if it will not.
    """

    retry_delay: ClassVar[timedelta | None] = None

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.facts: Mapping[str, str] = {name: str(value) for name, value in facts.items()}


class InvalidRequestError(HeadgateError):
    """Fields of the request are wrong by themselves; all of them are listed."""

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        listed = "; ".join(f"{each.field}: {each.description}" for each in violations)
        super().__init__(f"The request is not valid: {listed}")
        self.violations = tuple(violations)


class PageTokenMismatchError(HeadgateError):
    """A page token was not made here, or was made for a list with other arguments."""

    def __init__(self) -> None:
        super().__init__("The page token does not belong to a list with these arguments.")


class ResumeTokenMismatchError(HeadgateError):
    """A resume token was not made here, or was made for a watch with other arguments."""

    def __init__(self) -> None:
        super().__init__("The resume token does not belong to a watch with these arguments.")


class NotFoundError(HeadgateError):
    """What the request names does not exist, or no longer."""


class FlowNotFoundError(NotFoundError):
    """There is no such flow, looked for by id or by name."""

    def __init__(self, flow_id: str | None = None, *, name: str | None = None) -> None:
        facts = {"flow_id": flow_id} if name is None else {"name": name}
        super().__init__("Flow not found", **facts)


class FlowRunNotFoundError(NotFoundError):
    """There is no such flow run."""

    def __init__(self, flow_run_id: str) -> None:
        super().__init__(f"Flow run with id {flow_run_id} not found", flow_run_id=flow_run_id)


class TaskRunNotFoundError(NotFoundError):
    """There is no such task run."""

    def __init__(self, task_run_id: str) -> None:
        super().__init__(f"Task run with id {task_run_id} not found", task_run_id=task_run_id)


class FlowRunInputNotFoundError(NotFoundError):
    """The run has no input with this key."""

    def __init__(self, flow_run_id: str, key: str) -> None:
        super().__init__("Flow run input not found", flow_run_id=flow_run_id, key=key)


class VariableNotFoundError(NotFoundError):
    """There is no variable with this name."""

    def __init__(self, name: str) -> None:
        super().__init__("Variable not found", name=name)


class AlreadyExistsError(HeadgateError):
    """What the request would create is there already."""


class InputKeyExistsError(AlreadyExistsError):
    """The run has an input with this key."""

    def __init__(self, flow_run_id: str, key: str) -> None:
        super().__init__(
            "A flow run input with this key already exists.", flow_run_id=flow_run_id, key=key
        )


class VariableExistsError(AlreadyExistsError):
    """There is a variable with this name."""

    def __init__(self, name: str) -> None:
        super().__init__("A variable with this name already exists.", name=name)


class VersionMismatchError(HeadgateError):
    """The run is not at the version that the caller expected."""

    def __init__(self, flow_run_id: str, expected: int, current: int) -> None:
        super().__init__(
            f"The flow run is at version {current}, not at version {expected}",
            flow_run_id=flow_run_id,
            expected_version=expected,
            current_version=current,
        )


class PreconditionError(HeadgateError):
    """Something that is stored stands in the way."""


class StateNotAllowedError(PreconditionError):
    """The state of the run does not allow the change."""


class DeploymentRequiredError(PreconditionError):
    """The change needs a deployment, and there is none."""

    def __init__(self, flow_run_id: str) -> None:
        super().__init__(
            "A deployment for the flow run could not be found", flow_run_id=flow_run_id
        )


class RequestIdReusedError(PreconditionError):
    """The request id belongs to a different request."""

    def __init__(self, request_id: str) -> None:
        super().__init__("The request id was used for a different request.", request_id=request_id)


class DataConflictError(PreconditionError):
    """A constraint of the database stands in the way that no other error names."""

    def __init__(self) -> None:
        super().__init__("The change conflicts with what is stored; nothing was written.")


class EpochChangedError(PreconditionError):
    """The resume token comes from another database, or from before a restore."""

    def __init__(self) -> None:
        super().__init__(
            "The resume token comes from before the database was replaced or restored."
        )


class RevisionCompactedError(HeadgateError):
    """The log no longer reaches back to the resume token."""

    def __init__(self, oldest_revision: int) -> None:
        super().__init__(
            f"Changes before revision {oldest_revision} are no longer kept.",
            oldest_revision=oldest_revision,
        )


class SlowConsumerError(HeadgateError):
    """The watcher did not read for longer than the server waits."""

    def __init__(self, resume_token: str) -> None:
        super().__init__("The watcher reads too slowly.", resume_token=resume_token)


class OverloadedError(HeadgateError):
    """More calls wait than the server takes."""

    retry_delay = timedelta(seconds=1)

    def __init__(self) -> None:
        super().__init__("The server has as much to do as it takes on. Nothing was done.")


class UnavailableError(HeadgateError):
    """The server cannot answer now; trying again helps."""

    retry_delay = timedelta(seconds=1)


class DatabaseUnavailableError(UnavailableError):
    """The database did not answer."""

    def __init__(self) -> None:
        super().__init__("The database does not answer.")


class ServerDrainingError(UnavailableError):
    """The server is shutting down."""

    retry_delay = timedelta(milliseconds=500)

    def __init__(self, resume_token: str | None = None) -> None:
        facts = {} if resume_token is None else {"resume_token": resume_token}
        super().__init__("The server is shutting down.", **facts)


class WatchAgedError(UnavailableError):
    """The watch has reached the age at which the server ends it."""

    retry_delay = timedelta()

    def __init__(self, resume_token: str) -> None:
        super().__init__("The watch has reached its greatest age.", resume_token=resume_token)


class RevisionNotReachedError(UnavailableError):
    """This server has not seen the revision that was asked for."""

    def __init__(self, min_revision: int, head_revision: int) -> None:
        super().__init__(
            f"Revision {min_revision} is not reached; this server is at {head_revision}.",
            min_revision=min_revision,
            head_revision=head_revision,
        )
