"""Reading: `ls` and `show`."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Final
from uuid import UUID

import typer
from rich.text import Text

from headgate import TaskRun, TaskRunSort, TaskRunView
from headgate_server.cli import words
from headgate_server.cli.examples import examples
from headgate_server.cli.filters import flow_filter, flow_run_id_filter, task_run_filter
from headgate_server.cli.options import (
    DEFAULT_TARGET,
    AsJson,
    FlowNames,
    FlowRunIds,
    NamePart,
    States,
    Tags,
    Target,
    connected,
)
from headgate_server.cli.output import err, out, print_json, print_table

app = typer.Typer(rich_markup_mode="rich")

_PAGE: Final = 1000


@app.command(
    epilog=examples(
        "headgate task-run ls --flow-run $RUN",
        "headgate task-run ls --state failed --flow etl",
        "headgate task-run ls --all --json --tag database",
    )
)
def ls(
    *,
    flow_run: FlowRunIds = None,
    flow: FlowNames = None,
    state: States = None,
    name: NamePart = None,
    tag: Tags = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Show so many at most.")] = 50,
    everything: Annotated[
        bool, typer.Option("--all", help="Show all that match, however many.")
    ] = False,
    sort: Annotated[
        TaskRunSort,
        typer.Option(
            case_sensitive=False, metavar="ORDER", help="The order: " + ", ".join(TaskRunSort)
        ),
    ] = TaskRunSort.ID_DESC,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """List task runs, the newest first unless told otherwise."""
    with connected(target) as client:
        found = iter(
            client.task_runs.iterate(
                flow_filter(flow),
                flow_run_id_filter(flow_run),
                task_run_filter(state, name, tag),
                sort=sort,
                page_size=_PAGE if everything else min(limit + 1, _PAGE),
            )
        )
        shown = found if everything else islice(found, limit)
        if as_json:
            for each in shown:
                print_json(each)
            return
        _print_task_runs(list(shown))
        if not everything and next(found, None) is not None:
            err().print(f"[dim]There are more than these {limit}: see --all and --limit.[/]")


@app.command(epilog=examples("headgate task-run show $TASK_RUN"))
def show(
    task_run_id: Annotated[
        UUID, typer.Argument(metavar="ID", help="The id of the task run.", show_default=False)
    ],
    *,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Show a task run with its states and what it waited for.

    With --json one object with the members `task_run` and `states`.
    """
    with connected(target) as client:
        found = client.task_runs.get(task_run_id, view=TaskRunView.FULL)
        states = list(client.task_runs.iterate_states(task_run_id))
    if as_json:
        print_json({"task_run": found, "states": states})
        return
    console = out()
    for heading, fact in _facts(found):
        console.print(Text.assemble((f"{heading:<14}", "dim"), fact))
    print_table(
        ("V", "STATE", "TIME", "MESSAGE"),
        [
            (
                str(each.version),
                words.state_name(each),
                words.moment(each.timestamp),
                each.message or "",
            )
            for each in states
        ],
    )


def _print_task_runs(found: Sequence[TaskRun]) -> None:
    now = datetime.now(UTC)
    print_table(
        ("ID", "FLOW RUN", "NAME", "STATE", "SINCE", "RUN TIME"),
        [
            (
                str(each.id),
                str(each.flow_run_id),
                each.name,
                words.state_name(each.state),
                "-" if each.state is None else words.ago(each.state.timestamp, now),
                words.span(each.estimated_run_time) if each.start_time else "-",
            )
            for each in found
        ],
    )


def _facts(found: TaskRun) -> Iterator[tuple[str, str | Text]]:
    yield "id", str(found.id)
    yield "name", Text(found.name, style="bold")
    yield "flow run", str(found.flow_run_id)
    yield "task", f"{found.task_key} {found.dynamic_key}"
    yield "state", words.state_name(found.state)
    yield "version", str(found.version)
    yield "runs", str(found.run_count)
    if found.next_scheduled_start_time is not None:
        yield "due", words.moment(found.next_scheduled_start_time)
    yield "started", words.moment(found.start_time)
    yield "ended", words.moment(found.end_time)
    yield "run time", words.span(found.estimated_run_time)
    if found.state is not None and found.state.data is not None:
        yield "result", words.value(found.state.data)
    if found.policy.retries is not None:
        yield "retries", str(found.policy.retries)
    if found.tags:
        yield "tags", ", ".join(found.tags)
    for parameter, sources in found.task_inputs.items():
        told = ", ".join(f"{each.kind.lower().replace('_', ' ')} {each.value}" for each in sources)
        yield f"  {parameter}", told or "-"
