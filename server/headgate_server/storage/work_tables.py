"""The tables of work pools, of their queues and of their workers."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    UniqueConstraint,
)

from headgate_server.storage.metadata import METADATA, Words

WORK_POOL: Final = Table(
    "work_pool",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("name", Words, nullable=False, unique=True),
    Column("type", Words, nullable=False),
    Column("is_paused", Integer, nullable=False),
    Column("concurrency_limit", BigInteger),
    Column("status", Words),
    Column("body", LargeBinary, nullable=False),
    CheckConstraint("concurrency_limit >= 0", name="limit_not_negative"),
)

WORK_QUEUE: Final = Table(
    "work_queue",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("work_pool_id", Words, ForeignKey(WORK_POOL.c.id, ondelete="CASCADE"), nullable=False),
    Column("name", Words, nullable=False),
    Column("priority", BigInteger, nullable=False),
    Column("is_paused", Integer, nullable=False),
    Column("concurrency_limit", BigInteger),
    Column("status", Words, nullable=False),
    Column("last_polled_time", BigInteger),
    Column("body", LargeBinary, nullable=False),
    CheckConstraint("concurrency_limit >= 0", name="limit_not_negative"),
    CheckConstraint("priority >= 1", name="priority_positive"),
    UniqueConstraint("work_pool_id", "name"),
    Index(None, "work_pool_id", "priority", "id"),
    Index(None, "name", "id"),
)

WORKER: Final = Table(
    "worker",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("work_pool_id", Words, ForeignKey(WORK_POOL.c.id, ondelete="CASCADE"), nullable=False),
    Column("name", Words, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("last_heartbeat_time", BigInteger, nullable=False),
    # How often the worker said that it reports, in microseconds.
    Column("heartbeat_interval", BigInteger),
    Column("status", Words, nullable=False),
    UniqueConstraint("work_pool_id", "name"),
    Index(None, "work_pool_id", "last_heartbeat_time", "id"),
)
