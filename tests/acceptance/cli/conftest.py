"""A shell whose commands reach one server, which all tests of this folder share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.cli.shell import Shell
from tests.acceptance.program import Program


@pytest.fixture(scope="session")
def shared_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Return a server on a SQLite file of its own. It may log no fault."""
    directory = tmp_path_factory.mktemp("cli")
    with Program(f"sqlite:///{directory / 'headgate.db'}", directory) as program:
        yield program
    assert program.faults() == []


@pytest.fixture
def shell(shared_program: Program, tmp_path: Path) -> Shell:
    """Return a shell in a directory of its own."""
    return Shell(shared_program.target, tmp_path)
