"""Migrations: what they make is what the tables say, on an empty database, an older and a newer one."""

import re
from collections.abc import Callable
from multiprocessing import get_context
from typing import Final, TypeVar
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text

from headgate_server.storage import events
from headgate_server.storage.database import Database
from headgate_server.storage.schema import (
    HEAD_REVISION,
    SchemaNewerError,
    SchemaOlderError,
    check,
    config,
    current_revision,
    prepare,
    upgrade,
)
from headgate_server.storage.tables import METADATA
from tests.storage.upgrading import upgrade_together

T = TypeVar("T")

_SQLITE_FACTS: Final = """
    SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name != 'alembic_version' AND tbl_name != 'alembic_version'
"""
_POSTGRESQL_FACTS: Final = """
    SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, collname
      FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid LEFT JOIN pg_collation ON attcollation = pg_collation.oid
     WHERE relnamespace = 'public'::regnamespace AND relname !~ '^alembic_version' AND attnum > 0
 UNION ALL
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), condeferrable, NULL
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conname !~ '^alembic_version'
 UNION ALL
    SELECT tablename, indexname, indexdef, NULL, NULL
      FROM pg_indexes WHERE schemaname = 'public' AND tablename != 'alembic_version'
"""


async def on(url: str, function: Callable[[Connection], T]) -> T:
    """Run a function in a transaction on a database."""
    database = Database.open(url)
    try:
        return await database.write(function)
    finally:
        await database.close()


def facts(conn: Connection) -> list[tuple[object, ...]]:
    """Return everything the database knows of its tables, columns, indexes and constraints."""
    is_sqlite = conn.dialect.name == "sqlite"
    rows = conn.execute(text(_SQLITE_FACTS if is_sqlite else _POSTGRESQL_FACTS))
    return sorted((tuple(map(without_order, row)) for row in rows), key=str)


def without_order(fact: object) -> object:
    """Return the parts of a statement that creates a table, for their order means nothing."""
    if not isinstance(fact, str):
        return fact
    return sorted(
        part.strip() for part in re.split(r",(?![^()]*\))|\n", fact) if part.strip(" ,\t")
    )


def test_the_head_is_the_newest_migration() -> None:
    heads = ScriptDirectory.from_config(config()).get_heads()

    assert heads == [HEAD_REVISION]


async def test_the_migrations_make_what_the_tables_say(database_url: str) -> None:
    differences = await on(
        database_url,
        lambda conn: compare_metadata(MigrationContext.configure(conn), METADATA),
    )

    assert differences == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_the_migrations_make_every_constraint_and_option_that_the_tables_name(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """Alembic compares neither checks nor collations nor conditions of indexes."""
    migrated = request.getfixturevalue(f"{kind}_url")
    created = request.getfixturevalue(f"empty_{kind}_url")
    await on(created, a_copy_of(METADATA).create_all)

    assert await on(migrated, facts) == await on(created, facts)


async def test_an_empty_database_is_upgraded_to_the_head(empty_database_url: str) -> None:
    upgrade(empty_database_url)

    assert await on(empty_database_url, current_revision) == HEAD_REVISION


async def test_a_new_database_has_an_empty_log_and_an_identity_of_its_own(
    empty_database_url: str, sqlite_url: str
) -> None:
    upgrade(empty_database_url)

    position = await on(empty_database_url, events.position)
    other = await on(sqlite_url, events.position)
    assert (position.revision, position.oldest_revision) == (0, 0)
    assert str(UUID(position.epoch)) == position.epoch
    assert position.epoch != other.epoch


async def test_upgrading_again_changes_nothing(database_url: str) -> None:
    before = await on(database_url, events.position)

    upgrade(database_url)

    assert await on(database_url, events.position) == before


async def test_a_failed_upgrade_leaves_nothing_behind(empty_database_url: str) -> None:
    await on(empty_database_url, lambda conn: conn.execute(text("CREATE TABLE log (id integer)")))
    before = await on(empty_database_url, facts)

    with pytest.raises(Exception, match=r"log.* already exists"):
        upgrade(empty_database_url)

    assert await on(empty_database_url, facts) == before
    assert await on(empty_database_url, current_revision) is None


async def test_a_newer_schema_is_refused(database_url: str) -> None:
    await on(database_url, set_revision("9999"))

    for refuse in (upgrade, prepare):
        with pytest.raises(SchemaNewerError, match=r"9999.* newer .* knows schema 0003"):
            refuse(database_url)
    with pytest.raises(SchemaNewerError, match="9999"):
        await on(database_url, check)


async def test_a_server_upgrades_an_empty_sqlite_file(empty_sqlite_url: str) -> None:
    prepare(empty_sqlite_url)

    await on(empty_sqlite_url, check)


async def test_a_server_leaves_it_to_a_person_to_upgrade_postgresql(
    empty_postgresql_url: str,
) -> None:
    with pytest.raises(SchemaOlderError, match=r"no schema yet.*`headgate db upgrade`"):
        prepare(empty_postgresql_url)

    assert await on(empty_postgresql_url, current_revision) is None


async def test_a_server_starts_on_a_database_at_the_head(database_url: str) -> None:
    prepare(database_url)

    await on(database_url, check)


async def test_upgrades_at_once_wait_for_each_other(empty_database_url: str) -> None:
    spawning = get_context("spawn")
    everybody_is_there = spawning.Barrier(2)
    programs = [
        spawning.Process(target=upgrade_together, args=(empty_database_url, everybody_is_there))
        for _ in range(2)
    ]

    for program in programs:
        program.start()
    for program in programs:
        program.join()

    assert [program.exitcode for program in programs] == [0, 0]
    await on(empty_database_url, check)
    assert await on(empty_database_url, count_logs) == 1


def a_copy_of(metadata: MetaData) -> MetaData:
    """Return the same tables once more, because creating them on one kind of database leaves marks in them."""
    copy = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.tables.values():
        table.to_metadata(copy)
    return copy


def set_revision(revision: str) -> Callable[[Connection], object]:
    """Return what makes a database believe that it is at a revision."""
    return lambda conn: conn.execute(
        text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision}
    )


def count_logs(conn: Connection) -> int:
    """Return how many rows say where the log stands."""
    return int(conn.execute(text("SELECT count(*) FROM log")).scalar_one())
