"""A scale of time: where a moment lies on a line of so many cells."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

_TICK_CELLS: Final = 12
"""Cells from one mark to the next, at least."""
_UNITS: Final = (
    (timedelta(milliseconds=1), "ms", (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    (timedelta(seconds=1), "s", (1, 2, 5, 10, 15, 30)),
    (timedelta(minutes=1), "min", (1, 2, 5, 10, 15, 30)),
    (timedelta(hours=1), "h", (1, 2, 3, 6, 12)),
    (timedelta(days=1), "d", (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """A time on a line."""

    begin: datetime
    end: datetime
    """Not before the beginning."""
    width: int
    """Cells of the line, 1 or more."""

    def place(self, time: datetime) -> int:
        """Return the cell in which a moment lies; one beyond an end lies in the cell at that end."""
        if self.end <= self.begin:
            return 0
        cell = (time - self.begin) * self.width // (self.end - self.begin)
        return min(max(cell, 0), self.width - 1)

    def ticks(self) -> str:
        """Return the line with the time since the beginning written at round moments."""
        step, unit, name = self._step()
        marks = [" "] * self.width
        offset = timedelta()
        while offset <= self.end - self.begin:
            place, mark = self.place(self.begin + offset), f"{offset // unit} {name}"
            if place + len(mark) <= self.width:
                marks[place : place + len(mark)] = mark
            offset += step
        return "".join(marks)

    def _step(self) -> tuple[timedelta, timedelta, str]:
        """Return the time between two marks, the unit that it is told in, and the name of that."""
        least = (self.end - self.begin) * _TICK_CELLS / self.width
        for unit, name, counts in _UNITS:
            for count in counts:
                if count * unit >= least:
                    return count * unit, unit, name
        return max(least, timedelta(days=1)), timedelta(days=1), "d"
