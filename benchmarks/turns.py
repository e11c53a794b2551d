"""Turns: what is compared is measured in turns, so that whatever else the machine does hits all of it."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from benchmarks.effort import Effort
from benchmarks.load import Sample, Turn
from benchmarks.report import Bar, Figure, Section, p
from benchmarks.servers import Endpoint, Place
from benchmarks.worker import Worker

T = TypeVar("T")

KINDS: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
"""The databases, by what URLs and people call them."""
MICROSECONDS: Final = 1_000_000
MILLISECONDS: Final = 1_000


class Bench(msgspec.Struct, kw_only=True):
    """What measuring needs, and what it has found out so far."""

    place: Place
    effort: Effort
    load: Worker
    watchers: Worker
    noop: Endpoint
    sections: list[Section] = []
    bars: list[Bar] = []

    def turn(self, callers: int) -> Turn:
        """Return a turn with so many callers."""
        return Turn(
            callers=callers, seconds=self.effort.seconds, warm_seconds=self.effort.warm_seconds
        )

    def take_turns(self, *measures: Callable[[], Any]) -> tuple[list[Any], ...]:
        """Measure several things in each round; return the results of each in the order of rounds."""
        results: tuple[list[Any], ...] = tuple([] for _ in measures)
        for number in range(self.effort.rounds):
            order = range(len(measures))
            for place in order if number % 2 == 0 else reversed(order):
                results[place].append(measures[place]())
        return results


def figures(samples: Sequence[Sample], step: str = "calls") -> dict[str, Figure]:
    """Return what samples say about a step."""
    known = {
        f"{step}/s": Figure.of(map(rate, samples)),
        "p50 ms": Figure.of(map(p50, samples)),
        "p99 ms": Figure.of(p(each.latencies, 0.99) * MILLISECONDS for each in samples),
        "server CPU µs": Figure.of(map(cpu, samples)),
    }
    if any(each.database_seconds for each in samples):
        known["database CPU µs"] = Figure.of(
            each.database_seconds / each.steps * MICROSECONDS for each in samples
        )
    return known


def ratio(
    of: Callable[[Sample], float], subjects: Sequence[Sample], units: Sequence[Sample]
) -> Figure:
    """Return how a number of the subject compares with that of its unit, round by round."""
    return Figure.of(of(subject) / of(unit) for subject, unit in zip(subjects, units, strict=True))


def rate(sample: Sample) -> float:
    """Return the steps in a second."""
    return sample.steps / sample.seconds


def p50(sample: Sample) -> float:
    """Return the median duration of a step in milliseconds."""
    return p(sample.latencies, 0.5) * MILLISECONDS


def cpu(sample: Sample) -> float:
    """Return the processor time that a step costs the server, in microseconds."""
    return sample.server_seconds / sample.steps * MICROSECONDS
