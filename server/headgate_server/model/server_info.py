"""What the server is and what it takes."""

from datetime import timedelta
from enum import StrEnum

import msgspec


class DatabaseKind(StrEnum):
    """The databases that the server can stand on."""

    SQLITE = "SQLITE"
    POSTGRESQL = "POSTGRESQL"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits in force, as reported to callers."""

    message_bytes: int = 4 * 1024 * 1024
    json_bytes: int = 1024 * 1024
    name_characters: int = 255
    tags: int = 100
    ids: int = 1000
    page_size: int = 1000
    inputs: int = 100
    state_message_bytes: int = 64 * 1024
    waiting_writes: int = 10_000
    variable_characters: int = 5000
    cache_key_characters: int = 2000
    request_id_window: timedelta = timedelta(hours=24)
    history_retention: timedelta = timedelta(days=7)
    wait: timedelta = timedelta(seconds=30)
    call: timedelta = timedelta(seconds=60)


class ServerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the server is."""

    version: str
    capabilities: tuple[str, ...]
    limits: Limits
    database_kind: DatabaseKind
    head_revision: int
    oldest_revision: int
    epoch: str
    schema_revision: str
    watch_count: int
