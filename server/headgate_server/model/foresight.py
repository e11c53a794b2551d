"""How far the scheduler looks ahead."""

from datetime import timedelta

import msgspec


class Foresight(msgspec.Struct, frozen=True, kw_only=True):
    """How far the scheduler looks ahead."""

    max_runs: int = 100
    """Dates of one schedule that are taken at most."""
    min_runs: int = 3
    """Dates of one schedule that are enough, if the last of them lies far enough ahead."""
    max_time: timedelta = timedelta(days=100)
    """Dates later than this from now are not taken."""
    min_time: timedelta = timedelta(hours=1)
    """How far ahead is far enough."""
    deployment_batch: int = 100
    """Deployments that are looked at together."""
    insert_batch: int = 500
    """Runs that are inserted together."""
