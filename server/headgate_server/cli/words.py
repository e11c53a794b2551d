"""Words: how states, times and values are put for a person."""

from datetime import UTC, datetime, timedelta
from typing import Final

from rich.text import Text

from headgate import FlowRun, State, StateType, TaskRun
from headgate_server.cli.output import to_json

_STYLES: Final = {
    StateType.SCHEDULED: "cyan",
    StateType.PENDING: "cyan",
    StateType.RUNNING: "bold blue",
    StateType.COMPLETED: "green",
    StateType.FAILED: "bold red",
    StateType.CRASHED: "bold red",
    StateType.PAUSED: "bold yellow",
    StateType.CANCELLING: "magenta",
    StateType.CANCELLED: "magenta",
}

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def style(kind: StateType | None) -> str:
    """Return the colour of a type of state."""
    return "dim" if kind is None else _STYLES.get(kind, "")


def state_name(state: State | None) -> Text:
    """Return the name of a state in the colour of its type."""
    if state is None:
        return Text("no state", style="dim")
    return Text(state.name, style=_STYLES.get(state.type, ""))


def state_type(kind: StateType | None) -> Text:
    """Return the type of a state in its colour."""
    return Text("-", style="dim") if kind is None else Text(kind, style=_STYLES.get(kind, ""))


def moment(time: datetime | None) -> str:
    """Return a time in UTC to the second."""
    return "-" if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(time: datetime, now: datetime) -> str:
    """Return how long ago a time was, or how far it is off."""
    past = now - time
    return f"{span(past)} ago" if past >= timedelta() else f"in {span(-past)}"


def span(length: timedelta) -> str:
    """Return a span of time in its largest unit."""
    seconds = length.total_seconds()
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{seconds * 1000:.0f} ms"


def value(content: object) -> str:
    """Return a JSON value as one line."""
    return to_json(content)


def run_label(run: FlowRun | TaskRun) -> Text:
    """Return what a person calls a run."""
    return Text.assemble((run.name, "bold"), f" {run.id}")
