"""The program cannot start: it says why, and ends with the exit code that means it."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.acceptance.program import Program, free_port

MOST_LINES = 3
"""A person reads no more."""

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(60)]


def end_of(program: Program) -> tuple[int, str]:
    """Start a program that cannot run; return its exit code and what it says beside its log."""
    program.launch()
    code = program.wait()
    said = [line for line in program.output().splitlines() if not line.startswith("{")]
    assert said[0].startswith("Error: ")
    assert len(said) <= MOST_LINES
    return code, "\n".join(said)


def test_a_port_that_is_taken(
    sqlite_url: str, new_program: Callable[..., Program], empty_sqlite_url: str
) -> None:
    running, second = new_program(sqlite_url), new_program(empty_sqlite_url)
    running.start()
    second.port, second.target = running.port, running.target

    code, said = end_of(second)

    assert code == 8
    assert f"Cannot listen on {running.target}" in said
    assert running.is_listening()


def test_a_schema_that_a_newer_program_made(
    sqlite_url: str, new_program: Callable[..., Program]
) -> None:
    with sqlite3.connect(str(make_url(sqlite_url).database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    code, said = end_of(new_program(sqlite_url))

    assert code == 7
    assert "schema 9999, which is newer than this program" in said


def test_a_postgresql_without_a_schema(
    empty_postgresql_url: str, new_program: Callable[..., Program]
) -> None:
    code, said = end_of(new_program(empty_postgresql_url))

    assert code == 7
    assert "headgate db upgrade" in said


def test_a_postgresql_that_is_not_there(new_program: Callable[..., Program]) -> None:
    url = f"postgresql://somebody:secret@127.0.0.1:{free_port()}/runs"

    code, said = end_of(new_program(url))

    assert code == 6
    assert "Cannot use the database" in said
    assert "secret" not in said


@pytest.mark.parametrize("place", ["a directory", "a file/below.db", "a file"])
def test_a_file_that_cannot_be_a_database(
    new_program: Callable[..., Program], tmp_path: Path, place: str
) -> None:
    (tmp_path / "a directory").mkdir()
    (tmp_path / "a file").write_text("Not a database, and long enough to be seen as none. " * 10)

    code, said = end_of(new_program(f"sqlite:///{tmp_path / place}"))

    assert code == 6
    assert "Cannot use the database" in said


def test_settings_that_are_wrong_are_all_listed(
    sqlite_url: str, new_program: Callable[..., Program]
) -> None:
    code, said = end_of(new_program(sqlite_url, late_after="soon", max_json="huge"))

    assert code == 2
    assert "HEADGATE_LATE_AFTER=soon" in said
    assert "HEADGATE_MAX_JSON=huge" in said
