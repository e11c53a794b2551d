"""Options that many commands share, and how their texts are read."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import typer

from headgate import ServerUnreachableError, StateType, WatchUntil
from headgate.sync import Client

DEFAULT_TARGET: Final = "127.0.0.1:4244"

_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

STATE_TYPES: Final = tuple(kind.value for kind in StateType if kind is not StateType.UNKNOWN)


class Until(StrEnum):
    """What ends a watch by itself."""

    ALL = "all"
    ANY = "any"
    NEVER = "never"

    @property
    def asked(self) -> WatchUntil | None:
        """What the server is asked for."""
        return None if self is Until.NEVER else WatchUntil(f"{self.upper()}_TERMINAL")


def span(text: str) -> timedelta:
    """Read a span of time, as in `500ms`, `15s`, `5m`, `2h`, `7d`; a bare number means seconds."""
    told = _SPAN.fullmatch(text.strip())
    if told is None:
        raise typer.BadParameter(f"{text!r} is no span of time such as 15s, 5m or 2h.")
    return timedelta(seconds=float(told[1]) * _SECONDS[told[2] or "s"])


def moment(text: str) -> datetime:
    """Read a time: RFC 3339, local where it names no zone, or a span from now as in `+5m` or `-1h`."""
    if text.startswith(("+", "-")):
        away = span(text[1:])
        return datetime.now(UTC) + (away if text.startswith("+") else -away)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a time such as 2030-01-31T08:00:00Z nor a span from now such as +5m."
        ) from None


def json_value(text: str) -> Any:
    """Read a JSON text."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not JSON: {error}") from None


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON text that is an object."""
    value = json_value(text)
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{text!r} is JSON, but no object.")
    return value


def json_object_file(text: str) -> dict[str, Any]:
    """Read a JSON object from a file; `-` is the standard input."""
    try:
        return json_object(sys.stdin.read() if text == "-" else Path(text).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"Cannot read {text!r}: {error}") from None


def json_object_or_file(text: str) -> dict[str, Any]:
    """Read a JSON object as it stands, or from the file that is named."""
    return json_object(text) if text.lstrip().startswith("{") else json_object_file(text)


def state_type(text: str) -> StateType:
    """Read the type of a state in upper or lower case."""
    if text.upper() not in STATE_TYPES:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(STATE_TYPES)}.")
    return StateType(text.upper())


def complete_state(incomplete: str) -> list[str]:
    """Return the types of states that begin with a text, in the case that was begun."""
    types = [kind.lower() if incomplete.islower() else kind for kind in STATE_TYPES]
    return [kind for kind in types if kind.startswith(incomplete)]


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


# fmt: off
Target: TypeAlias = Annotated[str, typer.Option("--target", envvar="HEADGATE_TARGET", metavar="HOST:PORT", help="Where the server is.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
RunId: TypeAlias = Annotated[UUID, typer.Argument(metavar="ID", help="The id of the flow run.", show_default=False)]
RunIds: TypeAlias = Annotated[list[UUID], typer.Argument(metavar="ID", help="The ids of the flow runs.", show_default=False)]
AtVersion: TypeAlias = Annotated[int | None, typer.Option("--expected-version", metavar="N", help="Do it only if the run is at this version.")]
FlowNames: TypeAlias = Annotated[list[str] | None, typer.Option("--flow", metavar="NAME", help="Only runs of this flow. May be given several times.")]
States: TypeAlias = Annotated[list[str] | None, typer.Option("--state", metavar="STATE", autocompletion=complete_state, help="Only runs in a state of this type, as in paused, or of this name, as in Late. May be given several times.")]
NamePart: TypeAlias = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="Only runs whose name contains this text, in any case.")]
Tags: TypeAlias = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="Only runs with this tag. Given several times: with all of them.")]
FlowRunIds: TypeAlias = Annotated[list[UUID] | None, typer.Option("--flow-run", metavar="ID", help="Only task runs of this flow run. May be given several times.")]
NewTags: TypeAlias = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A label. May be given several times.")]
UntilEnded: TypeAlias = Annotated[Until | None, typer.Option("--until", help="With ids: end when all of the runs have ended, any, or never. Default: all.")]
ResumeToken: TypeAlias = Annotated[str, typer.Option("--resume-token", metavar="TOKEN", help="Go on after this event of an earlier watch.")]
LatestOnly: TypeAlias = Annotated[bool, typer.Option("--latest-only", help="Allow states to be skipped while we are behind.")]
ProgressSpan: TypeAlias = Annotated[timedelta | None, typer.Option("--progress", parser=span, metavar="SPAN", help="Tell so often that nothing has happened: 1s to 5m.")]
# fmt: on


@contextmanager
def connected(target: str) -> Iterator[Client]:
    """Hold a client of a server."""
    try:
        with Client(target) as client:
            yield client
    except ServerUnreachableError as error:
        error.add_note(
            f"Is there a server at {target}? Start one with `headgate serve`, or say where it is with --target."
        )
        raise
