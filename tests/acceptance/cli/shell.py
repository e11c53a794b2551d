"""The program as a person types it: in a shell, and at a terminal."""

import json
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from string import Template
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self
from uuid import UUID

from headgate import JsonObject, ProposedState, StateType
from headgate.sync import Client
from tests.acceptance.cli.commands import HEADGATE, Ended, called, clean_environment, ended

_PATIENCE_SECONDS: Final = 30
_POLL_SECONDS: Final = 0.005
_OF_SHELLS: Final = frozenset({"|", "||", "&", "&&", ";", "<", ">"})
"""Words that mean something to a shell."""
_CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\r")


class Shell:
    """Runs commands against one server."""

    def __init__(self, target: str, directory: Path) -> None:
        self.target = target
        self.directory = directory

    def headgate(self, *arguments: object, stdin: str = "") -> Ended:
        """Run the program within this process, and wait for its end."""
        given = [str(argument) for argument in arguments]
        return called(given, self._environment(), self.directory, stdin)

    def line(self, line: str, variables: Mapping[str, str]) -> Ended:
        """Run a line as a shell reads it, with the program on the path, in processes of their own."""
        environment = self._environment() | dict(variables)
        return ended(["bash", "-c", line], environment, self.directory)

    def quick_line(self, line: str, variables: Mapping[str, str]) -> Ended:
        """Run a line as a shell reads it; within this process, where it needs nothing of a shell but the words."""
        environment = self._environment() | dict(variables)
        program, *arguments = shlex.split(Template(line).safe_substitute(variables))
        if program != "headgate" or _OF_SHELLS & set(arguments):
            return self.line(line, variables)
        return called(arguments, environment, self.directory)

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
