"""Watching: `watch`."""

from typing import Annotated
from uuid import UUID

import typer

from headgate_server.cli.examples import examples
from headgate_server.cli.filters import flow_filter, flow_run_id_filter, task_run_filter
from headgate_server.cli.live import show
from headgate_server.cli.options import (
    DEFAULT_TARGET,
    AsJson,
    FlowNames,
    FlowRunIds,
    LatestOnly,
    NamePart,
    ProgressSpan,
    ResumeToken,
    States,
    Tags,
    Target,
    Until,
    UntilEnded,
    connected,
)

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    epilog=examples(
        "headgate task-run watch $TASK_RUN --json",
        "headgate task-run watch --flow-run $RUN",
        "headgate task-run watch --flow etl --state failed --state crashed",
    )
)
def watch(
    task_run_ids: Annotated[
        list[UUID] | None,
        typer.Argument(metavar="ID", help="The ids of the task runs.", show_default=False),
    ] = None,
    *,
    flow_run: FlowRunIds = None,
    flow: FlowNames = None,
    state: States = None,
    name: NamePart = None,
    tag: Tags = None,
    until: UntilEnded = None,
    snapshot: Annotated[
        bool | None,
        typer.Option(
            "--snapshot/--no-snapshot",
            help="Whether to tell first how the task runs stand now. Default: with ids of any kind.",
        ),
    ] = None,
    resume_token: ResumeToken = "",
    latest_only: LatestOnly = False,
    progress: ProgressSpan = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Watch task runs: every change, in order and without a gap.

    With ids until they have ended, else whatever matches the filters until Ctrl-C.
    A lost connection is made again, and the watch goes on where it stopped.

    With --json each event has the members `event` (task_state_change,
    task_update, task_snapshot, snapshot_complete, task_deleted, task_left_filter
    or progress), `task_run`, `state`, `revision`, `commit_time` and
    `resume_token`.
    """
    has_filters = bool(flow or state or name or tag)
    if task_run_ids and (flow_run or has_filters):
        raise typer.BadParameter("Ids and filters exclude each other.")
    if until is not None and not task_run_ids:
        raise typer.BadParameter("--until needs ids.")
    with connected(target) as client:
        events = client.task_runs.watch_task_runs(
            task_run_ids=task_run_ids or None,
            # Alone they are asked for by id, so that one that does not exist is told.
            flow_run_ids=None if has_filters else flow_run or None,
            flows=flow_filter(flow),
            flow_runs=flow_run_id_filter(flow_run) if has_filters else None,
            task_runs=task_run_filter(state, name, tag),
            send_initial_state=bool(task_run_ids or flow_run) if snapshot is None else snapshot,
            until=(until or Until.ALL).asked if task_run_ids else None,
            resume_token=resume_token,
            latest_only=latest_only,
            progress_interval=progress,
        )
        with events:
            show(events, as_json=as_json)
