"""Output: JSON for programs, styled text for people.

What is asked for goes to the standard output, all else to the standard error.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TextIO
from uuid import UUID

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from headgate_server.cli.outcomes import as_json, message

_GAP: Final = "  "
_FOLDED: Final = frozenset({"FLOW", "KEY", "MESSAGE", "NAME", "SENDER", "TAGS", "VALUE"})


def is_terminal(stream: TextIO) -> bool:
    """Tell whether a person looks at a stream, and not a file or another program."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def to_json(value: Any) -> str:
    """Return a value as one line of JSON.

    Dataclasses are objects with all their fields, times RFC 3339 in UTC, spans of time numbers of seconds.
    """
    return json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case datetime():
            return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
        case timedelta():
            return value.total_seconds()
        case _ if is_dataclass(value):
            return {each.name: getattr(value, each.name) for each in fields(value)}
    raise TypeError(f"{type(value).__name__} has no JSON form")


def print_json(value: Any) -> None:
    """Print a value as one line of JSON, at once."""
    print(to_json(value), flush=True)  # noqa: T201  it is what the program is for


def out() -> Console:
    """Return the console for what was asked for."""
    return Console(highlight=False, soft_wrap=True)


def err() -> Console:
    """Return the console for everything else."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_error(error: Exception, *, is_json: bool) -> None:
    """Print why the program cannot do what it was told to."""
    if is_json:
        print(to_json(as_json(error)), file=sys.stderr, flush=True)  # noqa: T201
    else:
        err().print(Text.assemble(("Error: ", "bold red"), message(error)))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Print rows in columns: with a frame on a terminal, else as plain lines that never wrap."""
    if is_terminal(sys.stdout):
        Console().print(framed(headings, rows))
        return
    texts = [list(headings), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(headings))]
    for row in texts:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(_GAP.join(cells).rstrip())  # noqa: T201


def framed(headings: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> Table:
    """Return rows as a table for a terminal. On a narrow one, texts of any length are folded and nothing else."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=heading not in _FOLDED, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
