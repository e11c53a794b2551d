"""What is computed of runs when they are read, as SQL: how long they have run and how late they are, in microseconds.

`headgate_server.rpc.convert` computes the same for single runs. Runs and task runs have the columns for it under the same names.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, RowMapping, and_, case, func, or_

from headgate_server.model.states import TERMINAL
from headgate_server.storage.times import to_micros

__all__ = ["lateness", "read_sum", "run_time", "sums"]

_SECOND: Final = 1_000_000
_TERMINAL: Final = sorted(TERMINAL)


def run_time(runs: FromClause, now: datetime) -> ColumnElement[int]:
    """Return the time spent in RUNNING states, up to now if a run is in one."""
    then, since = to_micros(now), runs.c.running_since
    return runs.c.total_run_time + case((since < then, then - since), else_=0)


def lateness(runs: FromClause, now: datetime) -> ColumnElement[int]:
    """Return how late a run started, or is by now. A run that ended without a start is not late."""
    then, started, expected = to_micros(now), runs.c.start_time, runs.c.expected_start_time
    may_start = or_(runs.c.state_type.is_(None), runs.c.state_type.not_in(_TERMINAL))
    return case(
        (started > expected, started - expected),
        (and_(started.is_(None), expected < then, may_start), then - expected),
        else_=0,
    )


def sums(name: str, micros: ColumnElement[int]) -> list[ColumnElement[Any]]:
    """Return the columns that add up spans of time, to be read with `read_sum`.

    Whole seconds and the rest are added apart, for a million runs that are a year late are more microseconds than a number
    of either database holds.
    """
    return [
        func.sum(micros // _SECOND).label(f"{name}_seconds"),
        func.sum(micros % _SECOND).label(f"{name}_micros"),
    ]


def read_sum(row: RowMapping, name: str) -> int:
    """Return the sum of the spans of time, from a row over at least one of them."""
    # PostgreSQL: sums of large whole numbers are decimals.
    return int(row[f"{name}_seconds"]) * _SECOND + int(row[f"{name}_micros"])
