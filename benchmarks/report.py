"""The report: what was measured, in tables and against the bars, for people and as JSON."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.machine import Machine


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A number that was measured several times."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Figure":
        """Sum up the values of all rounds."""
        known = sorted(values)
        return cls(median=median(known), low=known[0], high=known[-1])


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one subject."""

    subject: str
    figures: dict[str, Figure]
    """By what they are, with the unit: these are the columns."""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs together."""

    title: str
    note: str
    """What the numbers mean, where their names do not say it."""
    rows: list[Row]


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """What a number must reach."""

    claim: str
    measured: Figure
    limit: float
    is_upper: bool
    """Whether the number may be at most the limit; otherwise it must be at least that."""
    is_reached: bool

    @classmethod
    def at_most(cls, claim: str, measured: Figure, limit: float) -> "Bar":
        """Hold the median against an upper limit."""
        is_reached = measured.median <= limit
        return cls(
            claim=claim, measured=measured, limit=limit, is_upper=True, is_reached=is_reached
        )

    @classmethod
    def at_least(cls, claim: str, measured: Figure, limit: float) -> "Bar":
        """Hold the median against a lower limit."""
        is_reached = measured.median >= limit
        return cls(
            claim=claim, measured=measured, limit=limit, is_upper=False, is_reached=is_reached
        )


class Report(msgspec.Struct, kw_only=True):
    """Everything that one run of the benchmarks found out."""

    began: str
    seconds: float
    effort: str
    """`full`, or `quick` for numbers that prove nothing."""
    is_pinned: bool
    """Whether servers had one core and the load the others; otherwise all used what there was."""
    unit: str
    """What the no-op call is."""
    machine: Machine
    busy_elsewhere: float
    """Cores that programs which are no part of this were busy on meanwhile."""
    bars: list[Bar]
    sections: list[Section]

    def write(self, file: Path) -> None:
        """Write the report as JSON."""
        file.write_bytes(msgspec.json.format(msgspec.json.encode(_rounded(self)), indent=2) + b"\n")

    def show(self) -> None:
        """Print the report as tables."""
        console = Console(width=160, highlight=False)
        for section in self.sections:
            console.print(_table_of(section))
            console.print(section.note, style="dim")
            console.print()
        if self.bars:
            console.print(_table_of_bars(self.bars))


def p(latencies: Sequence[float], part: float) -> float:
    """Return the value below which a part of ascending values lies."""
    return latencies[min(int(len(latencies) * part), len(latencies) - 1)]


def _table_of(section: Section) -> Table:
    table = Table(title=section.title, title_justify="left", title_style="bold")
    table.add_column("")
    names = list(dict.fromkeys(name for row in section.rows for name in row.figures))
    for name in names:
        table.add_column(name, justify="right")
    for row in section.rows:
        shown = (row.figures.get(name) for name in names)
        table.add_row(row.subject, *("" if each is None else _text(each) for each in shown))
    return table


def _table_of_bars(bars: list[Bar]) -> Table:
    table = Table(title="Bars", title_justify="left", title_style="bold")
    table.add_column("")
    for name in ("measured", "must be", "reached"):
        table.add_column(name, justify="right")
    for bar in bars:
        limit = f"{'≤' if bar.is_upper else '≥'} {_number(bar.limit)}"
        verdict = "[green]yes[/green]" if bar.is_reached else "[red]NO[/red]"
        table.add_row(bar.claim, _text(bar.measured), limit, verdict)
    return table


def _text(figure: Figure) -> str:
    """Return the median, and how far the rounds are from it where there were several."""
    if figure.low == figure.high or not figure.median:
        return _number(figure.median)
    spread = max(figure.high - figure.median, figure.median - figure.low) / figure.median
    return f"{_number(figure.median)} ±{spread:.0%}"


def _number(value: float) -> str:
    """Return a number with about three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _rounded(value: object) -> object:
    """Return the same with every number rounded to what can be measured."""
    match value:
        case float():
            return round(value, 5)
        case dict():
            return {key: _rounded(each) for key, each in value.items()}
        case list():
            return [_rounded(each) for each in value]
        case msgspec.Struct():
            return _rounded(msgspec.structs.asdict(value))
    return value
