"""Changing: `create`, `pause`, `unpause` and `delete`."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from headgate import (
    CronSchedule,
    Deployment,
    DeploymentSchedule,
    IntervalSchedule,
    RruleSchedule,
)
from headgate_server.cli.deployment.naming import Named, find
from headgate_server.cli.examples import examples
from headgate_server.cli.options import (
    DEFAULT_TARGET,
    AsJson,
    NewTags,
    Target,
    connected,
    json_object_or_file,
    span,
)
from headgate_server.cli.output import err, print_json

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    epilog=examples(
        "headgate deployment create etl nightly --cron '0 3 * * *' --timezone Europe/Berlin",
        "headgate deployment create etl often --interval 15m --work-pool docker --parameters '{\"day\": 1}'",
    )
)
def create(
    flow: Annotated[
        str,
        typer.Argument(
            metavar="FLOW", help="The name of the flow, made if missing.", show_default=False
        ),
    ],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The name of the deployment.", show_default=False)
    ],
    *,
    cron: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CRON", help="Run it then, as in '0 3 * * *'. May be given several times."
        ),
    ] = None,
    interval: Annotated[
        list[timedelta] | None,
        typer.Option(
            parser=span, metavar="SPAN", help="Run it so often. May be given several times."
        ),
    ] = None,
    rrule: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RRULE", help="Run it by this rule of RFC 5545. May be given several times."
        ),
    ] = None,
    timezone: Annotated[
        str, typer.Option(metavar="ZONE", help="The time zone of the schedules.")
    ] = "UTC",
    paused: Annotated[
        bool | None,
        typer.Option("--paused/--active", help="Whether the schedules are at rest."),
    ] = None,
    parameters: Annotated[
        dict[str, Any] | None,
        typer.Option(
            parser=json_object_or_file,
            metavar="JSON",
            help="Parameters of its runs: a JSON object, or a file with one.",
        ),
    ] = None,
    schema: Annotated[
        dict[str, Any] | None,
        typer.Option(
            parser=json_object_or_file,
            metavar="JSON",
            help="The JSON schema of the parameters, or a file with it.",
        ),
    ] = None,
    enforce: Annotated[
        bool, typer.Option("--enforce", help="Parameters must fit the schema.")
    ] = False,
    job_variables: Annotated[
        dict[str, Any] | None,
        typer.Option(
            parser=json_object_or_file,
            metavar="JSON",
            help="What its runs tell the infrastructure.",
        ),
    ] = None,
    work_pool: Annotated[
        str | None, typer.Option(metavar="NAME", help="The work pool that runs it.")
    ] = None,
    work_queue: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A queue of the pool, made if missing. Default: its default queue."
        ),
    ] = None,
    entrypoint: Annotated[
        str | None, typer.Option(metavar="PATH:FLOW", help="Where the flow is within its code.")
    ] = None,
    path: Annotated[
        str | None, typer.Option(metavar="PATH", help="Where the code of the flow is.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The version that its runs are marked with.")
    ] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for.")] = None,
    tag: NewTags = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Create a deployment, or replace the one of the flow that has the name, and print its id.

    With --json one object with the members `deployment` and `created`.
    """
    rules: list[IntervalSchedule | CronSchedule | RruleSchedule] = [
        *(CronSchedule(cron=each, timezone=timezone) for each in cron or ()),
        *(IntervalSchedule(interval=each, timezone=timezone) for each in interval or ()),
        *(RruleSchedule(rrule=each, timezone=timezone) for each in rrule or ()),
    ]
    with connected(target) as client:
        flow_id = client.flows.create(flow).flow.id
        made = client.deployments.create(
            flow_id,
            name,
            version=version,
            description=description,
            paused=paused,
            schedules=[DeploymentSchedule(rule=rule) for rule in rules],
            tags=tag or (),
            parameters=parameters,
            parameter_schema=schema,
            enforce_parameter_schema=enforce,
            job_variables=job_variables,
            entrypoint=entrypoint,
            path=path,
            work_pool_name=work_pool,
            work_queue_name=work_queue,
        )
    if as_json:
        print_json(made)
        return
    print(made.deployment.id)  # noqa: T201
    verb = "Created" if made.created else "Replaced"
    err().print(f"{verb} deployment {flow}/{name}", markup=False)


@app.command(epilog=examples("headgate deployment pause etl/nightly"))
def pause(name: Named, *, target: Target = DEFAULT_TARGET, as_json: AsJson = False) -> None:
    """Put the schedules of a deployment to rest. Runs that wait to be due are deleted."""
    _set_paused(name, target, is_paused=True, as_json=as_json)


@app.command(epilog=examples("headgate deployment unpause etl/nightly"))
def unpause(name: Named, *, target: Target = DEFAULT_TARGET, as_json: AsJson = False) -> None:
    """Put the schedules of a deployment to work again."""
    _set_paused(name, target, is_paused=False, as_json=as_json)


def _set_paused(name: str, target: str, *, is_paused: bool, as_json: bool) -> None:
    with connected(target) as client:
        changed: Deployment = client.deployments.update(find(client, name).id, paused=is_paused)
    if as_json:
        print_json(changed)
    else:
        err().print(
            f"{'Paused' if is_paused else 'Unpaused'} deployment {changed.name}", markup=False
        )


@app.command(epilog=examples("headgate deployment delete etl/nightly"))
def delete(name: Named, *, target: Target = DEFAULT_TARGET, as_json: AsJson = False) -> None:
    """Delete a deployment with its schedules and the runs that wait to be due. Other runs stay."""
    with connected(target) as client:
        found = find(client, name)
        count = client.deployments.delete(found.id)
    if as_json:
        print_json({"deployment_id": found.id, "deleted_flow_runs": count})
    else:
        err().print(f"Deleted deployment {found.name} and {count} runs that waited", markup=False)
