"""Updates of flow runs: requests read."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from headgate import v1 as pb
from headgate_server.model.commands import FlowRunField, UpdateFlowRun
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.times import DELAY, read_span
from headgate_server.rpc.convert.versions import read_expected_version


def read_update_flow_run(request: pb.UpdateFlowRunRequest, limits: Limits) -> UpdateFlowRun:
    """Read what to change of a run. Only the fields that the mask names are looked at.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    named = checks.mask(request.update_mask.paths, tuple(FlowRunField), "update_mask")
    fields = [each for each in FlowRunField if each in named]
    values: dict[str, Any] = {
        each.rpartition(".")[2]: _READERS[each](request.flow_run, f"flow_run.{each}", checks)
        for each in fields
    }
    return checks.passed(
        UpdateFlowRun(
            flow_run_id=checks.id(request.flow_run.id, "flow_run.id"),
            fields=frozenset(fields),
            expected_version=read_expected_version(request, checks),
            request_id=checks.id_if_given(request.request_id, "request_id"),
            **values,
        )
    )


def _read_parameters(run: pb.FlowRun, path: str, checks: Checks) -> str:
    if run.HasField("parameters_json"):
        return checks.json_object(run.parameters_json, path)
    return "{}"


def _read_job_variables(run: pb.FlowRun, path: str, checks: Checks) -> str | None:
    if run.HasField("job_variables_json"):
        return checks.json_object(run.job_variables_json, path)
    return None


def _read_flow_version(run: pb.FlowRun, path: str, checks: Checks) -> str | None:
    return checks.text(run.flow_version, path) if run.HasField("flow_version") else None


def _read_infrastructure_pid(run: pb.FlowRun, path: str, checks: Checks) -> str | None:
    return checks.text(run.infrastructure_pid, path) if run.HasField("infrastructure_pid") else None


def _read_retries(run: pb.FlowRun, path: str, checks: Checks) -> int | None:
    return checks.count(run.policy.retries, path) if run.policy.HasField("retries") else None


def _read_retry_delay(run: pb.FlowRun, path: str, checks: Checks) -> object:
    if run.policy.HasField("retry_delay"):
        return read_span(run.policy.retry_delay, path, checks, DELAY)
    return None


_READERS: Final[Mapping[FlowRunField, Callable[[pb.FlowRun, str, Checks], object]]] = {
    FlowRunField.NAME: lambda run, path, checks: checks.text(run.name, path),
    FlowRunField.FLOW_VERSION: _read_flow_version,
    FlowRunField.PARAMETERS_JSON: _read_parameters,
    FlowRunField.TAGS: lambda run, path, checks: checks.tags(run.tags, path),
    FlowRunField.INFRASTRUCTURE_PID: _read_infrastructure_pid,
    FlowRunField.JOB_VARIABLES_JSON: _read_job_variables,
    FlowRunField.RETRIES: _read_retries,
    FlowRunField.RETRY_DELAY: _read_retry_delay,
}
"""How each field is read; unset ones are cleared."""
