"""Runs of deployments: requests read."""

from typing import Final

from headgate import v1 as pb
from headgate_server.model.deployment_commands import CreateDeploymentRun
from headgate_server.model.server_info import Limits
from headgate_server.model.states import ProposedState, StateType
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.states import read_first_state
from headgate_server.rpc.convert.times import DELAY, TIME_TO_LIVE, read_span

_DUE_AT_ONCE: Final = ProposedState(type=StateType.SCHEDULED)


def read_create_deployment_flow_run(
    request: pb.CreateDeploymentFlowRunRequest, limits: Limits
) -> CreateDeploymentRun:
    """Read what run of a deployment to create.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    has = request.HasField
    key, ttl = checks.text(request.idempotency_key, "idempotency_key") or None, None
    if has("idempotency_ttl"):
        ttl = read_span(request.idempotency_ttl, "idempotency_ttl", checks, TIME_TO_LIVE)
        if key is None:
            checks.wrong("idempotency_ttl", "needs idempotency_key")
    return checks.passed(
        CreateDeploymentRun(
            deployment_id=checks.id(request.deployment_id, "deployment_id"),
            name=checks.text(request.name, "name"),
            state=read_first_state(request, checks) if has("state") else _DUE_AT_ONCE,
            parameters_json=checks.json_object(request.parameters_json, "parameters_json")
            if has("parameters_json")
            else "{}",
            enforce_parameter_schema=request.enforce_parameter_schema
            if has("enforce_parameter_schema")
            else None,
            context_json=checks.json_object(request.context_json, "context_json")
            if has("context_json")
            else "{}",
            tags=checks.tags(request.tags, "tags"),
            job_variables_json=checks.json_object(request.job_variables_json, "job_variables_json")
            if has("job_variables_json")
            else "{}",
            work_queue_name=checks.required_text(request.work_queue_name, "work_queue_name")
            if has("work_queue_name")
            else None,
            parent_task_run_id=checks.id(request.parent_task_run_id, "parent_task_run_id")
            if has("parent_task_run_id")
            else None,
            idempotency_key=key,
            idempotency_ttl=ttl,
            retries=checks.count(request.retries, "retries") if has("retries") else None,
            retry_delay=read_span(request.retry_delay, "retry_delay", checks, DELAY)
            if has("retry_delay")
            else None,
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )
