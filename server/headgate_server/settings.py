"""Settings: everything an operator may decide, read once and validated whole.

Each setting has one name in three forms: `late_after` here, `HEADGATE_LATE_AFTER` in the environment and `--late-after` on
the command line, which wins.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self

from platformdirs import user_data_path
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from headgate_server.model.foresight import Foresight
from headgate_server.model.server_info import Limits
from headgate_server.model.states import TERMINAL, StateType
from headgate_server.model.work_pools import Presence

PREFIX: Final = "HEADGATE_"
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SIZES: Final = {"": 1, "KiB": 1024, "MiB": 1024**2}
_SIZE: Final = re.compile(r"(\d+)\s*(KiB|MiB)?")


class SettingsError(Exception):
    """One or more settings are wrong. The text lists all of them."""


def span(least: str, most: str) -> Callable[[str], timedelta]:
    """Return a reader of time spans such as `500ms`, `15s`, `5m`, `2h` or `7d`, within bounds."""

    def read(text: str) -> timedelta:
        told = _SPAN.fullmatch(text.strip())
        value = None if told is None else timedelta(seconds=float(told[1]) * _UNITS[told[2]])
        low, high = _span(least), _span(most)
        if value is None or not low <= value <= high:
            raise ValueError(f"a time span from {least} to {most}, such as 15s, 5m or 7d")
        return value

    return read


def _span(text: str) -> timedelta:
    """Return a time span that is known to be well formed."""
    told = _SPAN.fullmatch(text)
    assert told is not None
    return timedelta(seconds=float(told[1]) * _UNITS[told[2]])


def span_or_off(least: str, most: str) -> Callable[[str], timedelta | None]:
    """Return a reader of time spans within bounds, or of `off`, which is told as None."""
    read_span = span(least, most)

    def read(text: str) -> timedelta | None:
        return None if text.strip().lower() in {"", "off"} else read_span(text)

    return read


def size(least: str, most: str) -> Callable[[str], int]:
    """Return a reader of byte counts such as `65536`, `64KiB` or `4MiB`, within bounds."""

    def read(text: str) -> int:
        told = _SIZE.fullmatch(text.strip())
        if told is None or not _size(least) <= (value := _size(text.strip())) <= _size(most):
            raise ValueError(f"a number of bytes from {least} to {most}, such as 65536 or 4MiB")
        return value

    return read


def _size(text: str) -> int:
    """Return a byte count that is known to be well formed."""
    told = _SIZE.fullmatch(text)
    assert told is not None
    return int(told[1]) * _SIZES[told[2] or ""]


def number(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers within bounds."""

    def read(text: str) -> int:
        if not text.strip().isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    return read


def choice(*words: str) -> Callable[[str], str]:
    """Return a reader of one of some words, in upper or lower case."""
    known = {word.lower(): word for word in words}

    def read(text: str) -> str:
        if text.strip().lower() not in known:
            raise ValueError(f"one of {', '.join(words)}")
        return known[text.strip().lower()]

    return read


def terminal_states(text: str) -> frozenset[StateType]:
    """Read types of states in which runs end, with commas between them."""
    names = {name.strip().upper() for name in text.split(",")}
    if not names <= TERMINAL:
        raise ValueError(f"some of {', '.join(sorted(TERMINAL))}, with commas between them")
    return frozenset(StateType(name) for name in names)


def switch(text: str) -> bool:
    """Read `on` or `off`."""
    if text.strip().lower() in {"on", "true", "1", "yes"}:
        return True
    if text.strip().lower() in {"off", "false", "0", "no"}:
        return False
    raise ValueError("on or off")


def address(text: str) -> str:
    """Read `host:port`; port 0 takes any that is free."""
    host, _, port = text.strip().rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004  the last port
        raise ValueError("an address and a port, such as 127.0.0.1:4244 or [::1]:4244")
    return text.strip()


def address_or_off(text: str) -> str:
    """Read `host:port`, or `off`, which is told as an empty text."""
    return "" if text.strip().lower() in {"", "off"} else address(text)


def database_url(text: str) -> str:
    """Read the URL of a database; nothing means a SQLite file among the user's data."""
    if not text.strip():
        return f"sqlite:///{user_data_path('headgate') / 'headgate.db'}"
    try:
        url = make_url(text.strip())
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() not in {"sqlite", "postgresql"} or not url.database:
        raise ValueError("sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME")
    if url.get_backend_name() == "sqlite" and url.database == ":memory:":
        raise ValueError("a SQLite file: what is only in memory would be lost")
    return text.strip()


