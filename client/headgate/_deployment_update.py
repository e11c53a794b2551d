"""The request to change fields of a deployment: the new values, and the mask that names them."""

from collections.abc import Iterable
from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask

from headgate import v1 as pb
from headgate._convert_deployments import from_schedule
from headgate._json import to_object_text, to_text
from headgate.deployment_models import DeploymentSchedule
from headgate.models import Id, Unset
from headgate.states import Json, JsonObject

ValueT = TypeVar("ValueT")


def deployment_update(
    deployment_id: Id,
    *,
    version: str | Unset | None,
    description: str | Unset | None,
    paused: bool | Unset,
    schedules: Iterable[DeploymentSchedule] | Unset,
    tags: Iterable[str] | Unset,
    parameters: JsonObject | Unset,
    parameter_schema: JsonObject | Unset | None,
    enforce_parameter_schema: bool | Unset,
    job_variables: JsonObject | Unset,
    pull_steps: Json | Unset,
    entrypoint: str | Unset | None,
    path: str | Unset | None,
    work_queue: tuple[str, str | None] | Unset | None,
) -> pb.UpdateDeploymentRequest:
    """Return the request that changes what is given, and clears what is None.

    Raises:
        ValueError: Something is not JSON, or a schedule cannot be sent.
    """
    pool_name, queue_name = _given(work_queue) or (None, None)
    steps = _given(pull_steps)
    deployment = pb.Deployment(
        id=str(deployment_id),
        version=_given(version),
        description=_given(description),
        paused=bool(_given(paused)),
        schedules=map(from_schedule, _given(schedules) or ()),
        tags=_given(tags),
        parameters_json=_object_text(parameters, "parameters"),
        parameter_schema_json=_object_text(parameter_schema, "parameter_schema"),
        enforce_parameter_schema=bool(_given(enforce_parameter_schema)),
        job_variables_json=_object_text(job_variables, "job_variables"),
        pull_steps_json=None if steps is None else to_text(steps, "pull_steps"),
        entrypoint=_given(entrypoint),
        path=_given(path),
        work_pool_name=pool_name,
        work_queue_name=queue_name,
    )
    paths = {
        "version": version,
        "description": description,
        "paused": paused,
        "schedules": schedules,
        "tags": tags,
        "parameters_json": parameters,
        "parameter_schema_json": parameter_schema,
        "enforce_parameter_schema": enforce_parameter_schema,
        "job_variables_json": job_variables,
        "pull_steps_json": pull_steps,
        "entrypoint": entrypoint,
        "path": path,
        "work_queue": work_queue,
    }
    named = [path for path, value in paths.items() if not isinstance(value, Unset)]
    return pb.UpdateDeploymentRequest(deployment=deployment, update_mask=FieldMask(paths=named))


def _given(value: ValueT | Unset | None) -> ValueT | None:
    return None if isinstance(value, Unset) else value


def _object_text(value: JsonObject | Unset | None, field: str) -> str | None:
    given = _given(value)
    return None if given is None else to_object_text(given, field)
