"""Deployments: requests read, deployments written."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from google.protobuf.message import Message

from headgate import v1 as pb
from headgate_server.model.deployment_commands import (
    CreateDeployment,
    DeleteDeployment,
    DeploymentField,
    UpdateDeployment,
)
from headgate_server.model.deployments import Deployment, DeploymentSort, DeploymentStatus
from headgate_server.model.filters import RunQuery
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.filters import read_run_query
from headgate_server.rpc.convert.paging import read_page
from headgate_server.rpc.convert.schedules import (
    read_schedules,
    refuse_schedule_ids,
    write_schedule,
)
from headgate_server.rpc.convert.times import write_time

DEPLOYMENT_SORTS: Final[Mapping[int, DeploymentSort]] = {
    pb.DEPLOYMENT_SORT_UNSPECIFIED: DeploymentSort.NAME_ASC,
    **{pb.DeploymentSort.Value(f"DEPLOYMENT_SORT_{each}"): each for each in DeploymentSort},
}
"""What the numbers on the wire mean."""
DEPLOYMENT_STATUS_NUMBERS: Final[Mapping[DeploymentStatus, pb.DeploymentStatus.ValueType]] = {
    each: pb.DeploymentStatus.Value(f"DEPLOYMENT_STATUS_{each}") for each in DeploymentStatus
}
"""The number on the wire of each status."""
DESCRIPTION_CHARACTERS: Final = 5000
"""Characters that a description may have."""
PLACE_CHARACTERS: Final = 1000
"""Characters that may tell where the code of a flow is."""

_IS_FULL_WHERE_ONE_IS_READ: Final[Mapping[int, bool]] = {
    pb.DEPLOYMENT_VIEW_UNSPECIFIED: True,
    pb.DEPLOYMENT_VIEW_BASIC: False,
    pb.DEPLOYMENT_VIEW_FULL: True,
}
_IS_FULL_IN_LISTS: Final[Mapping[int, bool]] = {
    **_IS_FULL_WHERE_ONE_IS_READ,
    pb.DEPLOYMENT_VIEW_UNSPECIFIED: False,
}

Get: TypeAlias = tuple[tuple[str | None, str, str], bool]
"""A deployment id or else the names of a flow and of a deployment, and whether all of it is read."""
List: TypeAlias = tuple[RunQuery, DeploymentSort, PageRequest, bool]
"""Which deployments, in which order, which page, and whether all of each is read."""
_Given: TypeAlias = pb.CreateDeploymentRequest | pb.Deployment
"""The messages that tell what a deployment is to be; their fields bear the same names."""


def read_create_deployment(request: pb.CreateDeploymentRequest, limits: Limits) -> CreateDeployment:
    """Read what deployment to create.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    values = _read_fields(request, tuple(DeploymentField), "", checks)
    refuse_schedule_ids(values["schedules"], "schedules", checks)
    if not request.HasField("paused"):
        values["is_paused"] = None
    if not request.name:
        checks.wrong("name", "is required")
    return checks.passed(
        CreateDeployment(
            flow_id=checks.id(request.flow_id, "flow_id"),
            name=checks.flow_name(request.name, "name"),
            **values,
        )
    )


