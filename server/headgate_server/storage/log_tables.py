"""The tables that stand by themselves: the log, requests that were answered, and variables."""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, LargeBinary, Table

from headgate_server.storage.metadata import METADATA, Words

REQUEST: Final = Table(
    # What was answered to requests that carried a request id.
    "request",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("expire_time", BigInteger, nullable=False, index=True),
)

VARIABLE: Final = Table(
    "variable",
    METADATA,
    Column("name", Words, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

EVENT: Final = Table(
    # The log: what changed, in the order of commits.
    "event",
    METADATA,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("last_revision", BigInteger, nullable=False),
    Column("commit_time", BigInteger, nullable=False),
    Column("flow_run_id", Words, nullable=False),
    # Tells the events of task runs, of which there are many, from all others.
    Column("task_run_id", Words),
    Column("body", LargeBinary, nullable=False),
    CheckConstraint("last_revision >= revision", name="last_revision_not_before"),
)

LOG: Final = Table(
    # One row: where the log stands, and which database this is.
    "log",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    Column("oldest_revision", BigInteger, nullable=False),
    Column("epoch", Words, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
