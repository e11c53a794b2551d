"""The program as a subprocess, and a PostgreSQL that keeps what it has committed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headgate_server.storage.schema import upgrade
from tests.acceptance.program import Program
from tests.postgresql import running_postgresql


@pytest.fixture
def new_program(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Return what makes programs. They are ended after the test, and none may have logged a fault.

    Ask for this after the database, so that it ends first.
    """
    made: list[Program] = []

    def make(database: str, **settings: str) -> Program:
        program = Program(database, tmp_path, **settings)
        made.append(program)
        return program

    yield make
    for program in made:
        program.kill()
    assert [fault for program in made for fault in program.faults()] == []


@pytest.fixture
def durable_postgresql_url() -> Iterator[str]:
    """Return the URL of a PostgreSQL database that outlives a loss of power, as in real life."""
    with running_postgresql(is_durable=True) as url:
        upgrade(url)
        yield url
