"""What tests of the operations begin with."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest

from headgate_server.storage import bulk
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.writer import Writer
from tests.operations.tasks import TaskWorld

ASKING: Final = ("_change_sqlite", "_ask_sqlite", "_ask_postgresql")
"""What runs a statement."""


@pytest.fixture
async def task_world(database: Database, writer: Writer) -> TaskWorld:
    """Return a world with one flow run that is RUNNING, once on each kind of database."""
    world = TaskWorld(database, writer)
    await world.begin()
    return world


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the texts of the statements that are run, in order."""
    told: list[str] = []

    def telling(run: Callable[..., Any]) -> Callable[..., Any]:
        def run_and_tell(conn: Connection, statement: str, rows: Sequence[Any]) -> Any:
            told.append(statement)
            return run(conn, statement, rows)

        return run_and_tell

    for name in ASKING:
        monkeypatch.setattr(bulk, name, telling(getattr(bulk, name)))
    return told
