"""Metrics: what the server counts and times, for Prometheus to read.

One `Metrics` per server, with a registry of its own, so that two servers in one process do not mix. The other rooms call
`observe`, `inc` or `set` on its attributes and know nothing of names, labels or how they are read.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_CALL_SECONDS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
_COMMIT_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_PASS_SECONDS: Final = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
_BATCH_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 150, 200)


class Metrics:
    """The metrics of one server."""

    registry: CollectorRegistry
    """Holds all of them; hand it to whatever answers Prometheus."""
    rpc_seconds: Histogram
    """Duration of unary calls, by `method` and `code`. Bind the labels once and keep the child."""
    rpc_streams: Counter
    """Streams that have ended, by `method` and `code`."""
    rpc_in_flight: Gauge
    """Calls that are being answered, by `kind`: `unary` or `stream`."""
    stream_messages: Counter
    """Messages sent on streams, by `method`."""
    waiting_writes: Gauge
    """Changes that wait to be written."""
    batch_size: Histogram
    """Changes written in one transaction."""
    commit_seconds: Histogram
    """Duration of one write transaction."""
    lost_races: Counter
    """Changes decided anew because another server was faster."""
    head_revision: Gauge
    """Revision of the newest change this server knows of."""
    tail_lag: Gauge
    """Revisions that are committed and not yet handed to the watchers of this server."""
    watchers: Gauge
    """Watches that are open."""
    catching_up_watchers: Gauge
    """Watches that are fed from the log because they are behind."""
    dropped_events: Counter
    """Events that a watcher should have had and did not get. Always 0; anything else is a defect."""
    upkeep_seconds: Histogram
    """Duration of one background pass, by `name`."""

    def __init__(self) -> None:
        """Make a fresh set, all at zero."""
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.rpc_seconds = Histogram(
            "headgate_rpc_duration_seconds",
            "Duration of unary calls.",
            ("method", "code"),
            buckets=_CALL_SECONDS,
            registry=registry,
        )
        self.rpc_streams = Counter(
            "headgate_rpc_streams",
            "Streams that have ended.",
            ("method", "code"),
            registry=registry,
        )
        self.rpc_in_flight = Gauge(
            "headgate_rpc_in_flight", "Calls that are being answered.", ("kind",), registry=registry
        )
        self.stream_messages = Counter(
            "headgate_rpc_stream_messages",
            "Messages sent on streams.",
            ("method",),
            registry=registry,
        )
        self.waiting_writes = Gauge(
            "headgate_waiting_writes", "Changes that wait to be written.", registry=registry
        )
        self.batch_size = Histogram(
            "headgate_batch_size",
            "Changes written in one transaction.",
            buckets=_BATCH_SIZES,
            registry=registry,
        )
        self.commit_seconds = Histogram(
            "headgate_commit_seconds",
            "Duration of one write transaction.",
            buckets=_COMMIT_SECONDS,
            registry=registry,
        )
        self.lost_races = Counter(
            "headgate_lost_races",
            "Changes decided anew because another server was faster.",
            registry=registry,
        )
        self.head_revision = Gauge(
            "headgate_log_head_revision", "Revision of the newest change.", registry=registry
        )
        self.tail_lag = Gauge(
            "headgate_log_tail_lag_revisions",
            "Committed revisions that the watchers were not yet given.",
            registry=registry,
        )
        self.watchers = Gauge("headgate_watchers", "Open watches.", registry=registry)
        self.catching_up_watchers = Gauge(
            "headgate_catching_up_watchers", "Watches that are fed from the log.", registry=registry
        )
        self.dropped_events = Counter(
            "headgate_dropped_events", "Events that a watcher missed; always 0.", registry=registry
        )
        self.upkeep_seconds = Histogram(
            "headgate_upkeep_pass_seconds",
            "Duration of one background pass.",
            ("name",),
            buckets=_PASS_SECONDS,
            registry=registry,
        )
