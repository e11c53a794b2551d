"""Keep flows, their runs, and what happens to them."""

from collections.abc import Sequence
from typing import Final
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final[str | None] = None
branch_labels: Final[str | Sequence[str] | None] = None
depends_on: Final[str | Sequence[str] | None] = None

WORDS: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _create_flows()
    _create_runs()
    _create_what_belongs_to_a_run()
    _create_indexes_of_runs()
    _create_the_rest()
    _create_the_log()


def _create_flows() -> None:
    op.create_table(
        "flow",
        sa.Column("id", WORDS, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
        sa.Column("update_time", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_flow"),
        sa.UniqueConstraint("name", name="uq_flow_name"),
    )
    op.create_index("ix_flow_create_time_id", "flow", ["create_time", "id"])
    op.create_index("ix_flow_update_time_id", "flow", ["update_time", "id"])
    op.create_table(
        "flow_tag",
        sa.Column("flow_id", WORDS, nullable=False),
        sa.Column("tag", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("flow_id", "tag", name="pk_flow_tag"),
        _goes_with("flow_id", "flow", "fk_flow_tag_flow_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_flow_tag_tag_flow_id", "flow_tag", ["tag", "flow_id"])
    op.create_table(
        "deployment",
        sa.Column("id", WORDS, nullable=False),
        sa.Column("flow_id", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deployment"),
        _goes_with("flow_id", "flow", "fk_deployment_flow_id"),
    )
    op.create_index("ix_deployment_flow_id", "deployment", ["flow_id"])


def _create_runs() -> None:
    op.create_table(
        "flow_run",
        sa.Column("id", WORDS, nullable=False),
        sa.Column("flow_id", WORDS, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("edition", sa.BigInteger, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("state_type", WORDS),
        sa.Column("state_name", WORDS),
        sa.Column("flow_version", WORDS),
        sa.Column("deployment_id", WORDS),
        sa.Column("work_queue_name", WORDS),
        sa.Column("parent_task_run_id", WORDS),
        sa.Column("idempotency_key", WORDS),
        sa.Column("has_tags", sa.Integer, nullable=False),
        sa.Column("expected_start_time", sa.BigInteger),
        sa.Column("next_scheduled_start_time", sa.BigInteger),
        sa.Column("start_time", sa.BigInteger),
        sa.Column("end_time", sa.BigInteger),
        sa.Column("effective_start_time", sa.BigInteger),
        sa.Column("pause_expire_time", sa.BigInteger),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_flow_run"),
        sa.CheckConstraint("version >= 0", name="ck_flow_run_version_counts_states"),
        sa.CheckConstraint(
            "(version = 0) = (state_type IS NULL)", name="ck_flow_run_state_iff_version"
        ),
        sa.CheckConstraint(
            "end_time IS NULL OR state_type IN ('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED')",
            name="ck_flow_run_end_time_only_if_terminal",
        ),
        _goes_with("flow_id", "flow", "fk_flow_run_flow_id"),
        # Made below where tables can be altered; SQLite cannot, and takes a table that does not exist yet.
        sa.ForeignKeyConstraint(
            ["parent_task_run_id"],
            ["task_run.id"],
            name="fk_flow_run_parent_task_run_id",
            ondelete="SET NULL",
            use_alter=True,
        ),
    )
    op.create_table(
        "task_run",
        sa.Column("id", WORDS, nullable=False),
        sa.Column("flow_run_id", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_task_run"),
        _goes_with("flow_run_id", "flow_run", "fk_task_run_flow_run_id"),
    )
    op.create_index("ix_task_run_flow_run_id", "task_run", ["flow_run_id"])
    if op.get_context().dialect.supports_alter:
        op.create_foreign_key(
            "fk_flow_run_parent_task_run_id",
            "flow_run",
            "task_run",
            ["parent_task_run_id"],
            ["id"],
            ondelete="SET NULL",
        )


def _create_what_belongs_to_a_run() -> None:
    op.create_table(
        "flow_run_payload",
        sa.Column("flow_run_id", WORDS, nullable=False),
        sa.Column("parameters_json", sa.Text, nullable=False),
        sa.Column("context_json", sa.Text, nullable=False),
        sa.Column("job_variables_json", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("flow_run_id", name="pk_flow_run_payload"),
        _goes_with("flow_run_id", "flow_run", "fk_flow_run_payload_flow_run_id"),
    )
    op.create_table(
        "flow_run_tag",
        sa.Column("flow_run_id", WORDS, nullable=False),
        sa.Column("tag", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("flow_run_id", "tag", name="pk_flow_run_tag"),
        _goes_with("flow_run_id", "flow_run", "fk_flow_run_tag_flow_run_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_flow_run_tag_tag_flow_run_id", "flow_run_tag", ["tag", "flow_run_id"])
    op.create_table(
        "flow_run_state",
        sa.Column("flow_run_id", WORDS, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("transition_id", WORDS),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("data_json", sa.Text),
        sa.PrimaryKeyConstraint("flow_run_id", "version", name="pk_flow_run_state"),
        sa.CheckConstraint("version >= 1", name="ck_flow_run_state_version_starts_at_one"),
        _goes_with("flow_run_id", "flow_run", "fk_flow_run_state_flow_run_id"),
        sqlite_with_rowid=False,
    )
    _create_index_of_present("flow_run_state", "flow_run_id", "transition_id")
    op.create_table(
        "flow_run_input",
        sa.Column("id", WORDS, nullable=False),
        sa.Column("flow_run_id", WORDS, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("value_json", sa.Text, nullable=False),
        sa.Column("sender", sa.Text),
        sa.Column("create_time", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_flow_run_input"),
        sa.UniqueConstraint("flow_run_id", "key", name="uq_flow_run_input_flow_run_id_key"),
        _goes_with("flow_run_id", "flow_run", "fk_flow_run_input_flow_run_id"),
    )
    op.create_index(
        "ix_flow_run_input_flow_run_id_create_time_id",
        "flow_run_input",
        ["flow_run_id", "create_time", "id"],
    )


def _create_indexes_of_runs() -> None:
    for columns in (
        ["flow_id", "effective_start_time", "id"],
        ["state_type", "effective_start_time", "id"],
        ["state_name", "id"],
        ["effective_start_time", "id"],
        ["expected_start_time", "id"],
        ["name", "id"],
    ):
        op.create_index(f"ix_flow_run_{'_'.join(columns)}", "flow_run", columns)
    _create_index_of_present("flow_run", "next_scheduled_start_time", "id")
    _create_index_of_present("flow_run", "end_time", "id")
    _create_index_of_present("flow_run", "deployment_id", "effective_start_time", "id")
    _create_index_of_present("flow_run", "parent_task_run_id")
    _create_index_of_present("flow_run", "idempotency_key")
    _create_index_of_present("flow_run", "pause_expire_time", "id")


def _create_the_rest() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("flow_id", WORDS, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("flow_run_id", WORDS, nullable=False),
        sa.Column("expire_time", sa.BigInteger),
        sa.PrimaryKeyConstraint("flow_id", "key", name="pk_idempotency_key"),
        _goes_with("flow_id", "flow", "fk_idempotency_key_flow_id"),
        _goes_with("flow_run_id", "flow_run", "fk_idempotency_key_flow_run_id"),
    )
    op.create_index("ix_idempotency_key_flow_run_id", "idempotency_key", ["flow_run_id"])
    op.create_table(
        "request",
        sa.Column("id", WORDS, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("expire_time", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_request"),
    )
    op.create_index("ix_request_expire_time", "request", ["expire_time"])
    op.create_table(
        "variable",
        sa.Column("name", WORDS, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_variable"),
    )


def _create_the_log() -> None:
    op.create_table(
        "event",
        sa.Column("revision", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("last_revision", sa.BigInteger, nullable=False),
        sa.Column("commit_time", sa.BigInteger, nullable=False),
        sa.Column("flow_run_id", WORDS, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_event"),
        sa.CheckConstraint("last_revision >= revision", name="ck_event_last_revision_not_before"),
    )
    log = op.create_table(
        "log",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("oldest_revision", sa.BigInteger, nullable=False),
        sa.Column("epoch", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log"),
        sa.CheckConstraint("id = 1", name="ck_log_one_row"),
    )
    op.bulk_insert(log, [{"id": 1, "revision": 0, "oldest_revision": 0, "epoch": str(uuid4())}])


def _goes_with(column: str, table: str, name: str) -> sa.ForeignKeyConstraint:
    """Return the constraint that a row is deleted with the row it refers to."""
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=name, ondelete="CASCADE")


def _create_index_of_present(table: str, *columns: str) -> None:
    """Create an index that leaves out the rows without the column that may be missing."""
    missing = columns[0] if table == "flow_run" else columns[-1]
    present = sa.text(f"{missing} IS NOT NULL")
    name = f"ix_{table}_{'_'.join(columns)}"
    op.create_index(name, table, [*columns], sqlite_where=present, postgresql_where=present)
