"""What is due: `due`."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from headgate import DueFlowRun
from headgate_server.cli import words
from headgate_server.cli.examples import examples
from headgate_server.cli.options import DEFAULT_TARGET, AsJson, Target, connected, span
from headgate_server.cli.output import err, is_terminal, print_json, print_table
from headgate_server.cli.work_pool.naming import Pool

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    epilog=examples(
        "headgate work-pool due docker",
        "headgate work-pool due docker --ahead 1h --queue urgent",
        "headgate work-pool due docker --follow",
    )
)
def due(
    name: Pool,
    *,
    queue: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only from this queue. May be given several times."),
    ] = None,
    ahead: Annotated[
        timedelta | None,
        typer.Option(parser=span, metavar="SPAN", help="Also what is due so soon."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Show so many at most.")
    ] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with each run as it becomes due.")
    ] = False,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Show the runs that workers of a pool may start, by the priority of their queues. Claims nothing."""
    with connected(target) as client:
        if follow:
            if is_terminal(sys.stderr):
                err().print("[dim]Each run comes as it becomes due; Ctrl-C ends.[/]")
            found = client.workers.watch_due_flow_runs(name, queue or (), prefetch=ahead)
            _print_lines(found, as_json=as_json)
            return
        runs = client.workers.poll_flow_runs(
            name,
            queue or (),
            scheduled_before=datetime.now(UTC) + (ahead or timedelta()),
            limit=limit,
        )
    if as_json:
        _print_lines(runs, as_json=True)
        return
    now = datetime.now(UTC)
    print_table(
        ("ID", "QUEUE", "NAME", "STATE", "DUE"),
        [
            (
                str(each.flow_run.id),
                each.flow_run.work_queue_name or "-",
                each.flow_run.name,
                words.state_name(each.flow_run.state),
                _when(each, now),
            )
            for each in runs
        ],
    )


def _print_lines(runs: Iterable[DueFlowRun], *, as_json: bool) -> None:
    for each in runs:
        if as_json:
            print_json(each)
        else:
            run = each.flow_run
            print(  # noqa: T201
                f"{run.id}  {run.work_queue_name or '-'}  {run.name}  {_when(each, datetime.now(UTC))}",
                flush=True,
            )


def _when(each: DueFlowRun, now: datetime) -> str:
    time = each.flow_run.next_scheduled_start_time
    return "-" if time is None else words.ago(time, now)
