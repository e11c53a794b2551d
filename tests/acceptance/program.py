"""The program as an operator runs it: a process of its own, on a port of its own, on loopback."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, Self

import psutil

_READY_SECONDS: Final = 20
_STOP_SECONDS: Final = 20
_POLL_SECONDS: Final = 0.005
_PORTS: Final = range(20_000, 32_000)
"""Below those that systems give to outgoing connections, so that a port stays ours while its server is down."""


class Program:
    """One server process. It may be started again after its end, on the same port and database."""

    def __init__(self, database: str, directory: Path, **settings: str) -> None:
        """Say what to run; nothing runs before `start`.

        Args:
            database: The URL of the database.
            directory: Where the log goes.
            **settings: Further settings by name, as in `late_after="1s"`.
        """
        self.port = free_port()
        self.target = f"127.0.0.1:{self.port}"
        self._database = database
        self._settings = settings
        self._log = directory / f"program-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        assert self._process is not None, "the program was not started"
        return self._process

    def launch(self) -> None:
        """Start the process, and do not wait for it."""
        # Without the last one everything would be compiled at every start.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("HEADGATE_") and name != "PYTHONDONTWRITEBYTECODE"
        }
        environment |= {f"HEADGATE_{name.upper()}": text for name, text in self._settings.items()}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "headgate_server", "serve"),
                    *("--database", self._database),
                    *("--listen", self.target),
                ],
                env=environment | {"HEADGATE_LOG_FORMAT": "json"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start(self) -> None:
        """Start the process, and return once it takes calls."""
        self.launch()
        given_up = time.monotonic() + _READY_SECONDS
        while not self.is_listening():
            if self.process.poll() is not None:
                raise AssertionError(f"The program ended by itself:\n{self.output()}")
            if time.monotonic() > given_up:
                raise AssertionError(f"The program does not take calls:\n{self.output()}")
            time.sleep(_POLL_SECONDS)

    def is_listening(self) -> bool:
        """Return whether somebody takes connections on the port."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """End the process as a power failure would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> None:
        """Ask the process to end, as an operator would."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait for the end of the process, and return its exit code."""
        return self.process.wait(_STOP_SECONDS)

    def stop(self) -> int:
        """Ask the process to end, wait for it, and return its exit code."""
        self.terminate()
        return self.wait()

    def resident_bytes(self) -> int:
        """Return how much memory the process holds."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def output(self) -> str:
        """Return everything that was written to the log and to the terminal."""
        return self._log.read_text(errors="replace")

    def events(self) -> list[dict[str, Any]]:
        """Return what was logged, in order. The last line may be cut short by a kill."""
        lines = [line for line in self.output().splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines if line.endswith("}")]

    def faults(self) -> list[str]:
        """Return the lines of the log that tell of something unforeseen."""
        return [
            line
            for line in self.output().splitlines()
            if "Traceback" in line or '"level":"error"' in line or '"level":"critical"' in line
        ]


def free_port() -> int:
    """Return a port on loopback that nobody listens on."""
    while True:
        # Drawn anew in each process that runs tests, whatever their seed.
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
