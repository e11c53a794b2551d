"""`headgate task-run`: task runs from a shell."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Final
from uuid import UUID

import typer
from rich.text import Text

from headgate import (
    FlowRunFilter,
    IdFilter,
    NameFilter,
    TagsFilter,
    TaskRun,
    TaskRunFilter,
    TaskRunSort,
    TaskRunView,
)
from headgate_server.cli import words
from headgate_server.cli.examples import examples
from headgate_server.cli.filters import flow_filter, state_filter
from headgate_server.cli.options import (
    DEFAULT_TARGET,
    AsJson,
    FlowNames,
    States,
    Target,
    connected,
)
from headgate_server.cli.output import err, out, print_json, print_table

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="rich")

_PAGE: Final = 1000


@app.callback()
def task_run() -> None:
    """List and show task runs, the executions of tasks within flow runs."""


@app.command(
    epilog=examples(
        "headgate task-run ls --flow-run $RUN",
        "headgate task-run ls --state failed --flow etl",
        "headgate task-run ls --all --json --tag database",
    )
)
def ls(
    *,
    flow_run: Annotated[
        list[UUID] | None,
        typer.Option(
            metavar="ID", help="Only task runs of this flow run. May be given several times."
        ),
    ] = None,
    flow: FlowNames = None,
    state: States = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Only task runs whose name contains this text, in any case."
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAG",
            help="Only task runs with this tag. Given several times: with all of them.",
        ),
    ] = None,
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
                FlowRunFilter(id=IdFilter(any=flow_run)) if flow_run else None,
                _task_run_filter(state, name, tag),
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


def _task_run_filter(
    states: Sequence[str] | None, name: str | None, tags: Sequence[str] | None
) -> TaskRunFilter | None:
    """Return the conditions on task runs that options mean."""
    if not (states or name or tags):
        return None
    return TaskRunFilter(
        state=state_filter(states) if states else None,
        name=NameFilter(like=name) if name else None,
        tags=TagsFilter(all=tags) if tags else None,
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
    yield "started", words.moment(found.start_time)
    yield "ended", words.moment(found.end_time)
    yield "run time", words.span(found.estimated_run_time)
    if found.policy.retries is not None:
        yield "retries", str(found.policy.retries)
    if found.tags:
        yield "tags", ", ".join(found.tags)
    for parameter, sources in found.task_inputs.items():
        told = ", ".join(f"{each.kind.lower().replace('_', ' ')} {each.value}" for each in sources)
        yield f"  {parameter}", told or "-"
