"""Live views: what a watch tells, as it comes."""

import re
import sys
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from rich.console import Group
from rich.live import Live
from rich.text import Text

from headgate import (
    Deleted,
    FlowRun,
    FlowRunEvent,
    LeftFilter,
    Progress,
    RunUpdate,
    Snapshot,
    SnapshotComplete,
    StateChange,
    TaskDeleted,
    TaskLeftFilter,
    TaskRun,
    TaskRunEvent,
    TaskSnapshot,
    TaskStateChange,
    TaskUpdate,
)
from headgate_server.cli import words
from headgate_server.cli.output import framed, is_terminal, print_json

RunEvent: TypeAlias = FlowRunEvent | TaskRunEvent
"""An event of a watch on flow runs or on task runs."""

ROWS: Final = 12
"""How many runs the live table shows, those that changed last."""


def show(events: Iterable[RunEvent], *, as_json: bool) -> None:
    """Show what a watch tells as its reader wants it: JSON, a live table on a terminal, else lines."""
    if as_json:
        for event in events:
            print_json(event_json(event))
    elif is_terminal(sys.stdout):
        show_live(events)
    else:
        show_lines(events)


def event_json(event: RunEvent) -> dict[str, Any]:
    """Return an event as an object of JSON; `event` says which kind it is."""
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(event).__name__).lower()
    return {"event": kind} | {each.name: getattr(event, each.name) for each in fields(event)}


def show_lines(events: Iterable[RunEvent]) -> None:
    """Print each event as a line that never wraps."""
    for event in events:
        print(line(event).plain, flush=True)  # noqa: T201


def show_live(events: Iterable[RunEvent]) -> None:
    """Show the runs in a table that follows the changes, and each change as a line above it."""
    table = LiveTable()
    with Live(get_renderable=table.render, refresh_per_second=4, transient=False) as live:
        for event in events:
            if not isinstance(event, Snapshot | TaskSnapshot | SnapshotComplete | Progress):
                live.console.print(line(event))
            table.take(event)
            live.refresh()


class LiveTable:
    """The runs of a watch as they stand, those that changed last first."""

    def __init__(self) -> None:
        self._runs: dict[UUID, FlowRun | TaskRun] = {}

    def take(self, event: RunEvent) -> None:
        """Follow an event."""
        if isinstance(event, SnapshotComplete | Progress):
            return
        run = _run_of(event)
        self._runs.pop(run.id, None)
        if not isinstance(event, Deleted | LeftFilter | TaskDeleted | TaskLeftFilter):
            self._runs[run.id] = run

    def render(self) -> Group:
        """Return the table as it is to be seen now."""
        now = datetime.now(UTC)
        shown = list(reversed(self._runs.values()))[:ROWS]
        hidden = len(self._runs) - len(shown)
        table = framed(
            ("ID", "NAME", "STATE", "V", "SINCE", "MESSAGE"),
            [_row(run, now) for run in shown],
        )
        end = f"and {hidden} more; Ctrl-C ends" if hidden else "Ctrl-C ends"
        return Group(table, Text(end, style="dim"))


def _row(run: FlowRun | TaskRun, now: datetime) -> tuple[str | Text, ...]:
    state = run.state
    return (
        str(run.id),
        run.name,
        words.state_name(state),
        str(run.version),
        "-" if state is None else words.ago(state.timestamp, now),
        "" if state is None else state.message or "",
    )


def line(event: RunEvent) -> Text:
    """Return an event as one line."""
    time = event.commit_time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    parts: list[str | Text | tuple[str, str]] = [(time, "dim"), "  "]
    if isinstance(event, SnapshotComplete):
        return Text.assemble(*parts, "that is how they stand; changes follow")
    if isinstance(event, Progress):
        return Text.assemble(*parts, (f"nothing happened up to revision {event.revision}", "dim"))
    parts += [words.run_label(_run_of(event)), "  ", _what(event)]
    return Text.assemble(*parts)


_Told: TypeAlias = (
    StateChange
    | RunUpdate
    | Snapshot
    | Deleted
    | LeftFilter
    | TaskStateChange
    | TaskUpdate
    | TaskSnapshot
    | TaskDeleted
    | TaskLeftFilter
)
"""An event that tells of a run."""


def _run_of(event: _Told) -> FlowRun | TaskRun:
    match event:
        case StateChange() | RunUpdate() | Snapshot() | Deleted() | LeftFilter():
            return event.flow_run
        case _:
            return event.task_run


def _what(event: _Told) -> Text:
    told = _told(_run_of(event))
    match event:
        case StateChange() | TaskStateChange():
            before = words.state_type(event.previous_state_type)
            what = Text.assemble(before, " -> ", words.state_type(event.state.type), "  ", told)
            return what if not event.coalesced else what.append(" (others skipped)")
        case RunUpdate() | TaskUpdate():
            return Text("changed without a state")
        case Snapshot() | TaskSnapshot():
            return Text.assemble("is  ", told)
        case Deleted() | TaskDeleted():
            return Text("deleted", style="red")
        case LeftFilter() | TaskLeftFilter():
            return Text.assemble("matches no more, is  ", told)


def _told(run: FlowRun | TaskRun) -> Text:
    """Return the state of a run with its version and its message."""
    told = words.state_name(run.state)
    told = Text.assemble(told, (f" v{run.version}", "dim"))
    return told.append(f"  {run.state.message}") if run.state and run.state.message else told
