"""The overview: how things stand on a server, counted now and then and followed by the watch in between."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from rich.console import Group
from rich.table import Table
from rich.text import Text

from headgate import Deleted, FlowRunEvent, StateChange, StateType, WorkQueueWithHealth
from headgate_server.cli import words
from headgate_server.cli.live import line
from headgate_server.cli.output import framed

_LAST: Final = 8
"""Changes that are shown."""
_SPAN: Final = timedelta(seconds=10)
"""Changes a second are counted over so long."""
_BAR: Final = 40
"""Cells of the longest bar."""


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """How a queue is served."""

    work_pool_name: str
    name: str
    status: str
    is_healthy: bool
    late_runs: int
    last_polled_time: datetime | None

    @classmethod
    def of(cls, told: WorkQueueWithHealth) -> Self:
        """Take what the server tells of a queue."""
        return cls(
            work_pool_name=told.work_queue.work_pool_name,
            name=told.work_queue.name,
            status=str(told.work_queue.status),
            is_healthy=told.health.healthy,
            late_runs=told.health.late_runs_count,
            last_polled_time=told.work_queue.last_polled_time,
        )


class Overview:
    """Runs by state, late runs, changes, queues and watches."""

    def __init__(self, target: str) -> None:
        """Begin with nothing known."""
        self.target = target
        self.runs: Counter[StateType] = Counter()
        self.late = 0
        self.watches = 0
        self.queues: Sequence[QueueFacts] = ()
        self.counted_at = datetime.min.replace(tzinfo=UTC)
        """When everything was last counted."""
        self.is_stale = False
        """Whether the last attempt to count failed."""
        self.last: deque[FlowRunEvent] = deque(maxlen=_LAST)
        self._times: deque[datetime] = deque()

    def take(self, event: FlowRunEvent, now: datetime) -> None:
        """Follow a change."""
        if isinstance(event, StateChange):
            if event.previous_state_type is not None:
                self._move(event.previous_state_type, -1)
            self._move(event.state.type, 1)
            self.late += (event.state.name == "Late") - (event.previous_state_name == "Late")
        elif isinstance(event, Deleted):
            if event.flow_run.state is not None:
                self._move(event.flow_run.state.type, -1)
                self.late -= event.flow_run.state.name == "Late"
        else:
            return
        self.last.append(event)
        self._times.append(now)

    def set_counts(
        self,
        runs: Mapping[StateType, int],
        *,
        late: int,
        watches: int,
        queues: Sequence[QueueFacts],
        now: datetime,
    ) -> None:
        """Take what was counted.

        A change that comes while the counting is under way may be counted twice or not at all, until the next counting.

        Args:
            runs: Runs by the type of their state.
            late: Runs that are late.
            watches: Open watches.
            queues: The queues.
            now: When.
        """
        self.runs, self.late = Counter(runs), late
        self.watches, self.queues = watches, queues
        self.counted_at, self.is_stale = now, False

    def rate(self, now: datetime) -> float:
        """Return the changes a second of late."""
        while self._times and self._times[0] < now - _SPAN:
            self._times.popleft()
        return len(self._times) / _SPAN.total_seconds()

    def facts(self) -> dict[str, Any]:
        """Return everything as an object of JSON."""
        return {
            "time": self.counted_at,
            "runs": {str(kind): count for kind, count in self.runs.items()},
            "late_runs": self.late,
            "watches": self.watches,
            "queues": list(self.queues),
        }

    def _move(self, kind: StateType, by: int) -> None:
        self.runs[kind] = max(0, self.runs[kind] + by)


def view(overview: Overview, now: datetime) -> Group:
    """Return the overview as it is to be seen on a terminal."""
    parts: list[Table | Text] = [_head(overview, now), Text(), _states(overview)]
    if overview.queues:
        parts += [Text(), _queues(overview, now)]
    parts += [Text(), Text("last changes", style="bold"), *map(line, reversed(overview.last))]
    parts.append(Text("Ctrl-C ends", style="dim"))
    return Group(*parts)


def lines(overview: Overview) -> Iterator[str]:
    """Yield the overview as plain lines."""
    counts = "  ".join(f"{kind} {count:,}" for kind, count in overview.runs.items())
    yield f"{words.moment(overview.counted_at)}  {counts}"
    yield f"  late {overview.late:,}  watches {overview.watches:,}"
    for queue in overview.queues:
        yield (
            f"  queue {queue.work_pool_name}/{queue.name}  {queue.status}  "
            f"{'healthy' if queue.is_healthy else 'unhealthy'}  late {queue.late_runs:,}"
        )


def _head(overview: Overview, now: datetime) -> Text:
    head = Text.assemble(
        ("headgate ", "bold"),
        overview.target,
        f"   {sum(overview.runs.values()):,} runs",
        f"   {overview.rate(now):.1f} changes/s",
        f"   {overview.watches:,} watches   ",
    )
    head.append(f"{overview.late:,} late", style="bold red" if overview.late else "dim")
    if overview.is_stale:
        head.append("   the server does not answer", style="bold red")
    return head


def _states(overview: Overview) -> Table:
    most = max(overview.runs.values(), default=0) or 1
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for kind, count in overview.runs.items():
        name = words.state_type(kind)
        cells = -(-count * _BAR // most)
        table.add_row(name, f"{count:,}", Text("█" * cells, style=name.style))
    return table


def _queues(overview: Overview, now: datetime) -> Table:
    return framed(
        ("POOL", "QUEUE", "STATUS", "HEALTH", "LATE", "POLLED"),
        [
            (
                queue.work_pool_name,
                queue.name,
                queue.status,
                Text("healthy", style="green")
                if queue.is_healthy
                else Text("unhealthy", style="red"),
                f"{queue.late_runs:,}",
                "never"
                if queue.last_polled_time is None
                else words.ago(queue.last_polled_time, now),
            )
            for queue in overview.queues
        ],
    )
