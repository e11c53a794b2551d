"""Shorthands for tests of deployments and their schedules."""

import json
from datetime import timedelta
from typing import Any

from headgate import v1 as pb
from tests.service.world import SCHEDULED, World, at, lasting, texts, types

NO_SCHEMAS = {
    "type": '{"type": 1}',
    "type-of-a-member": '{"properties": {"a": {"type": "words"}}}',
    "member": '{"properties": {"a": 7}}',
    "pattern": '{"properties": {"a": {"pattern": "("}}}',
    "digits": '{"maximum": 1%s}' % ("0" * 5000),
}


async def deployed(
    world: World, flow_id: str = "", name: str = "prod", **fields: Any
) -> pb.Deployment:
    """Create a deployment, of a flow of its own if none is named."""
    return (await deploy(world, flow_id, name, **fields)).deployment


async def deploy(
    world: World, flow_id: str = "", name: str = "prod", **fields: Any
) -> pb.CreateDeploymentResponse:
    """Create a deployment, of a flow of its own if none is named; return the whole answer."""
    flow_id = flow_id or (await world.new_flow()).id
    request = pb.CreateDeploymentRequest(flow_id=flow_id, name=name, **fields)
    return await world.deployments.CreateDeployment(request)


async def the_deployment(world: World, deployment: pb.Deployment | str) -> pb.Deployment:
    """Read a deployment whole."""
    deployment_id = deployment if isinstance(deployment, str) else deployment.id
    request = pb.GetDeploymentRequest(deployment_id=deployment_id)
    return (await world.deployments.GetDeployment(request)).deployment


async def changed(
    world: World, deployment: pb.Deployment, *paths: str, request_id: str = "", **fields: Any
) -> pb.Deployment:
    """Replace the fields of a deployment that the paths name."""
    request = pb.UpdateDeploymentRequest(
        deployment=pb.Deployment(id=deployment.id, **fields), request_id=request_id
    )
    request.update_mask.paths.extend(paths)
    return (await world.deployments.UpdateDeployment(request)).deployment


async def undeployed(world: World, deployment: pb.Deployment, **fields: Any) -> int:
    """Delete a deployment; return how many runs went with it."""
    request = pb.DeleteDeploymentRequest(deployment_id=deployment.id, **fields)
    return (await world.deployments.DeleteDeployment(request)).deleted_flow_runs


async def run_of(
    world: World, deployment: pb.Deployment | str, parameters: object = None, **fields: Any
) -> pb.FlowRun:
    """Create a run of a deployment, with parameters as a Python value."""
    if parameters is not None:
        fields["parameters_json"] = json.dumps(parameters)
    deployment_id = deployment if isinstance(deployment, str) else deployment.id
    request = pb.CreateDeploymentFlowRunRequest(deployment_id=deployment_id, **fields)
    return (await world.deployments.CreateDeploymentFlowRun(request)).flow_run


async def scheduled(world: World, deployment: pb.Deployment | str, **fields: Any) -> list[str]:
    """Let the runs of a deployment be made; return their ids."""
    deployment_id = deployment if isinstance(deployment, str) else deployment.id
    request = pb.ScheduleDeploymentRequest(deployment_id=deployment_id, **fields)
    return list((await world.deployments.ScheduleDeployment(request)).flow_run_ids)


async def waiting_runs(world: World, deployment: pb.Deployment | str) -> list[pb.FlowRun]:
    """Return the SCHEDULED runs of a deployment in the order of their times."""
    deployment_id = deployment if isinstance(deployment, str) else deployment.id
    return await world.listed(
        flow_runs=pb.FlowRunFilter(
            deployment_id=pb.ReferenceFilter(any=texts(deployment_id)),
            state=pb.StateFilter(type_any=types(SCHEDULED)),
        ),
        sort=pb.FLOW_RUN_SORT_NEXT_SCHEDULED_START_TIME_ASC,
        page_size=1000,
    )


def every(interval: timedelta, **fields: Any) -> pb.DeploymentSchedule:
    """Return a schedule of equal distances."""
    anchor = fields.pop("anchor_time", None)
    timezone = fields.pop("timezone", "")
    return pb.DeploymentSchedule(
        interval=pb.IntervalSchedule(
            interval=lasting(interval),
            anchor_time=None if anchor is None else at(anchor),
            timezone=timezone,
        ),
        **fields,
    )


def by_cron(cron: str, timezone: str = "", **fields: Any) -> pb.DeploymentSchedule:
    """Return a schedule by a cron expression."""
    return pb.DeploymentSchedule(
        cron=pb.CronSchedule(cron=cron, timezone=timezone, day_or=fields.pop("day_or", None)),
        **fields,
    )


def by_rrule(rrule: str, timezone: str = "", **fields: Any) -> pb.DeploymentSchedule:
    """Return a schedule by recurrence rules."""
    return pb.DeploymentSchedule(rrule=pb.RruleSchedule(rrule=rrule, timezone=timezone), **fields)


def template(**schema: Any) -> str:
    """Return a base job template whose variables have a schema."""
    names = schema.get("properties", {})
    configuration = {name: f"{{{{ {name} }}}}" for name in names}
    return json.dumps({"job_configuration": configuration, "variables": schema})


async def names(world: World, **fields: Any) -> list[str]:
    """Return the names on the first page of a list."""
    listed = await world.deployments.ListDeployments(pb.ListDeploymentsRequest(**fields))
    return [each.name for each in listed.deployments]
