"""Conflicts: what is stored stands in the way. `errors` draws them among all the others."""

from headgate_server.model.errors import HeadgateError


class AlreadyExistsError(HeadgateError):
    """What the request would create is there already."""


class InputKeyExistsError(AlreadyExistsError):
    """The run has an input with this key."""

    def __init__(self, flow_run_id: str, key: str) -> None:
        super().__init__(
            "A flow run input with this key already exists.", flow_run_id=flow_run_id, key=key
        )


class TaskRunExistsError(AlreadyExistsError):
    """The id belongs to a task run that was created for something else."""

    def __init__(self, task_run_id: str) -> None:
        super().__init__("A task run with this id already exists.", task_run_id=task_run_id)


class VariableExistsError(AlreadyExistsError):
    """There is a variable with this name."""

    def __init__(self, name: str) -> None:
        super().__init__("A variable with this name already exists.", name=name)


class WorkPoolExistsError(AlreadyExistsError):
    """There is a work pool with this name."""

    def __init__(self, name: str) -> None:
        super().__init__("A work pool with this name already exists.", name=name)


class WorkQueueExistsError(AlreadyExistsError):
    """The work pool has a queue with this name."""

    def __init__(self, work_pool_name: str, name: str) -> None:
        super().__init__(
            "A work queue with this name already exists in the work pool.",
            work_pool_name=work_pool_name,
            name=name,
        )


class VersionMismatchError(HeadgateError):
    """The run is not at the version that the caller expected."""

    def __init__(
        self, run_id: str, expected: int, current: int, *, is_task_run: bool = False
    ) -> None:
        kind = "task run" if is_task_run else "flow run"
        super().__init__(
            f"The {kind} is at version {current}, not at version {expected}",
            **{"task_run_id" if is_task_run else "flow_run_id": run_id},
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


class ParameterSchemaRequiredError(PreconditionError):
    """The schema of the parameters is to be enforced, and the deployment has none."""

    def __init__(self, deployment_id: str) -> None:
        super().__init__(
            "Error updating deployment: Cannot update parameters because parameter schema enforcement is enabled and the"
            " deployment does not have a valid parameter schema.",
            deployment_id=deployment_id,
        )


class WorkPoolRequiredError(PreconditionError):
    """A work queue was asked for, and the deployment has no work pool."""

    def __init__(self, deployment_id: str) -> None:
        super().__init__(
            "The deployment has no work pool that could have the work queue.",
            deployment_id=deployment_id,
        )


class RequestIdReusedError(PreconditionError):
    """The request id belongs to a different request."""

    def __init__(self, request_id: str) -> None:
        super().__init__("The request id was used for a different request.", request_id=request_id)


class WorkQueueIsDefaultError(PreconditionError):
    """The queue is the default queue of its work pool, which goes only with the work pool."""

    def __init__(self, work_pool_name: str, name: str) -> None:
        super().__init__(
            "The default queue of a work pool cannot be deleted.",
            work_pool_name=work_pool_name,
            name=name,
        )


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
