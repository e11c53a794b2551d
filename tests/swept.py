"""PostgreSQL databases that tests use one after another: to make and to drop one takes longer than most tests do."""

from typing import Any, Final

import asyncpg
from sqlalchemy import delete

from headgate_server.storage.tables import METADATA
from tests.postgresql import Databases

_BYTES_MAX: Final = 8 * 8192
"""How large a table may have become. PostgreSQL: below ten pages it plans as if a table that was never looked at had ten."""

_HANG_UP: Final = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_SHAPE: Final = """
    SELECT oid, relname, relnatts, relchecks, reltuples, (SELECT version_num FROM alembic_version)
    FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY oid
"""
_SIZE: Final = """
    SELECT max(pg_relation_size(oid)) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
"""
_SWEEP: Final = (
    *(str(delete(table)) for table in reversed(METADATA.sorted_tables)),
    "INSERT INTO log VALUES (1, 0, 0, gen_random_uuid()::text)",
)


class SweptDatabases:
    """Hands out databases at the newest schema. One that is given back is swept out and used again where that is quick."""

    def __init__(self, databases: Databases, template: str) -> None:
        self._databases = databases
        self._template = template
        self._shape: object = None
        self._spare: list[str] = []

    def take(self) -> str:
        """Return the URL of a database that holds nothing."""
        if self._spare:
            return self._spare.pop()
        url = self._databases.create(self._template)
        self._shape = self._shape or self._databases.on(url, _shape)
        return url

    def give_back(self, url: str) -> None:
        """Take a database back, whoever is connected to it."""
        if self._databases.on(url, self._sweep):
            self._spare.append(url)
        else:
            self._databases.drop(url)

    async def _sweep(self, conn: Any) -> bool:
        """Bring a database back to how it began; return whether that was possible."""
        await conn.execute(_HANG_UP)
        if await _shape(conn) != self._shape or await conn.fetchval(_SIZE) > _BYTES_MAX:
            return False
        await conn.execute(";".join(_SWEEP))
        return True


async def _shape(conn: asyncpg.Connection) -> object:
    """Return what sweeping does not bring back: tables, what is known of their contents, and the version of the schema."""
    return await conn.fetch(_SHAPE)
