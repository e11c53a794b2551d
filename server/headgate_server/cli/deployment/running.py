"""Running: `run` and `schedule`."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from headgate import Scheduled
from headgate_server.cli.deployment.naming import Named, find
from headgate_server.cli.examples import examples
from headgate_server.cli.options import (
    DEFAULT_TARGET,
    AsJson,
    NewTags,
    Target,
    connected,
    json_object_or_file,
    moment,
    span,
)
from headgate_server.cli.output import err, print_json

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    epilog=examples(
        "headgate deployment run etl/nightly",
        "headgate deployment run etl/nightly --at +5m --parameters '{\"day\": 2}'",
    )
)
def run(
    name: Named,
    *,
    at: Annotated[
        datetime | None,
        typer.Option(
            parser=moment,
            metavar="TIME",
            help="When it is due: a time, or a span as in +5m. Default: now.",
        ),
    ] = None,
    parameters: Annotated[
        dict[str, Any] | None,
        typer.Option(
            parser=json_object_or_file,
            metavar="JSON",
            help="Replace those of the deployment one by one.",
        ),
    ] = None,
    job_variables: Annotated[
        dict[str, Any] | None,
        typer.Option(
            parser=json_object_or_file,
            metavar="JSON",
            help="What the run tells the infrastructure.",
        ),
    ] = None,
    work_queue: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Another queue of the work pool, made if missing."),
    ] = None,
    run_name: Annotated[
        str,
        typer.Option(
            "--name", metavar="TEXT", help="The name of the run. Default: two random words."
        ),
    ] = "",
    key: Annotated[
        str, typer.Option(metavar="KEY", help="Make one run only for this key of the flow.")
    ] = "",
    tag: NewTags = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Create a run of a deployment, and print its id.

    With --json one object with the members `flow_run`, `created` and `revision`.
    """
    with connected(target) as client:
        made = client.deployments.create_flow_run(
            find(client, name).id,
            name=run_name,
            state=None if at is None else Scheduled(at),
            parameters=parameters,
            job_variables=job_variables,
            work_queue_name=work_queue,
            idempotency_key=key,
            tags=tag or (),
        )
    if as_json:
        print_json(made)
        return
    print(made.flow_run.id)  # noqa: T201
    verb = "Created" if made.created else "There already is"
    err().print(f"{verb} run {made.flow_run.name}", markup=False)


@app.command(
    epilog=examples(
        "headgate deployment schedule etl/nightly --until +7d",
        "headgate deployment schedule etl/nightly --since 2030-01-01T00:00:00Z --until 2030-01-08T00:00:00Z",
    )
)
def schedule(
    name: Named,
    *,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=moment,
            metavar="TIME",
            help="The first date there may be, also in the past. Default: now.",
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(parser=moment, metavar="TIME", help="The last date there may be."),
    ] = None,
    reach: Annotated[
        timedelta | None,
        typer.Option(parser=span, metavar="SPAN", help="How far the dates shall at least reach."),
    ] = None,
    at_least: Annotated[
        int | None, typer.Option(metavar="N", help="How many dates to take at least.")
    ] = None,
    at_most: Annotated[
        int | None, typer.Option(metavar="N", help="How many dates to take at most, up to 1,000.")
    ] = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Make the runs that the schedules of a deployment name now, and print their ids."""
    with connected(target) as client:
        made = client.deployments.schedule(
            find(client, name).id,
            start_time=since,
            end_time=until,
            min_time=reach,
            min_runs=at_least,
            max_runs=at_most,
        )
    for run_id in made:
        if as_json:
            print_json({"flow_run_id": run_id})
        else:
            print(run_id)  # noqa: T201
    if not as_json:
        err().print(f"Made {len(made)} runs", markup=False)
