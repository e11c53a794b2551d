"""Reading: `ls` and `show`."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Final

import typer
from rich.text import Text

from headgate import (
    CronSchedule,
    Deployment,
    DeploymentFilter,
    DeploymentSchedule,
    DeploymentSort,
    EqualFilter,
    FlowFilter,
    IdFilter,
    IntervalSchedule,
    NameFilter,
    TagsFilter,
)
from headgate_server.cli import words
from headgate_server.cli.deployment.naming import Named, find
from headgate_server.cli.examples import examples
from headgate_server.cli.filters import flow_filter
from headgate_server.cli.options import DEFAULT_TARGET, AsJson, FlowNames, Target, connected
from headgate_server.cli.output import err, out, print_json, print_table

app = typer.Typer(rich_markup_mode="rich")

_PAGE: Final = 1000


@app.command(
    epilog=examples(
        "headgate deployment ls",
        "headgate deployment ls --flow etl --paused",
        "headgate deployment ls --json",
    )
)
def ls(
    *,
    flow: FlowNames = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only those whose name contains this text, in any case."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAG", help="Only those with this tag. Given several times: with all of them."
        ),
    ] = None,
    paused: Annotated[
        bool | None,
        typer.Option("--paused/--active", help="Only those that are paused, or that are not."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Show so many at most.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="Show all that match.")] = False,
    sort: Annotated[
        DeploymentSort,
        typer.Option(
            case_sensitive=False, metavar="ORDER", help="The order: " + ", ".join(DeploymentSort)
        ),
    ] = DeploymentSort.NAME_ASC,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """List deployments by name."""
    matching = DeploymentFilter(
        name=NameFilter(like=name) if name else None,
        tags=TagsFilter(all=tag) if tag else None,
        paused=None if paused is None else EqualFilter(eq=paused),
    )
    with connected(target) as client:
        found = iter(
            client.deployments.iterate(
                flow_filter(flow),
                deployments=matching,
                sort=sort,
                page_size=_PAGE if everything else min(limit + 1, _PAGE),
            )
        )
        listed = list(found if everything else islice(found, limit))
        if as_json:
            for each in listed:
                print_json(each)
            return
        ids = list({each.flow_id for each in listed})
        flows = {
            each.id: each.name
            for start in range(0, len(ids), _PAGE)
            for each in client.flows.iterate(
                FlowFilter(id=IdFilter(any=ids[start : start + _PAGE]))
            )
        }
        print_table(
            ("ID", "NAME", "SCHEDULES", "QUEUE", "STATUS"),
            [
                (
                    str(each.id),
                    f"{flows.get(each.flow_id, '-')}/{each.name}",
                    _schedules(each),
                    _queue(each),
                    Text("paused", style="yellow") if each.paused else status_text(each),
                )
                for each in listed
            ],
        )
        if not everything and next(found, None) is not None:
            err().print(f"[dim]There are more than these {limit}: see --all and --limit.[/]")


@app.command(epilog=examples("headgate deployment show etl/nightly"))
def show(name: Named, *, target: Target = DEFAULT_TARGET, as_json: AsJson = False) -> None:
    """Show a deployment."""
    with connected(target) as client:
        found = find(client, name)
        flow = client.flows.get(found.flow_id)
    if as_json:
        print_json(found)
        return
    console = out()
    for heading, fact in _facts(found, flow.name):
        console.print(Text.assemble((f"{heading:<16}", "dim"), fact))


def _facts(found: Deployment, flow_name: str) -> Iterator[tuple[str, str | Text]]:
    yield "id", str(found.id)
    yield "name", Text(f"{flow_name}/{found.name}", style="bold")
    yield "status", "paused" if found.paused else status_text(found)
    yield "created", words.moment(found.create_time)
    yield "changed", words.moment(found.update_time)
    yield "last polled", words.moment(found.last_polled_time)
    if found.work_queue_name:
        yield "queue", _queue(found)
    for schedule in found.schedules:
        yield "schedule", schedule_text(schedule)
    for heading, fact in (
        ("version", found.version),
        ("description", found.description),
        ("entrypoint", found.entrypoint),
        ("path", found.path),
    ):
        if fact:
            yield heading, fact
    if found.tags:
        yield "tags", ", ".join(found.tags)
    if found.parameters:
        yield "parameters", words.value(found.parameters)
    if found.parameter_schema:
        yield "schema", words.value(found.parameter_schema)
        yield "enforced", "yes" if found.enforce_parameter_schema else "no"
    if found.job_variables:
        yield "job variables", words.value(found.job_variables)


def status_text(found: Deployment) -> str:
    """Return in words whether a worker asks for the runs of a deployment."""
    return found.status.lower().replace("_", " ")


def _queue(found: Deployment) -> str:
    return "/".join(filter(None, (found.work_pool_name, found.work_queue_name))) or "-"


def _schedules(found: Deployment) -> str:
    return "; ".join(map(schedule_text, found.schedules)) or "-"


def schedule_text(schedule: DeploymentSchedule) -> str:
    """Return a schedule in a few words."""
    rule = schedule.rule
    if rule is None:
        return "of an unknown kind"
    if isinstance(rule, IntervalSchedule):
        told = f"every {words.span(rule.interval)}"
    else:
        told = rule.cron if isinstance(rule, CronSchedule) else rule.rrule.replace("\n", " ")
    zone = "" if rule.timezone == "UTC" else f" {rule.timezone}"
    return f"{told}{zone}{'' if schedule.active else ' (inactive)'}"
