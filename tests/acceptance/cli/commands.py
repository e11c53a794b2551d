"""A command from its arguments to its end: as a process, or within this one, without the half second that a process takes to start."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pytest

from headgate_server.cli import main

HEADGATE: Final = (sys.executable, "-m", "headgate_server")
_PATIENCE_SECONDS: Final = 30
_OF_THE_TEST_RUN: Final = {"COLUMNS", "LINES", "PYTHONDONTWRITEBYTECODE"}
"""What the program must not inherit: sizes of other terminals, and what makes it start slowly."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a command has printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object that was printed."""
        [line] = self.jsons
        return line

    @property
    def jsons(self) -> list[Any]:
        """The objects that were printed, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> Any:
        """The error that was printed as JSON."""
        return json.loads(self.err)["error"]


def called(
    arguments: Sequence[str], environment: Mapping[str, str], directory: Path, stdin: str = ""
) -> Ended:
    """Run `headgate` within this process, as far as it can tell in one of its own."""
    out, err = StringIO(), StringIO()
    with (
        # Without a terminal its width is that of a process without one.
        patch.dict(os.environ, {**environment, "COLUMNS": "80"}, clear=True),
        patch.object(sys, "stdin", StringIO(stdin)),
        chdir(directory),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ending,
    ):
        main(arguments)
    assert "Traceback" not in err.getvalue(), err.getvalue()
    assert isinstance(ending.value.code, int)
    return Ended(code=ending.value.code, out=out.getvalue(), err=err.getvalue())


def ended(
    command: list[str],
    environment: Mapping[str, str],
    directory: Path,
    stdin: str = "",
    patience_seconds: float = _PATIENCE_SECONDS,
) -> Ended:
    """Run a command as a process, and wait for its end."""
    done = subprocess.run(
        command,
        env=environment,
        cwd=directory,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=patience_seconds,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(code=done.returncode, out=done.stdout, err=done.stderr)


def clean_environment() -> dict[str, str]:
    """Return the environment without settings of ours, and with this Python's programs on the path."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HEADGATE_") and name not in _OF_THE_TEST_RUN
    }
    return kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
        "TERM": "xterm-256color",
    }
