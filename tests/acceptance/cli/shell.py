"""The program as a person types it: in a shell, and at a terminal."""

import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self
from uuid import UUID

from headgate import JsonObject, ProposedState, StateType
from headgate.sync import Client

HEADGATE: Final = (sys.executable, "-m", "headgate_server")
_PATIENCE_SECONDS: Final = 30
_POLL_SECONDS: Final = 0.005
_OF_THE_TEST_RUN: Final = {"COLUMNS", "LINES", "PYTHONDONTWRITEBYTECODE"}
"""What the program must not inherit: sizes of other terminals, and what makes it start slowly."""
_CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\r")


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


class Shell:
    """Runs commands against one server."""

    def __init__(self, target: str, directory: Path) -> None:
        self.target = target
        self.directory = directory

    def headgate(self, *arguments: object, stdin: str = "") -> Ended:
        """Run the program and wait for its end."""
        return ended([*HEADGATE, *map(str, arguments)], self._environment(), self.directory, stdin)

    def line(self, line: str, variables: Mapping[str, str]) -> Ended:
        """Run a line as a shell reads it, with the program on the path."""
        environment = self._environment() | dict(variables)
        return ended(["bash", "-c", line], environment, self.directory)

    def made(self, *states: str, flow: str = "etl", deployment_id: UUID | None = None) -> str:
        """Create a run, propose states for it by a shorter way, and return its id."""
        with Client(self.target) as client:
            flow_id = client.flows.create(flow).flow.id
            run = client.flow_runs.create(flow_id, deployment_id=deployment_id).flow_run
            for state in states:
                self._set_state(client, run.id, state)
        return str(run.id)

    def set_state(self, run_id: str, state: str, name: str | None = None) -> None:
        """Propose a state for a run by a shorter way than the program."""
        with Client(self.target) as client:
            self._set_state(client, UUID(run_id), state, name)

    def paused(self, schema: JsonObject | None = None, description: str | None = None) -> str:
        """Create a run that is paused, and return its id."""
        run_id = self.made("running")
        with Client(self.target) as client:
            client.flow_runs.pause_flow_run(run_id, schema=schema, description=description)
        return run_id

    @staticmethod
    def _set_state(client: Client, run_id: UUID, state: str, name: str | None = None) -> None:
        proposed = ProposedState(type=StateType(state.upper()), name=name)
        assert client.flow_runs.set_state(run_id, proposed).is_accepted

    @contextmanager
    def started(
        self, *arguments: object, environment: Mapping[str, str] = MappingProxyType({})
    ) -> Iterator["subprocess.Popen[str]"]:
        """Start the program, and end it afterwards if it has not ended."""
        with subprocess.Popen(
            [*HEADGATE, *map(str, arguments)],
            env=self._environment() | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def terminal(self, *arguments: object) -> "Terminal":
        """Run the program at a terminal."""
        return Terminal([*HEADGATE, *map(str, arguments)], self._environment(), self.directory)

    def terminal_line(self, line: str, variables: Mapping[str, str]) -> "Terminal":
        """Run a line at a terminal as a shell reads it, with the program on the path."""
        environment = self._environment() | dict(variables)
        return Terminal(["bash", "-c", line], environment, self.directory)

    def _environment(self) -> dict[str, str]:
        return clean_environment() | {"HEADGATE_TARGET": self.target}


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


def ended(
    command: list[str],
    environment: Mapping[str, str],
    directory: Path,
    stdin: str = "",
    patience_seconds: float = _PATIENCE_SECONDS,
) -> Ended:
    """Run a command and wait for its end."""
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


def events(watching: "subprocess.Popen[str]") -> Iterator[Any]:
    """Yield the events of a watch as they come."""
    assert watching.stdout is not None
    return (json.loads(line) for line in watching.stdout)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that another process brings about."""
    given_up = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < given_up
        time.sleep(_POLL_SECONDS)


class Terminal:
    """A program at a terminal of its own, and the person there."""

    def __init__(self, command: list[str], environment: Mapping[str, str], directory: Path) -> None:
        self._ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self._process = subprocess.Popen(
            command,
            env=environment,
            cwd=directory,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - Ctrl-C reaches it only so
        )
        os.close(theirs)
        self.seen = ""
        """What could be read so far, without colours."""
        self._read_to = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._ours)

    def expect(self, text: str) -> None:
        """Wait until a text appears after what was expected before."""
        given_up = time.monotonic() + _PATIENCE_SECONDS
        while (found := self.seen.find(text, self._read_to)) < 0:
            assert self._read(given_up), f"no {text!r} in:\n{self.seen}"
        self._read_to = found + len(text)

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._ours, f"{line}\n".encode())

    def press_ctrl_c(self) -> None:
        """Press Ctrl-C."""
        os.write(self._ours, b"\x03")

    def press_ctrl_d(self) -> None:
        """Press Ctrl-D."""
        os.write(self._ours, b"\x04")

    def wait(self) -> int:
        """Wait for the end of the program, and return its exit code."""
        given_up = time.monotonic() + _PATIENCE_SECONDS
        while self._read(given_up):
            pass
        return self._process.wait(_PATIENCE_SECONDS)

    def _read(self, given_up: float) -> bool:
        """Read what there is; tell whether there may be more."""
        ready, _, _ = select.select([self._ours], [], [], max(0.0, given_up - time.monotonic()))
        assert ready, f"nothing more came after:\n{self.seen}"
        try:
            read = os.read(self._ours, 65536)
        except OSError:  # the other side is closed
            return False
        self.seen += _CONTROL.sub("", read.decode(errors="replace"))
        return bool(read)


def _take_terminal() -> None:
    ioctl(0, termios.TIOCSCTTY, 0)