def read_update_deployment(request: pb.UpdateDeploymentRequest, limits: Limits) -> UpdateDeployment:
    """Read what to change of a deployment. Only the fields that the mask names are looked at.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    named = checks.mask(request.update_mask.paths, tuple(DeploymentField), "update_mask")
    fields = [each for each in DeploymentField if each in named]
    values = _read_fields(request.deployment, fields, "deployment.", checks)
    return checks.passed(
        UpdateDeployment(
            deployment_id=checks.id(request.deployment.id, "deployment.id"),
            fields=frozenset(fields),
            request_id=checks.id_if_given(request.request_id, "request_id"),
            **values,
        )
    )


def _read_fields(
    message: _Given, fields: Iterable[DeploymentField], path: str, checks: Checks
) -> dict[str, Any]:
    """Read some fields; unset ones are cleared."""
    values: dict[str, Any] = {}
    for field in fields:
        values |= _READERS[field](message, path, checks)
    return values


_Reader: TypeAlias = Callable[[Any, str, Checks], Mapping[str, Any]]


def _text_reader(name: str, characters: int | None = None) -> _Reader:
    def read(message: Message, path: str, checks: Checks) -> Mapping[str, Any]:
        if not message.HasField(name):
            return {name: None}
        return {name: checks.text(getattr(message, name), f"{path}{name}", characters)}

    return read


def _json_reader(name: str, unset: str | None, *, is_object: bool = True) -> _Reader:
    def read(message: Message, path: str, checks: Checks) -> Mapping[str, Any]:
        if not message.HasField(name):
            return {name: unset}
        check = checks.json_object if is_object else checks.json
        return {name: check(getattr(message, name), f"{path}{name}")}

    return read


def _read_schedules(message: _Given, path: str, checks: Checks) -> Mapping[str, Any]:
    return {"schedules": read_schedules(message.schedules, f"{path}schedules", checks)}


def _read_queue(message: _Given, path: str, checks: Checks) -> Mapping[str, Any]:
    has = message.HasField
    pool = queue = None
    if has("work_pool_name"):
        pool = checks.required_text(message.work_pool_name, f"{path}work_pool_name")
    if has("work_queue_name"):
        queue = checks.required_text(message.work_queue_name, f"{path}work_queue_name")
        if pool is None:
            checks.wrong(f"{path}work_queue_name", "needs work_pool_name")
    return {"work_pool_name": pool, "work_queue_name": queue}


_READERS: Final[Mapping[DeploymentField, _Reader]] = {
    DeploymentField.VERSION: _text_reader("version"),
    DeploymentField.DESCRIPTION: _text_reader("description", DESCRIPTION_CHARACTERS),
    DeploymentField.PAUSED: lambda message, _path, _checks: {"is_paused": message.paused},
    DeploymentField.SCHEDULES: _read_schedules,
    DeploymentField.TAGS: lambda message, path, checks: {
        "tags": checks.tags(message.tags, f"{path}tags")
    },
    DeploymentField.PARAMETERS_JSON: _json_reader("parameters_json", "{}"),
    DeploymentField.PARAMETER_SCHEMA_JSON: _json_reader("parameter_schema_json", None),
    DeploymentField.ENFORCE_PARAMETER_SCHEMA: lambda message, _path, _checks: {
        "enforce_parameter_schema": message.enforce_parameter_schema
    },
    DeploymentField.JOB_VARIABLES_JSON: _json_reader("job_variables_json", "{}"),
    DeploymentField.PULL_STEPS_JSON: _json_reader("pull_steps_json", None, is_object=False),
    DeploymentField.ENTRYPOINT: _text_reader("entrypoint", PLACE_CHARACTERS),
    DeploymentField.PATH: _text_reader("path", PLACE_CHARACTERS),
    DeploymentField.WORK_QUEUE: _read_queue,
}
"""How each field is read."""


def read_get_deployment(request: pb.GetDeploymentRequest, limits: Limits) -> Get:
    """Read which deployment to get.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    deployment_id: str | None = None
    flow_name = deployment_name = ""
    match request.WhichOneof("deployment"):
        case "deployment_id":
            deployment_id = checks.id(request.deployment_id, "deployment_id")
        case "name":
            flow_name = checks.text(request.name.flow_name, "name.flow_name")
            deployment_name = checks.required_text(
                request.name.deployment_name, "name.deployment_name"
            )
        case None:
            checks.wrong("deployment", "is required: give deployment_id or name")
    is_full = checks.choice(request.view, _IS_FULL_WHERE_ONE_IS_READ, "view")
    return checks.passed(((deployment_id, flow_name, deployment_name), is_full))


def read_list_deployments(request: pb.ListDeploymentsRequest, limits: Limits) -> List:
    """Read which deployments to list.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        (
            read_run_query(request, checks),
            checks.choice(request.sort, DEPLOYMENT_SORTS, "sort"),
            read_page(request.page_size, request.page_token, checks, offset=request.offset),
            checks.choice(request.view, _IS_FULL_IN_LISTS, "view"),
        )
    )


def read_count_deployments(request: pb.CountDeploymentsRequest, limits: Limits) -> RunQuery:
    """Read which deployments to count.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(read_run_query(request, checks))


def read_delete_deployment(request: pb.DeleteDeploymentRequest, limits: Limits) -> DeleteDeployment:
    """Read which deployment to delete.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        DeleteDeployment(
            deployment_id=checks.id(request.deployment_id, "deployment_id"),
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )


def write_deployment(
    deployment: Deployment, message: pb.Deployment, *, is_full: bool = True
) -> None:
    """Write a deployment, in FULL or in BASIC view."""
    message.id = deployment.id
    message.flow_id = deployment.flow_id
    message.name = deployment.name
    write_time(deployment.create_time, message.create_time)
    write_time(deployment.update_time, message.update_time)
    message.paused = deployment.is_paused
    for schedule in deployment.schedules:
        write_schedule(schedule, message.schedules.add())
    message.tags.extend(deployment.tags)
    message.enforce_parameter_schema = deployment.enforce_parameter_schema
    message.status = DEPLOYMENT_STATUS_NUMBERS[deployment.status]
    if deployment.last_polled_time is not None:
        write_time(deployment.last_polled_time, message.last_polled_time)
    for name in _KNOWN_OR_UNSET:
        value = getattr(deployment, name)
        if value is not None:
            setattr(message, name, value)
    if is_full:
        _write_json(deployment, message)


_KNOWN_OR_UNSET: Final = (
    *("version", "description", "entrypoint", "path"),
    *("work_queue_id", "work_queue_name", "work_pool_name"),
)


def _write_json(deployment: Deployment, message: pb.Deployment) -> None:
    message.parameters_json = deployment.parameters_json
    message.job_variables_json = deployment.job_variables_json
    if deployment.parameter_schema_json is not None:
        message.parameter_schema_json = deployment.parameter_schema_json
    if deployment.pull_steps_json is not None:
        message.pull_steps_json = deployment.pull_steps_json


def write_deployment_page(
    page: Page[Deployment], message: pb.ListDeploymentsResponse, *, is_full: bool
) -> None:
    """Write a page of deployments."""
    for deployment in page.items:
        write_deployment(deployment, message.deployments.add(), is_full=is_full)
    message.next_page_token = page.next_token
