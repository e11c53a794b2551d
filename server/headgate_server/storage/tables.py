"""The tables, and the only place that names a column.

Times are microseconds since 1970 in UTC and spans are microseconds, so that both databases order and subtract them exactly.
Ids are canonical UUID text. What only travels with a row is kept whole in `body`, as the model writes itself in JSON; the
columns beside it are what queries filter and sort by, and are written from the same value in the same statement.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    func,
    literal_column,
    text,
)

from headgate_server.storage.log_tables import EVENT, LOG, REQUEST, VARIABLE
from headgate_server.storage.metadata import METADATA, Words, present
from headgate_server.storage.work_tables import WORK_POOL, WORK_QUEUE, WORKER

__all__ = [
    "CONCURRENCY_LIMIT",
    "CONCURRENCY_SLOT",
    "DEPLOYMENT",
    "DEPLOYMENT_TAG",
    "EVENT",
    "FLOW",
    "FLOW_RUN",
    "FLOW_RUN_INPUT",
    "FLOW_RUN_PAYLOAD",
    "FLOW_RUN_STATE",
    "FLOW_RUN_TAG",
    "FLOW_TAG",
    "IDEMPOTENCY_KEY",
    "IS_DISPLACED",
    "LOG",
    "METADATA",
    "NEAR_MICROS",
    "REQUEST",
    "TASK_RUN",
    "TASK_RUN_CACHE",
    "TASK_RUN_STATE",
    "TASK_RUN_TAG",
    "VARIABLE",
    "WORKER",
    "WORK_POOL",
    "WORK_QUEUE",
]

FLOW: Final = Table(
    "flow",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("name", Words, nullable=False, unique=True),
    Column("create_time", BigInteger, nullable=False),
    Column("update_time", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index(None, "create_time", "id"),
    Index(None, "update_time", "id"),
)

FLOW_TAG: Final = Table(
    "flow_tag",
    METADATA,
    Column("flow_id", Words, ForeignKey(FLOW.c.id, ondelete="CASCADE"), primary_key=True),
    Column("tag", Words, primary_key=True),
    Index(None, "tag", "flow_id"),
    sqlite_with_rowid=False,
)

DEPLOYMENT: Final = Table(
    "deployment",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("flow_id", Words, ForeignKey(FLOW.c.id, ondelete="CASCADE"), nullable=False),
    Column("name", Words, nullable=False),
    Column("work_queue_id", Words, ForeignKey(WORK_QUEUE.c.id, ondelete="SET NULL"), index=True),
    # Kept when the queue is deleted, and what `deployments.work_queue_name` asks for.
    Column("work_queue_name", Words),
    Column("is_paused", Integer, nullable=False),
    # Whether the scheduler has something to do for it: not paused, and a schedule of it is active.
    Column("is_scheduled", Integer, nullable=False),
    Column("status", Words, nullable=False),
    Column("last_polled_time", BigInteger),
    Column("has_tags", Integer, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("update_time", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("flow_id", "name"),
    Index(None, "name", "id"),
    Index(None, "create_time", "id"),
    Index(None, "update_time", "id"),
    Index(None, "is_scheduled", "id"),
)

DEPLOYMENT_TAG: Final = Table(
    "deployment_tag",
    METADATA,
    Column(
        "deployment_id", Words, ForeignKey(DEPLOYMENT.c.id, ondelete="CASCADE"), primary_key=True
    ),
    Column("tag", Words, primary_key=True),
    Index(None, "tag", "deployment_id"),
    sqlite_with_rowid=False,
)

TASK_RUN: Final = Table(
    "task_run",
    METADATA,
    Column("id", Words, primary_key=True),
    Column(
        "flow_run_id",
        Words,
        ForeignKey("flow_run.id", ondelete="CASCADE", name="fk_task_run_flow_run_id"),
        nullable=False,
    ),
    Column("task_key", Words, nullable=False),
    Column("dynamic_key", Words, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("edition", BigInteger, nullable=False),
    Column("name", Words, nullable=False),
    Column("state_type", Words),
    Column("state_name", Words),
    Column("has_tags", Integer, nullable=False),
    Column("expected_start_time", BigInteger),
    Column("next_scheduled_start_time", BigInteger),
    Column("start_time", BigInteger),
    Column("end_time", BigInteger),
    Column("total_run_time", BigInteger, nullable=False),
    # When the current state began, if that is RUNNING.
    Column("running_since", BigInteger),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("flow_run_id", "task_key", "dynamic_key"),
    CheckConstraint("version >= 0", name="version_counts_states"),
    CheckConstraint("(version = 0) = (state_type IS NULL)", name="state_iff_version"),
    Index(None, "flow_run_id", "expected_start_time", "id"),
    Index(None, "state_type", "expected_start_time", "id"),
    Index(None, "state_name", "id"),
    Index(None, "expected_start_time", "id"),
    Index(None, "name", "id"),
    Index(None, "next_scheduled_start_time", "id", **present("next_scheduled_start_time")),
    Index(None, "start_time", "id", **present("start_time")),
    Index(None, "end_time", "id", **present("end_time")),
)

TASK_RUN_TAG: Final = Table(
    "task_run_tag",
    METADATA,
    Column("task_run_id", Words, ForeignKey(TASK_RUN.c.id, ondelete="CASCADE"), primary_key=True),
    Column("tag", Words, primary_key=True),
    Index(None, "tag", "task_run_id"),
    sqlite_with_rowid=False,
)

TASK_RUN_STATE: Final = Table(
    "task_run_state",
    METADATA,
    Column("task_run_id", Words, ForeignKey(TASK_RUN.c.id, ondelete="CASCADE"), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("transition_id", Words),
    Column("body", LargeBinary, nullable=False),
    Column("data_json", Text),
    CheckConstraint("version >= 1", name="version_starts_at_one"),
    Index(None, "task_run_id", "transition_id", **present("transition_id")),
    sqlite_with_rowid=False,
)

TASK_RUN_CACHE: Final = Table(
    # Which states answer to a cache key; the newest that has not expired does.
    "task_run_cache",
    METADATA,
    # The SHA-256 of the key: keys may be longer than what an index takes.
    Column("key_digest", Words, primary_key=True),
    Column("create_time", BigInteger, primary_key=True),
    Column("task_run_id", Words, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("expire_time", BigInteger),
    ForeignKeyConstraint(
        ["task_run_id", "version"],
        [TASK_RUN_STATE.c.task_run_id, TASK_RUN_STATE.c.version],
        ondelete="CASCADE",
    ),
    Index(None, "task_run_id", "version"),
    sqlite_with_rowid=False,
)

CONCURRENCY_LIMIT: Final = Table(
    "concurrency_limit",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("tag", Words, nullable=False, unique=True),
    Column("concurrency_limit", BigInteger, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("update_time", BigInteger, nullable=False),
    CheckConstraint("concurrency_limit >= 0", name="limit_not_negative"),
)

CONCURRENCY_SLOT: Final = Table(
    # Which task runs hold a slot of a limit.
    "concurrency_slot",
    METADATA,
    Column(
        "concurrency_limit_id",
        Words,
        ForeignKey(CONCURRENCY_LIMIT.c.id, ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("task_run_id", Words, ForeignKey(TASK_RUN.c.id, ondelete="CASCADE"), primary_key=True),
    Index(None, "task_run_id"),
    sqlite_with_rowid=False,
)

FLOW_RUN: Final = Table(
    "flow_run",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("flow_id", Words, ForeignKey(FLOW.c.id, ondelete="CASCADE"), nullable=False),
    Column("version", BigInteger, nullable=False),
    # Counts every change of the row, states or not: a write that was decided on an older row finds out.
    Column("edition", BigInteger, nullable=False),
    Column("name", Words, nullable=False),
    Column("state_type", Words),
    Column("state_name", Words),
    Column("flow_version", Words),
    Column("deployment_id", Words),
    # Cleared by whoever deletes the queue.
    Column("work_queue_id", Words),
    Column("work_queue_name", Words),
    Column(
        "parent_task_run_id",
        Words,
        ForeignKey(
            TASK_RUN.c.id,
            ondelete="SET NULL",
            use_alter=True,
            name="fk_flow_run_parent_task_run_id",
        ),
    ),
    Column("idempotency_key", Words),
    Column("has_tags", Integer, nullable=False),
    Column("expected_start_time", BigInteger),
    Column("next_scheduled_start_time", BigInteger),
    Column("start_time", BigInteger),
    Column("end_time", BigInteger),
    # The start time, or the expected one before the run has started: sorted by, so stored.
    Column("effective_start_time", BigInteger),
    Column("pause_expire_time", BigInteger),
    Column("total_run_time", BigInteger, nullable=False, server_default="0"),
    # When the current state began, if that is RUNNING.
    Column("running_since", BigInteger),
    Column("auto_scheduled", Integer, nullable=False, server_default="0"),
    # Whether the process that ran it waits to try again by itself, so that no worker may have it.
    Column("retries_in_process", Integer, nullable=False, server_default="0"),
    Column("body", LargeBinary, nullable=False),
    CheckConstraint("version >= 0", name="version_counts_states"),
    CheckConstraint("(version = 0) = (state_type IS NULL)", name="state_iff_version"),
    CheckConstraint(
        "end_time IS NULL OR state_type IN ('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED')",
        name="end_time_only_if_terminal",
    ),
    Index(None, "flow_id", "effective_start_time", "id"),
    Index(None, "state_type", "effective_start_time", "id"),
    Index(None, "state_type", "expected_start_time", "id"),
    Index(None, "state_name", "id"),
    Index(None, "effective_start_time", "id"),
    Index(None, "expected_start_time", "id"),
    Index(None, "name", "id"),
    # With the state, so that a list of others walks past those that are due without looking at each.
    Index(
        None,
        "next_scheduled_start_time",
        "id",
        "state_type",
        **present("next_scheduled_start_time"),
    ),
    Index(None, "end_time", "id", **present("end_time")),
    Index(None, "deployment_id", "effective_start_time", "id", **present("deployment_id")),
    Index(None, "parent_task_run_id", **present("parent_task_run_id")),
    Index(None, "idempotency_key", **present("idempotency_key")),
    Index(None, "pause_expire_time", "id", **present("pause_expire_time")),
    # What a worker asks for, what holds a slot of a queue, and which runs of a queue are late.
    Index(
        "ix_flow_run_work_queue_id_waiting",
        "work_queue_id",
        "state_type",
        "next_scheduled_start_time",
        "id",
        **present("work_queue_id"),
    ),
    # What the scheduler looks for before it makes more.
    Index(
        None,
        "deployment_id",
        "next_scheduled_start_time",
        sqlite_where=text("deployment_id IS NOT NULL AND next_scheduled_start_time IS NOT NULL"),
        postgresql_where=text(
            "deployment_id IS NOT NULL AND next_scheduled_start_time IS NOT NULL"
        ),
    ),
)

NEAR_MICROS: Final = 300_000_000
"""How far apart the effective and the expected start time of nearly all runs are at most: five minutes."""
IS_DISPLACED: Final = func.abs(
    FLOW_RUN.c.effective_start_time - FLOW_RUN.c.expected_start_time
) > literal_column(str(NEAR_MICROS))
"""Whether they are further apart."""
for _time in (FLOW_RUN.c.effective_start_time, FLOW_RUN.c.expected_start_time):
    Index(
        f"ix_flow_run_{_time.name}_displaced",
        _time,
        FLOW_RUN.c.id,
        sqlite_where=IS_DISPLACED,
        postgresql_where=IS_DISPLACED,
    )

FLOW_RUN_PAYLOAD: Final = Table(
    # What lists do not show. A run without a row has `{}` in all three.
    "flow_run_payload",
    METADATA,
    Column("flow_run_id", Words, ForeignKey(FLOW_RUN.c.id, ondelete="CASCADE"), primary_key=True),
    Column("parameters_json", Text, nullable=False),
    Column("context_json", Text, nullable=False),
    Column("job_variables_json", Text, nullable=False),
)

FLOW_RUN_TAG: Final = Table(
    "flow_run_tag",
    METADATA,
    Column("flow_run_id", Words, ForeignKey(FLOW_RUN.c.id, ondelete="CASCADE"), primary_key=True),
    Column("tag", Words, primary_key=True),
    Index(None, "tag", "flow_run_id"),
    sqlite_with_rowid=False,
)

FLOW_RUN_STATE: Final = Table(
    "flow_run_state",
    METADATA,
    Column("flow_run_id", Words, ForeignKey(FLOW_RUN.c.id, ondelete="CASCADE"), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("transition_id", Words),
    Column("body", LargeBinary, nullable=False),
    Column("data_json", Text),
    CheckConstraint("version >= 1", name="version_starts_at_one"),
    Index(None, "flow_run_id", "transition_id", **present("transition_id")),
    sqlite_with_rowid=False,
)

FLOW_RUN_INPUT: Final = Table(
    "flow_run_input",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("flow_run_id", Words, ForeignKey(FLOW_RUN.c.id, ondelete="CASCADE"), nullable=False),
    Column("key", Words, nullable=False),
    Column("value_json", Text, nullable=False),
    Column("sender", Text),
    Column("create_time", BigInteger, nullable=False),
    UniqueConstraint("flow_run_id", "key"),
    Index(None, "flow_run_id", "create_time", "id"),
)

IDEMPOTENCY_KEY: Final = Table(
    # Who holds a key of a flow, and until when; without an end it is held while the run lives.
    "idempotency_key",
    METADATA,
    Column("flow_id", Words, ForeignKey(FLOW.c.id, ondelete="CASCADE"), primary_key=True),
    Column("key", Words, primary_key=True),
    Column(
        "flow_run_id",
        Words,
        ForeignKey(FLOW_RUN.c.id, ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("expire_time", BigInteger),
)
