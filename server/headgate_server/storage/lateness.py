"""How late flow runs start on average."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from headgate_server.model.filters import RunQuery
from headgate_server.storage.estimates import lateness, read_sum, sums
from headgate_server.storage.narrowing import conditions_for_count
from headgate_server.storage.tables import FLOW_RUN
from headgate_server.storage.times import from_span_micros

__all__ = ["average_lateness"]


def average_lateness(conn: Connection, query: RunQuery, now: datetime) -> timedelta | None:
    """Return the mean lateness of the runs that match, to the nearest microsecond; None if no run does."""
    statement = select(
        func.count().label("count"), *sums("lateness", lateness(FLOW_RUN, now))
    ).where(*conditions_for_count(conn, query))
    row = conn.execute(statement).mappings().one()
    count = row["count"]
    if not count:
        return None
    # Half a microsecond more, so that cutting the rest off rounds.
    return from_span_micros((2 * read_sum(row, "lateness") + count) // (2 * count))
