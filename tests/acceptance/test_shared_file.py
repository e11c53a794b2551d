"""Other programs use the file of a SQLite database: callers may wait, but are never told that it is locked."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import grpc.aio
import pytest
from sqlalchemy.engine import make_url

from headgate import v1 as pb
from tests.acceptance.program import Program
from tests.service.world import ACCEPT, RUNNING, World

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(60)]

HELD_SECONDS: Final = 2
CALLERS: Final = 16

HOLD: Final = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
"""

DISTURBANCES: Final = {
    "a backup": """
with sqlite3.connect(sys.argv[2]) as copy:
    connection.backup(copy, pages=25, sleep=0.001)
""",
    "a backup by statement": """
connection.execute("VACUUM INTO ?", [sys.argv[2]])
""",
    "a checkpoint": """
for _ in range(30):
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
""",
    "a vacuum": """
for _ in range(5):
    connection.execute("VACUUM")
""",
    "short writes": """
for _ in range(100):
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("COMMIT")
""",
}
BEGIN: Final = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
"""


@pytest.fixture
async def world(sqlite_url: str, new_program: Callable[..., Program]) -> AsyncIterator[World]:
    program = new_program(sqlite_url)
    await asyncio.to_thread(program.start)
    async with grpc.aio.insecure_channel(program.target) as channel:
        yield World(channel)


@pytest.fixture
def file(sqlite_url: str) -> str:
    return str(make_url(sqlite_url).database)


async def test_writes_wait_for_another_program_that_writes_and_reads_do_not(
    world: World, file: str
) -> None:
    run = await world.new_run()
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLD, file), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    async with asyncio.TaskGroup() as callers:
        proposals = [callers.create_task(world.propose(run, RUNNING)) for _ in range(CALLERS)]

        answered, _ = await asyncio.wait(proposals, timeout=HELD_SECONDS)

        assert not answered
        assert (await world.get(run)).version == 1
        holder.stdin.close()
    assert await holder.wait() == 0
    versions = sorted(proposal.result().version for proposal in proposals)
    assert versions == list(range(2, CALLERS + 2))


@pytest.mark.parametrize("disturbance", DISTURBANCES)
async def test_writes_and_reads_go_on_beside(
    world: World, file: str, tmp_path: Path, disturbance: str
) -> None:
    runs = [await world.new_run() for _ in range(CALLERS)]
    other = await disturb(disturbance, file, tmp_path / "copy.db")
    ended = asyncio.create_task(other.wait())

    async def write(run: pb.FlowRun) -> int:
        written = 0
        while written < 10 or not ended.done():
            answer = await world.propose(run, RUNNING)
            written += 1
            assert (answer.status, answer.version) == (ACCEPT, written + 1)
            assert (await world.get(run)).version == written + 1
        return written

    await asyncio.gather(*(write(run) for run in runs))

    assert await ended == 0


async def test_a_backup_that_was_made_meanwhile_is_a_whole_database(
    world: World, file: str, tmp_path: Path, new_program: Callable[..., Program]
) -> None:
    run = await world.new_run()
    writing = asyncio.create_task(write_until_cancelled(world, run))
    copy = tmp_path / "copy.db"
    while (await world.get(run)).version < 50:
        pass

    backup = await disturb("a backup by statement", file, copy)

    assert await backup.wait() == 0

    writing.cancel()
    with sqlite3.connect(copy) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    second = new_program(f"sqlite:///{copy}")
    await asyncio.to_thread(second.start)
    async with grpc.aio.insecure_channel(second.target) as channel:
        kept = await World(channel).get(run)
        states = await World(channel).runs.ListFlowRunStates(
            pb.ListFlowRunStatesRequest(flow_run_id=run.id, page_size=1000)
        )
    assert kept.version >= 50
    versions = [state.version for state in states.states]
    assert versions == list(range(1, len(versions) + 1))
    assert len(versions) == min(kept.version, 1000)


async def disturb(disturbance: str, file: str, copy: Path) -> asyncio.subprocess.Process:
    """Start a program that uses a database beside its server."""
    program = BEGIN + DISTURBANCES[disturbance]
    return await asyncio.create_subprocess_exec(sys.executable, "-c", program, file, copy)


async def write_until_cancelled(world: World, run: pb.FlowRun) -> None:
    while True:
        await world.propose(run, RUNNING)
