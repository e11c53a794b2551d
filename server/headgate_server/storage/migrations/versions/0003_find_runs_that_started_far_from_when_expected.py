"""Find runs that started far from when they were expected."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0003"
down_revision: Final[str | None] = "0002"
branch_labels: Final[str | Sequence[str] | None] = None
depends_on: Final[str | Sequence[str] | None] = None


def upgrade() -> None:
    displaced = sa.text("abs(effective_start_time - expected_start_time) > 300000000")
    for time in ("effective_start_time", "expected_start_time"):
        op.create_index(
            f"ix_flow_run_{time}_displaced",
            "flow_run",
            [time, "id"],
            sqlite_where=displaced,
            postgresql_where=displaced,
        )
