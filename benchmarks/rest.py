"""REST: the same load against the reference, over HTTP/1.1. Everything here runs in a worker.

As for gRPC, requests are made of prepared bytes and answers are looked at as little as can be, so that the callers cost next to
nothing beside the server.
"""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final

import msgspec

from benchmarks.load import Sample, Turn, measure
from benchmarks.servers import Endpoint

_OK: Final = range(200, 300)


class Connection:
    """One connection that is kept, and carries one request at a time."""

    def __init__(self, target: str) -> None:
        """Name the server, as `host:port`."""
        self._target = target
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Send a request and return the body of its answer.

        Raises:
            RuntimeError: The answer is no success.
        """
        if self._streams is None:
            host, _, port = self._target.rpartition(":")
            self._streams = await asyncio.open_connection(host, int(port), limit=2**26)
        reader, writer = self._streams
        head = (
            f"{method} /api{path} HTTP/1.1\r\nHost: {self._target}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        status, length = _read_head(await reader.readuntil(b"\r\n\r\n"))
        answer = await reader.readexactly(length)
        if status not in _OK:
            raise RuntimeError(f"{method} {path}: {status} {answer[:500]!r}")
        return answer

    async def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            await self._streams[1].wait_closed()


async def make_runs(target: str, count: int, callers: int) -> tuple[str, list[str]]:
    """Make a flow with some runs that are RUNNING; return its id and theirs."""
    connections = [Connection(target) for _ in range(callers)]
    flow = await connections[0].call("POST", "/flows/", b'{"name": "benchmark"}')
    flow_id = str(msgspec.json.decode(flow)["id"])
    creation = _creation(flow_id, "RUNNING")
    run_ids: list[str] = []

    async def make(connection: Connection, share: int) -> None:
        for _ in range(share):
            answer = await connection.call("POST", "/flow_runs/", creation)
            run_ids.append(msgspec.json.decode(answer)["id"])

    shares = [len(range(place, count, callers)) for place in range(callers)]
    await asyncio.gather(*map(make, connections, shares))
    await _close(connections)
    return flow_id, run_ids


async def set_states(endpoint: Endpoint, run_ids: list[str], turn: Turn) -> Sample:
    """Let callers propose RUNNING for running runs, no two for one run at once."""
    connections = [Connection(endpoint.target) for _ in range(turn.callers)]
    shares = [run_ids[place :: turn.callers] for place in range(turn.callers)]
    turns = [0] * turn.callers
    proposal = _proposal("RUNNING")

    async def step(place: int) -> None:
        share = shares[place]
        turns[place] += 1
        run_id = share[turns[place] % len(share)]
        answer = await connections[place].call("POST", f"/flow_runs/{run_id}/set_state", proposal)
        assert b'"ACCEPT"' in answer, answer

    sample = await measure(endpoint, turn, step)
    await _close(connections)
    return sample


async def live_lives(endpoint: Endpoint, flow_id: str, turn: Turn) -> Sample:
    """Let callers take runs from creation over RUNNING to COMPLETED, in three calls."""
    connections = [Connection(endpoint.target) for _ in range(turn.callers)]
    creation = _creation(flow_id, "PENDING")
    proposals = [_proposal("RUNNING"), _proposal("COMPLETED")]

    async def step(place: int) -> None:
        call = connections[place].call
        run_id = msgspec.json.decode(await call("POST", "/flow_runs/", creation))["id"]
        for proposal in proposals:
            answer = await call("POST", f"/flow_runs/{run_id}/set_state", proposal)
            assert b'"ACCEPT"' in answer, answer

    sample = await measure(endpoint, turn, step)
    await _close(connections)
    return sample


async def get_runs(endpoint: Endpoint, run_ids: list[str], turn: Turn) -> Sample:
    """Let callers read runs."""
    connections = [Connection(endpoint.target) for _ in range(turn.callers)]
    turns = iter(range(2**62))

    async def step(place: int) -> None:
        run_id = run_ids[next(turns) % len(run_ids)]
        await connections[place].call("GET", f"/flow_runs/{run_id}")

    sample = await measure(endpoint, turn, step)
    await _close(connections)
    return sample


async def ask(target: str, path: str, body: dict[str, Any], count: int) -> list[float]:
    """Ask the same several times; return how many seconds each answer took."""
    connection = Connection(target)
    encoded = msgspec.json.encode(body)
    seconds = []
    for _ in range(count):
        began = perf_counter()
        await connection.call("POST", path, encoded)
        seconds.append(perf_counter() - began)
    await connection.close()
    return seconds


def _creation(flow_id: str, state: str) -> bytes:
    return msgspec.json.encode(
        {
            "flow_id": flow_id,
            "parameters": {"rows": 1000, "dry": False},
            "tags": ["benchmark"],
            "state": {"type": state},
        }
    )


def _proposal(state: str) -> bytes:
    return msgspec.json.encode({"state": {"type": state}, "force": False})


def _read_head(head: bytes) -> tuple[int, int]:
    """Return the status and the length of the body that the head of an answer tells."""
    first, *lines = head.split(b"\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in lines if b": " in line)
    return int(first.split(b" ", 2)[1]), int(fields[b"content-length"])


async def _close(connections: Sequence[Connection]) -> None:
    await asyncio.gather(*(connection.close() for connection in connections))
