"""Concurrency limits: how many task runs with a tag may be RUNNING at once."""

from datetime import datetime

import msgspec


class ConcurrencyLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A limit on the task runs with a tag."""

    id: str
    tag: str
    """Unique."""
    concurrency_limit: int
    """How many task runs may hold a slot at once; with 0 none can run."""
    create_time: datetime
    update_time: datetime
    active_slots: tuple[str, ...] = ()
    """The ids of the task runs that hold a slot."""
