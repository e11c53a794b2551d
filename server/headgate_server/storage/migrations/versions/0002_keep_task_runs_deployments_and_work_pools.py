"""Keep task runs, deployments and work pools."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final[str | None] = "0001"
branch_labels: Final[str | Sequence[str] | None] = None
depends_on: Final[str | Sequence[str] | None] = None

WORDS: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
MICROSECOND: Final = timedelta(microseconds=1)
BATCH: Final = 1000


class _State(msgspec.Struct):
    type: str
    timestamp: datetime


class _Policy(msgspec.Struct):
    retry_type: str | None = None


class _Run(msgspec.Struct):
    """What the new columns of a run are made of."""

    state: _State | None = None
    policy: _Policy = msgspec.field(default_factory=_Policy)
    total_run_time: timedelta = timedelta()
    auto_scheduled: bool = False


def upgrade() -> None:
    _create_work_pools()
    _create_deployments()
    _create_task_runs()
    _create_limits()
    _widen_flow_runs()
    # The events so far tell of no task run.
    op.add_column("event", _text("task_run_id", nullable=True))


def _create_work_pools() -> None:
    op.create_table(
        "work_pool",
        _id(),
        _text("name"),
        _text("type"),
        _flag("is_paused"),
        _number("concurrency_limit", nullable=True),
        _text("status", nullable=True),
        _body(),
        sa.PrimaryKeyConstraint("id", name="pk_work_pool"),
        sa.UniqueConstraint("name", name="uq_work_pool_name"),
        sa.CheckConstraint("concurrency_limit >= 0", name="ck_work_pool_limit_not_negative"),
    )
    op.create_table(
        "work_queue",
        _id(),
        _text("work_pool_id"),
        _text("name"),
        _number("priority"),
        _flag("is_paused"),
        _number("concurrency_limit", nullable=True),
        _text("status"),
        _number("last_polled_time", nullable=True),
        _body(),
        sa.PrimaryKeyConstraint("id", name="pk_work_queue"),
        sa.UniqueConstraint("work_pool_id", "name", name="uq_work_queue_work_pool_id_name"),
        sa.CheckConstraint("concurrency_limit >= 0", name="ck_work_queue_limit_not_negative"),
        sa.CheckConstraint("priority >= 1", name="ck_work_queue_priority_positive"),
        _goes_with("work_queue", "work_pool_id", "work_pool"),
    )
    _index("work_queue", "work_pool_id", "priority", "id")
    _index("work_queue", "name", "id")
    op.create_table(
        "worker",
        _id(),
        _text("work_pool_id"),
        _text("name"),
        _number("create_time"),
        _number("last_heartbeat_time"),
        _number("heartbeat_interval", nullable=True),
        _text("status"),
        sa.PrimaryKeyConstraint("id", name="pk_worker"),
        sa.UniqueConstraint("work_pool_id", "name", name="uq_worker_work_pool_id_name"),
        _goes_with("worker", "work_pool_id", "work_pool"),
    )
    _index("worker", "work_pool_id", "last_heartbeat_time", "id")


def _create_deployments() -> None:
    # Nothing could make a deployment before.
    op.drop_table("deployment")
    op.create_table(
        "deployment",
        _id(),
        _text("flow_id"),
        _text("name"),
        _text("work_queue_id", nullable=True),
        _text("work_queue_name", nullable=True),
        _flag("is_paused"),
        _flag("is_scheduled"),
        _text("status"),
        _number("last_polled_time", nullable=True),
        _flag("has_tags"),
        _number("create_time"),
        _number("update_time"),
        _body(),
        sa.PrimaryKeyConstraint("id", name="pk_deployment"),
        sa.UniqueConstraint("flow_id", "name", name="uq_deployment_flow_id_name"),
        _goes_with("deployment", "flow_id", "flow"),
        sa.ForeignKeyConstraint(
            ["work_queue_id"],
            ["work_queue.id"],
            name="fk_deployment_work_queue_id",
            ondelete="SET NULL",
        ),
    )
    _index("deployment", "work_queue_id")
    _index("deployment", "name", "id")
    _index("deployment", "create_time", "id")
    _index("deployment", "update_time", "id")
    _index("deployment", "is_scheduled", "id")
    _create_tags("deployment")


def _create_task_runs() -> None:
    # Nothing could make a task run before.
    can_alter = op.get_context().dialect.supports_alter
    if can_alter:
        op.drop_constraint("fk_flow_run_parent_task_run_id", "flow_run")
    op.drop_table("task_run")
    op.create_table(
        "task_run",
        _id(),
        _text("flow_run_id"),
        _text("task_key"),
        _text("dynamic_key"),
        _number("version"),
        _number("edition"),
        _text("name"),
        _text("state_type", nullable=True),
        _text("state_name", nullable=True),
        _flag("has_tags"),
        _number("expected_start_time", nullable=True),
        _number("next_scheduled_start_time", nullable=True),
        _number("start_time", nullable=True),
        _number("end_time", nullable=True),
        _number("total_run_time"),
        _number("running_since", nullable=True),
        _body(),
        sa.PrimaryKeyConstraint("id", name="pk_task_run"),
        sa.UniqueConstraint(
            "flow_run_id",
            "task_key",
            "dynamic_key",
            name="uq_task_run_flow_run_id_task_key_dynamic_key",
        ),
        sa.CheckConstraint("version >= 0", name="ck_task_run_version_counts_states"),
        sa.CheckConstraint(
            "(version = 0) = (state_type IS NULL)", name="ck_task_run_state_iff_version"
        ),
        _goes_with("task_run", "flow_run_id", "flow_run"),
    )
    if can_alter:
        op.create_foreign_key(
            "fk_flow_run_parent_task_run_id",
            "flow_run",
            "task_run",
            ["parent_task_run_id"],
            ["id"],
            ondelete="SET NULL",
        )
    _index("task_run", "flow_run_id", "expected_start_time", "id")
    _index("task_run", "state_type", "expected_start_time", "id")
    _index("task_run", "state_name", "id")
    _index("task_run", "expected_start_time", "id")
    _index("task_run", "name", "id")
    _index("task_run", "next_scheduled_start_time", "id", present=["next_scheduled_start_time"])
    _index("task_run", "start_time", "id", present=["start_time"])
    _index("task_run", "end_time", "id", present=["end_time"])
    _create_tags("task_run")
    op.create_table(
        "task_run_state",
        _text("task_run_id"),
        _number("version"),
        _text("transition_id", nullable=True),
        _body(),
        sa.Column("data_json", sa.Text),
        sa.PrimaryKeyConstraint("task_run_id", "version", name="pk_task_run_state"),
        sa.CheckConstraint("version >= 1", name="ck_task_run_state_version_starts_at_one"),
        _goes_with("task_run_state", "task_run_id", "task_run"),
        sqlite_with_rowid=False,
    )
    _index("task_run_state", "task_run_id", "transition_id", present=["transition_id"])


def _create_limits() -> None:
    op.create_table(
        "task_run_cache",
        _text("key_digest"),
        _number("create_time"),
        _text("task_run_id"),
        _number("version"),
        _number("expire_time", nullable=True),
        sa.PrimaryKeyConstraint(
            "key_digest", "create_time", "task_run_id", "version", name="pk_task_run_cache"
        ),
        sa.ForeignKeyConstraint(
            ["task_run_id", "version"],
            ["task_run_state.task_run_id", "task_run_state.version"],
            name="fk_task_run_cache_task_run_id_version",
            ondelete="CASCADE",
        ),
        sqlite_with_rowid=False,
    )
    _index("task_run_cache", "task_run_id", "version")
    op.create_table(
        "concurrency_limit",
        _id(),
        _text("tag"),
        _number("concurrency_limit"),
        _number("create_time"),
        _number("update_time"),
        sa.PrimaryKeyConstraint("id", name="pk_concurrency_limit"),
        sa.UniqueConstraint("tag", name="uq_concurrency_limit_tag"),
        sa.CheckConstraint(
            "concurrency_limit >= 0", name="ck_concurrency_limit_limit_not_negative"
        ),
    )
    op.create_table(
        "concurrency_slot",
        _text("concurrency_limit_id"),
        _text("task_run_id"),
        sa.PrimaryKeyConstraint("concurrency_limit_id", "task_run_id", name="pk_concurrency_slot"),
        _goes_with("concurrency_slot", "concurrency_limit_id", "concurrency_limit"),
        _goes_with("concurrency_slot", "task_run_id", "task_run"),
        sqlite_with_rowid=False,
    )
    _index("concurrency_slot", "task_run_id")


def _widen_flow_runs() -> None:
    op.add_column("flow_run", _text("work_queue_id", nullable=True))
    op.add_column("flow_run", _number("running_since", nullable=True))
    for name in ("total_run_time", "auto_scheduled", "retries_in_process"):
        number: Any = sa.BigInteger if name == "total_run_time" else sa.Integer
        op.add_column("flow_run", sa.Column(name, number, nullable=False, server_default="0"))
    _index(
        "flow_run",
        "work_queue_id",
        "state_type",
        "next_scheduled_start_time",
        "id",
        present=["work_queue_id"],
        name="ix_flow_run_work_queue_id_waiting",
    )
    _index(
        "flow_run",
        "deployment_id",
        "next_scheduled_start_time",
        present=["deployment_id", "next_scheduled_start_time"],
    )
    op.drop_index("ix_flow_run_next_scheduled_start_time_id", "flow_run")
    _index(
        "flow_run",
        "next_scheduled_start_time",
        "id",
        "state_type",
        present=["next_scheduled_start_time"],
    )
    _index("flow_run", "state_type", "expected_start_time", "id")
    _fill_flow_runs(op.get_bind())


def _fill_flow_runs(conn: sa.Connection) -> None:
    """Fill the new columns from what is kept of each run."""
    names = (
        "id",
        "body",
        "total_run_time",
        "running_since",
        "auto_scheduled",
        "retries_in_process",
    )
    run = sa.table("flow_run", *(sa.column(name) for name in names))
    update = (
        sa.update(run)
        .where(run.c.id == sa.bindparam("run_id"))
        .values({name: sa.bindparam(f"new_{name}") for name in names[2:]})
    )
    last = ""
    while rows := conn.execute(
        sa.select(run.c.id, run.c.body).where(run.c.id > last).order_by(run.c.id).limit(BATCH)
    ).all():
        last = rows[-1].id
        conn.execute(update, [{"run_id": row.id, **_columns(row.body)} for row in rows])


def _columns(body: bytes) -> dict[str, int | None]:
    run = msgspec.json.decode(body, type=_Run)
    is_running = run.state is not None and run.state.type == "RUNNING"
    return {
        "new_total_run_time": run.total_run_time // MICROSECOND,
        "new_running_since": (run.state.timestamp - EPOCH) // MICROSECOND
        if run.state is not None and is_running
        else None,
        "new_auto_scheduled": int(run.auto_scheduled),
        "new_retries_in_process": int(run.policy.retry_type == "IN_PROCESS"),
    }


def _create_tags(owner: str) -> None:
    op.create_table(
        f"{owner}_tag",
        _text(f"{owner}_id"),
        _text("tag"),
        sa.PrimaryKeyConstraint(f"{owner}_id", "tag", name=f"pk_{owner}_tag"),
        _goes_with(f"{owner}_tag", f"{owner}_id", owner),
        sqlite_with_rowid=False,
    )
    _index(f"{owner}_tag", "tag", f"{owner}_id")


def _id() -> sa.Column[Any]:
    return _text("id")


def _body() -> sa.Column[Any]:
    return sa.Column("body", sa.LargeBinary, nullable=False)


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, WORDS, nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, nullable=False)


def _goes_with(table: str, column: str, owner: str) -> sa.ForeignKeyConstraint:
    """Return the constraint that a row is deleted with the row it refers to."""
    return sa.ForeignKeyConstraint(
        [column], [f"{owner}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE"
    )


def _index(table: str, *columns: str, present: Sequence[str] = (), name: str | None = None) -> None:
    """Create an index that leaves out the rows without the columns that must be present."""
    name = name or f"ix_{table}_{'_'.join(columns)}"
    if not present:
        op.create_index(name, table, [*columns])
        return
    condition = sa.text(" AND ".join(f"{column} IS NOT NULL" for column in present))
    op.create_index(name, table, [*columns], sqlite_where=condition, postgresql_where=condition)
