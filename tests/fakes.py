"""Stand-ins for what tests must hold in their hands: the time."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """A clock that goes when it is told to."""

    def __init__(self, now: datetime = datetime(2030, 1, 1, 12, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now

    def advance(self, span: timedelta) -> None:
        """Let time pass."""
        self.now += span
