"""Refusals: everything the service says no to, as exceptions with their facts.

Those marked with a star are conflicts with what is stored, and stand in `conflicts`.

HeadgateError
├── InvalidRequestError           a field is wrong by itself
├── UnfitRequestError             what is asked for does not fit a deployment
│   ├── ParametersNotHydratedError
│   ├── ParametersInvalidError
│   ├── ParameterSchemaInvalidError
│   └── JobVariablesInvalidError
├── PageTokenMismatchError        a page token that is not for this list
├── ResumeTokenMismatchError      a resume token that is not for this watch
├── NotFoundError
│   ├── FlowNotFoundError
│   ├── FlowRunNotFoundError
│   ├── TaskRunNotFoundError
│   ├── FlowRunInputNotFoundError
│   ├── ConcurrencyLimitNotFoundError
│   ├── DeploymentNotFoundError
│   ├── WorkPoolNotFoundError
│   ├── WorkQueueNotFoundError
│   └── VariableNotFoundError
├── AlreadyExistsError *
│   ├── InputKeyExistsError
│   ├── TaskRunExistsError
│   ├── WorkPoolExistsError
│   ├── WorkQueueExistsError
│   └── VariableExistsError
├── WorkPoolNameReservedError     the name is not for callers
├── VersionMismatchError *        the run has moved on
├── PreconditionError *
│   ├── StateNotAllowedError
│   ├── DeploymentRequiredError
│   ├── ParameterSchemaRequiredError
│   ├── WorkPoolRequiredError
│   ├── RequestIdReusedError
│   ├── WorkQueueIsDefaultError
│   ├── DataConflictError
│   └── EpochChangedError
├── RevisionCompactedError        the log no longer reaches back so far
├── SlowConsumerError
├── GraphTooLargeError
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


class UnfitRequestError(HeadgateError):
    """What is asked for does not fit the deployment; the text says where and why."""

    def __init__(self, deployment_id: str, message: str) -> None:
        super().__init__(message, deployment_id=deployment_id)


class ParametersNotHydratedError(UnfitRequestError):
    """A placeholder in the parameters cannot be filled in."""


class ParametersInvalidError(UnfitRequestError):
    """The parameters do not fit the schema that is enforced."""


class ParameterSchemaInvalidError(UnfitRequestError):
    """The schema of the parameters cannot be used."""


class JobVariablesInvalidError(UnfitRequestError):
    """The job variables do not fit the base job template of the work pool."""


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


class ConcurrencyLimitNotFoundError(NotFoundError):
    """There is no such concurrency limit, looked for by id or by tag."""

    def __init__(self, limit_id: str | None = None, *, tag: str | None = None) -> None:
        facts = {"concurrency_limit_id": limit_id} if tag is None else {"tag": tag}
        super().__init__("Concurrency limit not found", **facts)


class VariableNotFoundError(NotFoundError):
    """There is no variable with this name."""

    def __init__(self, name: str) -> None:
        super().__init__("Variable not found", name=name)


class DeploymentNotFoundError(NotFoundError):
    """There is no such deployment, looked for by id or by the names of its flow and of itself."""

    def __init__(
        self, deployment_id: str | None = None, *, flow_name: str = "", deployment_name: str = ""
    ) -> None:
        if deployment_id is not None:
            super().__init__("Deployment not found", deployment_id=deployment_id)
            return
        super().__init__(
            "Deployment not found", flow_name=flow_name, deployment_name=deployment_name
        )


class WorkPoolNotFoundError(NotFoundError):
    """There is no work pool with this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f'Work pool "{name}" not found.', name=name)


class WorkQueueNotFoundError(NotFoundError):
    """There is no such work queue, looked for by id or within its work pool by name."""

    def __init__(
        self, queue_id: str | None = None, *, work_pool_name: str = "", name: str = ""
    ) -> None:
        if queue_id is not None:
            super().__init__(f"Work queue with id {queue_id} not found", work_queue_id=queue_id)
            return
        super().__init__(
            f"Work pool queue '{work_pool_name}/{name}' not found.",
            work_pool_name=work_pool_name,
            name=name,
        )


class WorkPoolNameReservedError(HeadgateError):
    """Names of work pools that begin like this one are not for callers."""

    def __init__(self, name: str) -> None:
        super().__init__("Names of work pools that begin with 'prefect' are reserved.", name=name)


class RevisionCompactedError(HeadgateError):
    """The log no longer reaches back to the resume token."""

    def __init__(self, oldest_revision: int) -> None:
        super().__init__(
            f"Changes before revision {oldest_revision} are no longer kept.",
            oldest_revision=oldest_revision,
        )


class SlowConsumerError(HeadgateError):
    """The watcher did not read for longer than the server waits."""

    def __init__(self, resume_token: str | None = None) -> None:
        facts = {} if resume_token is None else {"resume_token": resume_token}
        super().__init__("The watcher reads too slowly.", **facts)


class GraphTooLargeError(HeadgateError):
    """The graph of the flow run has more nodes than the server gives, or does not fit in a message."""

    def __init__(self, flow_run_id: str, most: int, *, is_in_bytes: bool = False) -> None:
        unit = "bytes" if is_in_bytes else "nodes"
        super().__init__(
            f"The graph of flow run {flow_run_id} has more than {most} {unit}.",
            **{"flow_run_id": flow_run_id, f"{unit}_max": most},
        )


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

    def __init__(self, resume_token: str | None = None) -> None:
        facts = {} if resume_token is None else {"resume_token": resume_token}
        super().__init__("The watch has reached its greatest age.", **facts)


class RevisionNotReachedError(UnavailableError):
    """This server has not seen the revision that was asked for."""

    def __init__(self, min_revision: int, head_revision: int) -> None:
        super().__init__(
            f"Revision {min_revision} is not reached; this server is at {head_revision}.",
            min_revision=min_revision,
            head_revision=head_revision,
        )
