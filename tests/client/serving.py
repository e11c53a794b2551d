"""A real server as a process of its own, for as long as its standard input stays open."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from headgate_server.testing import running_server


@contextmanager
def server_process(database_url: str) -> Iterator[str]:
    """Run a server on this database and return where it listens."""
    command = [sys.executable, __file__, database_url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        target = process.stdout.readline().strip()
        assert target, "the server did not start"
        try:
            yield target
        finally:
            process.communicate("", timeout=10)


async def serve(database_url: str) -> None:
    """Serve until nobody holds the other end of the standard input."""
    teller = sys.stdout
    with redirect_stdout(sys.stderr):  # what the server logs is not for the test to read
        async with running_server(database_url) as target:
            print(target, file=teller, flush=True)
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