def setting(default: str, read: Callable[[str], Any], meaning: str) -> Any:
    """Declare a setting.

    Args:
        default: The default as an operator would write it.
        read: Turns text into the value; a ValueError says what was expected.
        meaning: One line for the table of settings.
    """
    return field(
        default_factory=lambda: read(default),
        metadata={"default": default, "read": read, "meaning": meaning},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the operator decided."""

    # fmt: off
    database: str = setting("", database_url, "URL of the database, `sqlite:///PATH` or `postgresql://…`. Empty: a SQLite file in the user's data directory.")
    listen: str = setting("127.0.0.1:4244", address, "Where to serve gRPC. Port 0 takes any that is free. Off loopback there is no encryption and no authentication: put a proxy in front.")
    metrics_listen: str = setting("off", address_or_off, "Where to serve Prometheus metrics over HTTP.")
    log_level: str = setting("info", choice("debug", "info", "warning", "error"), "Least severe event that is logged.")
    log_format: str = setting("auto", choice("auto", "console", "json"), "Form of the log: for people, or one JSON object a line. `auto`: for people on a terminal.")
    reflection: bool = setting("on", switch, "Whether clients may ask the server for its contract.")
    sqlite_synchronous: str = setting("FULL", choice("FULL", "NORMAL"), "SQLite: `FULL` keeps every acknowledged change through a loss of power, `NORMAL` through a crash of the process only.")
    database_readers: int = setting("4", number(1, 64), "Connections that serve reads.")
    statement_timeout: timedelta = setting("30s", span("1s", "1h"), "PostgreSQL: how long one statement may take.")
    late_after: timedelta = setting("15s", span("0s", "1d"), "How long after its time a scheduled run counts as late.")
    late_interval: timedelta = setting("5s", span("100ms", "1d"), "How often late runs are looked for.")
    concurrency_wait: timedelta = setting("30s", span("1s", "1h"), "How long a task run that finds no free slot of a concurrency limit is told to wait, in whole seconds.")
    pause_expiry_interval: timedelta = setting("5s", span("100ms", "1d"), "How often expired pauses are looked for.")
    foreman_interval: timedelta = setting("15s", span("100ms", "1d"), "How often it is looked who has gone among workers, work pools, deployments and work queues.")
    heartbeat_multiple: int = setting("3", number(1, 100), "A worker is ONLINE for so many of its heartbeat intervals after a heartbeat.")
    heartbeat_fallback: timedelta = setting("30s", span("1s", "1d"), "Heartbeat interval of workers that never named one.")
    deployment_poll_timeout: timedelta = setting("60s", span("1s", "1d"), "How long after a poll a deployment counts as READY.")
    queue_poll_timeout: timedelta = setting("60s", span("1s", "1d"), "How long after a poll a work queue counts as READY.")
    scheduler: bool = setting("on", switch, "Whether this server makes the runs that the schedules of deployments name.")
    scheduler_interval: timedelta = setting("60s", span("100ms", "1d"), "How often deployments with too few scheduled runs are looked for. Those that changed are looked at every 5 seconds besides.")
    scheduler_min_runs: int = setting("3", number(1, 1000), "Runs of each schedule that are made ahead at least, if there are so many dates.")
    scheduler_max_runs: int = setting("100", number(1, 1000), "Runs of each schedule that are made ahead at most.")
    scheduler_min_time: timedelta = setting("1h", span("0s", "3650d"), "How far ahead the runs of each schedule reach at least.")
    scheduler_max_time: timedelta = setting("100d", span("1m", "3650d"), "How far ahead runs are made at most.")
    scheduler_deployment_batch: int = setting("100", number(1, 1000), "Deployments that are looked at together.")
    scheduler_insert_batch: int = setting("500", number(1, 10_000), "Scheduled runs that are inserted together.")
    cancellation_interval: timedelta = setting("20s", span("100ms", "1d"), "How often it is looked for what goes on under cancelled flow runs, which is cancelled too.")
    retention_age: timedelta | None = setting("off", span_or_off("1m", "3650d"), "How long flow runs are kept once they have ended, with their subflow runs. `off` keeps them for ever.")
    retention_states: frozenset[StateType] = setting("CANCELLED,COMPLETED,CRASHED,FAILED", terminal_states, "The states in which flow runs end that are not kept for ever, where `HEADGATE_RETENTION_AGE` says so.")
    retention_interval: timedelta = setting("60s", span("1s", "1d"), "How often flow runs that need not be kept any longer are deleted, some 10,000 at most.")
    trim_interval: timedelta = setting("60s", span("1s", "1d"), "How often what is no longer promised is dropped from the log.")
    history_retention: timedelta = setting("7d", span("1m", "3650d"), "How long changes are kept for watches to resume from. State histories are kept with their runs.")
    watch_age: timedelta = setting("30m", span("1s", "7d"), "How long one watch lasts, give or take a tenth; clients go on by themselves.")
    slow_consumer_timeout: timedelta = setting("30s", span("1s", "1h"), "How long a watcher may leave a message unread before its watch is ended.")
    graph_nodes_max: int = setting("10000", number(1, 1_000_000), "Nodes that the graph of a flow run may have; larger ones are refused.")
    max_wait: timedelta = setting("30s", span("1s", "10m"), "Longest time that one WaitFlowRuns waits.")
    max_call: timedelta = setting("60s", span("1s", "1h"), "Longest time that one unary call may take.")
    max_waiting_writes: int = setting("10000", number(1, 1_000_000), "Changes that may wait to be written before more are refused.")
    max_message: int = setting("4MiB", size("64KiB", "64MiB"), "Largest message in either direction.")
    max_json: int = setting("1MiB", size("1KiB", "16MiB"), "Largest JSON text.")
    max_streams: int = setting("10000", number(1, 1_000_000), "Calls that may be open at once on one connection.")
    keepalive: timedelta = setting("60s", span("10s", "1d"), "How often an idle connection is asked whether it is alive.")
    connection_age: timedelta = setting("1h", span("1s", "30d"), "How long one connection lasts, give or take a tenth; clients connect anew by themselves.")
    drain_timeout: timedelta = setting("10s", span("0s", "1h"), "How long calls in flight may take to finish when the server is told to stop.")
    # fmt: on

    @classmethod
    def read(cls, environ: Mapping[str, str], flags: Mapping[str, str] | None = None) -> Self:
        """Return the settings that the environment and the command line give.

        Args:
            environ: Environment variables; those without our prefix are not looked at.
            flags: Flags by name, as in `late-after`; they win.

        Raises:
            SettingsError: Something is wrong; everything that is, is listed.
        """
        given = {
            name.removeprefix(PREFIX).lower(): (f"{name}={value}", value)
            for name, value in environ.items()
            if name.startswith(PREFIX)
        }
        for flag, value in (flags or {}).items():
            given[flag.replace("-", "_")] = (f"--{flag} {value}", value)
        faults, values = [], {}
        known = {each.name: each for each in fields(cls)}
        for name, (written, value) in given.items():
            if name in known:
                try:
                    values[name] = known[name].metadata["read"](value)
                except ValueError as error:
                    shown = _masked(written) if name == "database" else written
                    faults.append(f"{shown}: expected {error}")
            elif name not in _ELSEWHERE and not name.startswith("test_"):
                faults.append(f"{written}: there is no such setting")
        if faults:
            raise SettingsError("\n".join(faults))
        return cls(**values)

    def limits(self) -> Limits:
        """Return the limits that callers are told."""
        return Limits(
            message_bytes=self.max_message,
            json_bytes=self.max_json,
            waiting_writes=self.max_waiting_writes,
            history_retention=self.history_retention,
            wait=self.max_wait,
            call=self.max_call,
        )

    def presence(self) -> Presence:
        """Return how long after a sign of life somebody counts as there."""
        return Presence(
            heartbeat_multiple=self.heartbeat_multiple,
            heartbeat_fallback=self.heartbeat_fallback,
            queue_poll_timeout=self.queue_poll_timeout,
            deployment_poll_timeout=self.deployment_poll_timeout,
        )

    def foresight(self) -> Foresight:
        """Return how far the scheduler looks ahead."""
        return Foresight(
            max_runs=self.scheduler_max_runs,
            min_runs=self.scheduler_min_runs,
            max_time=self.scheduler_max_time,
            min_time=self.scheduler_min_time,
            deployment_batch=self.scheduler_deployment_batch,
            insert_batch=self.scheduler_insert_batch,
        )

    def sqlite_path(self) -> Path | None:
        """Return the file of the database; None for PostgreSQL."""
        url = make_url(self.database)
        is_file = url.get_backend_name() == "sqlite" and url.database
        return Path(url.database) if is_file and url.database else None

    def __repr__(self) -> str:
        """Show the settings without the password of the database."""
        shown = ", ".join(
            f"{each.name}={_masked(str(getattr(self, each.name)))!r}"
            if each.name == "database"
            else f"{each.name}={getattr(self, each.name)!r}"
            for each in fields(self)
        )
        return f"Settings({shown})"


_ELSEWHERE: Final = frozenset({"target"})
"""Names that the client and our tests read from the same environment."""


def _masked(text: str) -> str:
    """Return a text that may hold a URL without the password in it."""
    return re.sub(r"(://[^:@/]*):[^@]*@", r"\1:***@", text)


def table() -> list[tuple[str, str, str]]:
    """Return name in the environment, default and meaning of each setting, in order."""
    return [
        (PREFIX + each.name.upper(), each.metadata["default"], each.metadata["meaning"])
        for each in fields(Settings)
    ]
