"""The machine: what everything was measured on and with."""

import os
import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

import msgspec
import psutil

_PACKAGES: Final = (
    "headgate",
    "grpcio",
    "protobuf",
    "uvloop",
    "sqlalchemy",
    "aiosqlite",
    "asyncpg",
    "msgspec",
)
_SYNCS: Final = 100


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Facts that numbers depend on."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    filesystem: str
    """Of the directory that holds the databases."""
    sync_ms: float
    """Median time to bring an appended block of 4 KiB to the disk."""
    versions: dict[str, str]


def look(directory: Path, postgresql: str) -> Machine:
    """Return the facts, with databases in a directory."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 0,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=platform.platform(),
        filesystem=_filesystem(directory),
        sync_ms=_sync_ms(directory),
        versions={
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "postgresql": postgresql,
            **{name: version(name) for name in _PACKAGES},
        },
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _filesystem(directory: Path) -> str:
    """Return the kind of the file system that a directory is on."""
    parts = [
        part
        for part in psutil.disk_partitions(all=True)
        if directory.resolve().is_relative_to(part.mountpoint)
    ]
    return max(parts, key=lambda part: len(part.mountpoint)).fstype if parts else "unknown"


def _sync_ms(directory: Path) -> float:
    took = []
    with (directory / "sync").open("wb") as file:
        for _ in range(_SYNCS):
            file.write(bytes(4096))
            file.flush()
            began = perf_counter()
            os.fsync(file.fileno())
            took.append(perf_counter() - began)
    return round(median(took) * 1000, 3)


class Elsewhere:
    """Finds out how busy the machine is with other things: numbers taken meanwhile are worse than they should be."""

    def __init__(self, *others: int) -> None:
        """Begin now.

        Args:
            others: Processes that belong to us besides our own children.
        """
        self._others = others
        self._began = perf_counter()
        self._busy = self._elsewhere_seconds()

    def cores(self) -> float:
        """Return how many cores were busy with other things until now."""
        busy = self._elsewhere_seconds() - self._busy
        return round(max(busy, 0) / (perf_counter() - self._began), 2)

    def _elsewhere_seconds(self) -> float:
        times = psutil.cpu_times()
        all_seconds: float = times.user + times.nice + times.system
        return all_seconds - sum(
            _seconds_with_children(pid) for pid in (os.getpid(), *self._others)
        )


def _seconds_with_children(pid: int) -> float:
    """Return the processor time of a process and of all that it has started."""
    process = psutil.Process(pid)
    seconds = 0.0
    for each in (process, *process.children(recursive=True)):
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system + times.children_user + times.children_system
    return seconds
