"""A chart of runs over time: a bar for each interval, with a part for each type of state."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from rich.text import Text

from headgate import HistoryInterval, HistoryState, StateType
from headgate_server.cli import words

_GAP: Final = "  "
_BAR_LEAST: Final = 20
_BAR_MOST: Final = 40
_NO_TIME: Final = timedelta()

# fmt: off
_BLOCKS: Final = {
    StateType.COMPLETED:  "█",
    StateType.RUNNING:    "▓",
    StateType.PAUSED:     "▒",
    StateType.PENDING:    "░",
    StateType.SCHEDULED:  "░",
    StateType.CANCELLING: "▞",
    StateType.CANCELLED:  "▞",
    StateType.CRASHED:    "✗",
    StateType.FAILED:     "✗",
}
# fmt: on
"""What the part of a type is drawn with, so that colours are not all that tells, in the order of the parts."""
_OTHER: Final = "·"


def draw(history: Sequence[HistoryInterval], width: int | None) -> Iterator[Text]:
    """Yield the lines of a chart.

    Args:
        history: The intervals, at least one.
        width: How wide a line may be. None: as wide as it takes.
    """
    totals = [sum(state.count_runs for state in each.states) for each in history]
    most = max(totals)
    times = [words.moment(each.start_time) for each in history]
    counts = max(len(str(most)), len("RUNS"))
    states = [_told(each.states) for each in history]
    bar = _BAR_MOST
    if width is not None:
        taken = len(times[0]) + counts + max(each.cell_len for each in states) + 3 * len(_GAP)
        bar = min(max(width - taken, _BAR_LEAST), _BAR_MOST)
    yield Text(_GAP.join(("TIME".ljust(len(times[0])), "RUNS".rjust(counts))), style="bold")
    for interval, total, time, told in zip(history, totals, times, states, strict=True):
        line = Text(f"{time}{_GAP}{total:>{counts}}")
        if total:
            line.append(_GAP).append_text(_bar(interval.states, total, most, bar))
            line.append(_GAP).append_text(told)
        if width is not None:
            line.truncate(width, overflow="ellipsis")
        yield line


def summary(history: Sequence[HistoryInterval]) -> Text:
    """Return what the whole history comes to."""
    states = [state for each in history for state in each.states]
    count = sum(state.count_runs for state in states)
    if not count:
        return Text("No run was expected in this time.", style="dim")
    late = sum((state.sum_estimated_lateness for state in states), _NO_TIME) / count
    line = Text(f"{count} {'run' if count == 1 else 'runs'}: ").append_text(_told(states))
    return line.append(f"; {words.span(late)} late on average" if late else "; none was late")


def _bar(states: Sequence[HistoryState], total: int, most: int, width: int) -> Text:
    """Return the bar of an interval; the longest one of the chart takes the whole width."""
    counts: Counter[StateType | None] = Counter()
    for state in states:
        counts[state.state_type] += state.count_runs
    kinds: list[StateType | None] = [kind for kind in _BLOCKS if kind in counts]
    kinds += [kind for kind in counts if kind not in _BLOCKS]
    # Whoever is there is seen, however few there are.
    length = max(-(-total * width // most), len(kinds))
    drawn, seen, bar = 0, 0, Text()
    for place, kind in enumerate(kinds):
        seen += counts[kind]
        rest = len(kinds) - place - 1
        end = min(max(round(seen * length / total), drawn + 1), length - rest)
        block = _BLOCKS.get(kind, _OTHER) if kind else _OTHER
        bar.append(block * (end - drawn), style=words.style(kind))
        drawn = end
    bar.append(" " * (width - drawn))
    return bar


def _told(states: Sequence[HistoryState]) -> Text:
    """Return how many runs are in which state, most of them first."""
    counts: Counter[tuple[str, StateType | None]] = Counter()
    for state in states:
        counts[state.state_name, state.state_type] += state.count_runs
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0][0]))
    return Text(", ").join(
        Text.assemble(f"{count} ", (name or "without a state", words.style(kind)))
        for (name, kind), count in ordered
    )
