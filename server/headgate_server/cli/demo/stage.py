"""The stage: the processes of the demo, what they say, and that none of them outlives it."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from headgate_server.cli.outcomes import ExitCode, ProgramError

PROGRAM: Final = (sys.executable, "-m", "headgate_server")
"""How the demo runs this program."""
JOB: Final = (sys.executable, "-m", "headgate_server.cli.demo.job")

_PATIENCE_SECONDS: Final = 60
_FAREWELL_SECONDS: Final = 5
_LAST_WORDS: Final = 10
_MAX_LINE_BYTES: Final = 2**20

Record: TypeAlias = dict[str, Any]
"""What a process tells in one line."""


class Child:
    """A process and what it has said, one JSON object a line."""

    def __init__(self, name: str, process: Process) -> None:
        self.name = name
        self.process = process
        self.records: list[Record] = []
        """What it has told so far."""
        self.words: list[str] = []
        """What it has said besides."""
        self.is_doomed = False
        """Whether its end is part of the play."""

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return self.process.returncode

    def told(self, name: str) -> list[Any]:
        """Return what it has told under a name, in order."""
        return [record[name] for record in self.records if name in record]


class Stage:
    """Starts processes, listens to them, and ends them all when it is left."""

    def __init__(self) -> None:
        self._directory = TemporaryDirectory(prefix="headgate-demo-")
        self._children: list[Child] = []
        self._listening: list[asyncio.Task[None]] = []
        self._news = asyncio.Condition()

    @property
    def path(self) -> Path:
        """A directory that is gone after the play."""
        return Path(self._directory.name)

    async def __aenter__(self) -> Self:
        """Return the stage."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every process that is left, and remove every file."""
        try:
            for child in self._children:
                _signal(child, signal.SIGTERM)
            for child in self._children:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_FAREWELL_SECONDS):
                        await child.process.wait()
        finally:
            for child in self._children:
                _signal(child, signal.SIGKILL)
                await child.process.wait()
            await asyncio.gather(*self._listening)
            self._directory.cleanup()

    async def start(
        self, name: str, *command: str, hear: Callable[[Record], None] = lambda _: None
    ) -> Child:
        """Start a process.

        Args:
            name: What it is called.
            *command: What to run.
            hear: Called with each object that it tells.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env=environment(),
            limit=_MAX_LINE_BYTES,
            # Ctrl-C is for us alone; we end them all.
            start_new_session=True,
        )
        child = Child(name, process)
        self._children.append(child)
        self._listening.append(asyncio.create_task(self._listen(child, hear)))
        return child

    async def _listen(self, child: Child, hear: Callable[[Record], None]) -> None:
        """Take in what a process says until it ends."""

        async def read(stream: asyncio.StreamReader | None) -> None:
            assert stream is not None
            async for line in stream:
                text = line.decode(errors="replace").rstrip()
                try:
                    record = json.loads(text)
                except ValueError:
                    child.words.append(text)
                    continue
                child.records.append(record)
                hear(record)
                async with self._news:
                    self._news.notify_all()

        await asyncio.gather(read(child.process.stdout), read(child.process.stderr))
        await child.process.wait()
        async with self._news:
            self._news.notify_all()

    async def until(
        self, holds: Callable[[], bool], what: str, seconds: float = _PATIENCE_SECONDS
    ) -> None:
        """Wait until something holds that the processes bring about.

        Raises:
            ProgramError: It does not hold in time, or a process has failed meanwhile.
        """
        try:
            async with asyncio.timeout(seconds), self._news:
                while not holds():
                    self._check_health()
                    await self._news.wait()
        except TimeoutError:
            message = f"It took too long until {what}."
            raise ProgramError(message, ExitCode.UNFORESEEN) from None

    async def finished(self, child: Child) -> None:
        """Wait until a process has ended well.

        Raises:
            ProgramError: It has not.
        """
        await self.until(lambda: child.code is not None, f"the {child.name} has ended")
        self._check_health()

    async def ended(self, child: Child) -> int:
        """Wait until a process has ended, well or not, and return how."""
        child.is_doomed = True
        await self.until(lambda: child.code is not None, f"the {child.name} has ended")
        return child.code or 0

    async def kill(self, child: Child) -> None:
        """End a process as a loss of power would."""
        child.is_doomed = True
        child.process.send_signal(signal.SIGKILL)
        await child.process.wait()

    def _check_health(self) -> None:
        """Make sure that nothing has failed."""
        for child in self._children:
            if child.code and not child.is_doomed:
                last_words = "\n  ".join(child.words[-_LAST_WORDS:])
                message = f"The {child.name} has failed with {child.code}.\n  {last_words}"
                raise ProgramError(message, ExitCode.UNFORESEEN)


def environment() -> dict[str, str]:
    """Return the environment without settings of ours: the demo has its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}


def _signal(child: Child, number: signal.Signals) -> None:
    """Send a signal to a process that has not ended."""
    with contextlib.suppress(ProcessLookupError):
        if child.code is None:
            child.process.send_signal(number)
