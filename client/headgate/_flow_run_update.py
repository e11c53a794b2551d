"""The request to change fields of a flow run: the new values, and the mask that names them."""

from collections.abc import Iterable
from datetime import timedelta
from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask

from headgate import v1 as pb
from headgate._convert import from_timedelta
from headgate._json import to_object_text
from headgate.models import UNSET, Id, Unset
from headgate.states import JsonObject

ValueT = TypeVar("ValueT")


def flow_run_update(
    flow_run_id: Id,
    *,
    name: str | Unset,
    flow_version: str | Unset | None,
    parameters: JsonObject | Unset,
    tags: Iterable[str] | Unset,
    infrastructure_pid: str | Unset | None,
    job_variables: JsonObject | Unset,
    retries: int | Unset | None,
    retry_delay: timedelta | Unset | None,
) -> pb.UpdateFlowRunRequest:
    """Return the request that changes what is given, and clears what is None.

    Raises:
        ValueError: The parameters or the job variables are not JSON.
    """
    delay = _given(retry_delay)
    run = pb.FlowRun(
        id=str(flow_run_id),
        name=_given(name) or "",
        flow_version=_given(flow_version),
        parameters_json=_object_text(parameters, "parameters"),
        tags=_given(tags),
        infrastructure_pid=_given(infrastructure_pid),
        job_variables_json=_object_text(job_variables, "job_variables"),
        policy=pb.FlowRunPolicy(
            retries=_given(retries),
            retry_delay=None if delay is None else from_timedelta(delay),
        ),
    )
    paths = {
        "name": name,
        "flow_version": flow_version,
        "parameters_json": parameters,
        "tags": tags,
        "infrastructure_pid": infrastructure_pid,
        "job_variables_json": job_variables,
        "policy.retries": retries,
        "policy.retry_delay": retry_delay,
    }
    mask = FieldMask(paths=[path for path, value in paths.items() if value is not UNSET])
    return pb.UpdateFlowRunRequest(flow_run=run, update_mask=mask)


def _given(value: ValueT | Unset | None) -> ValueT | None:
    return None if isinstance(value, Unset) else value


def _object_text(value: JsonObject | Unset, field: str) -> str | None:
    return None if isinstance(value, Unset) else to_object_text(value, field)
