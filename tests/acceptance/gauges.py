"""What a program tells Prometheus, read over HTTP."""

import asyncio
import urllib.request
from typing import Final

_POLL_SECONDS: Final = 0.02


class Gauges:
    """The metrics of one program."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}/metrics"

    async def read(self, name: str) -> float:
        """Return the value of a metric, named with its labels if it has any."""
        return await asyncio.to_thread(self._read, name)

    async def until(self, name: str, value: float) -> None:
        """Ask again and again until a metric has a value."""
        while await self.read(name) != value:  # noqa: ASYNC110 - the other process tells nobody
            await asyncio.sleep(_POLL_SECONDS)

    def _read(self, name: str) -> float:
        with urllib.request.urlopen(self._url) as answer:  # noqa: S310 - our own program
            lines = answer.read().decode().splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).split()[-1])
