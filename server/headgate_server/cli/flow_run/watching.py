"""Watching: `watch` and `wait`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

import typer
from rich.text import Text

from headgate import FlowRun
from headgate_server.cli import words
from headgate_server.cli.examples import examples
from headgate_server.cli.filters import flow_filter, flow_run_filter
from headgate_server.cli.live import show
from headgate_server.cli.options import (
    DEFAULT_TARGET,
    AsJson,
    FlowNames,
    LatestOnly,
    NamePart,
    ProgressSpan,
    ResumeToken,
    RunIds,
    States,
    Tags,
    Target,
    Until,
    UntilEnded,
    connected,
    span,
)
from headgate_server.cli.outcomes import ExitCode
from headgate_server.cli.output import err, is_terminal, out, print_json

app = typer.Typer(rich_markup_mode="rich")


_POLL_INTERVAL: Final = timedelta(seconds=5)


@app.command(
    epilog=examples(
        "headgate flow-run watch $RUN",
        "headgate flow-run watch $RUN $OTHER_RUN --until any --json",
        "headgate flow-run watch --flow etl --state failed --state crashed",
    )
)
def watch(
    run_ids: Annotated[
        list[UUID] | None,
        typer.Argument(metavar="ID", help="The ids of the flow runs.", show_default=False),
    ] = None,
    *,
    flow: FlowNames = None,
    state: States = None,
    name: NamePart = None,
    tag: Tags = None,
    until: UntilEnded = None,
    snapshot: Annotated[
        bool | None,
        typer.Option(
            "--snapshot/--no-snapshot",
            help="Whether to tell first how the runs stand now. Default: with ids.",
        ),
    ] = None,
    resume_token: ResumeToken = "",
    latest_only: LatestOnly = False,
    progress: ProgressSpan = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Watch flow runs: every change, in order and without a gap.

    With ids until they have ended, else whatever matches the filters until Ctrl-C.
    A lost connection is made again, and the watch goes on where it stopped.

    With --json each event has the members `event` (state_change, run_update,
    snapshot, snapshot_complete, deleted, left_filter or progress), `flow_run`,
    `state`, `revision`, `commit_time` and `resume_token`.
    """
    if run_ids and (flow or state or name or tag):
        raise typer.BadParameter("Ids and filters exclude each other.")
    if until is not None and not run_ids:
        raise typer.BadParameter("--until needs ids.")
    with connected(target) as client:
        events = client.flow_runs.watch_flow_runs(
            flow_run_ids=run_ids or None,
            flows=flow_filter(flow),
            flow_runs=flow_run_filter(state, name, tag),
            send_initial_state=bool(run_ids) if snapshot is None else snapshot,
            until=(until or Until.ALL).asked if run_ids else None,
            resume_token=resume_token,
            latest_only=latest_only,
            progress_interval=progress,
        )
        with events:
            show(events, as_json=as_json)


@app.command(
    epilog=examples(
        "headgate flow-run wait $RUN",
        "headgate flow-run wait $RUN $OTHER_RUN --any --timeout 10m --json",
    )
)
def wait(
    run_ids: RunIds,
    *,
    timeout: Annotated[
        timedelta | None,
        typer.Option(parser=span, metavar="SPAN", help="Wait so long at most. Default: for ever."),
    ] = None,
    is_any: Annotated[
        bool, typer.Option("--any", help="Wait for the first of the runs, and not for all.")
    ] = False,
    poll_interval: Annotated[
        timedelta | None,
        typer.Option(
            parser=span,
            metavar="SPAN",
            help="Ask so often if the server cannot be watched. Default: 5s.",
        ),
    ] = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Wait until flow runs have ended, and show how. Server restarts are waited out.

    Ends with 0 if what was waited for is COMPLETED, with 5 if it ended otherwise,
    and with 4 if the time was up first. The runs themselves go on.
    """
    successful = True
    with connected(target) as client, _spinner(len(run_ids)):
        for run in client.flow_runs.flow_runs_as_completed(
            run_ids,
            timeout,
            poll_interval=_POLL_INTERVAL if poll_interval is None else poll_interval,
        ):
            successful = successful and run.state is not None and run.state.is_completed
            if as_json:
                print_json(run)
            else:
                _print_end(run)
            if is_any:
                break
    if not successful:
        raise typer.Exit(ExitCode.UNSUCCESSFUL)


@contextmanager
def _spinner(count: int) -> Iterator[None]:
    """Show a person that something is waited for."""
    what = "the flow run" if count == 1 else f"{count} flow runs"
    is_seen = is_terminal(sys.stderr)
    with err().status(f"Waiting for {what} to end") if is_seen else nullcontext():
        yield


def _print_end(run: FlowRun) -> None:
    line = Text.assemble(str(run.id), "  ", (run.name, "bold"), "  ", words.state_name(run.state))
    if run.state is not None and run.state.message:
        line.append(f"  {run.state.message}")
    if run.state is not None and run.state.data is not None:
        line.append(f"  {words.value(run.state.data)}", style="dim")
    out().print(line)
