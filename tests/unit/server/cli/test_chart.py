from datetime import timedelta

import pytest

from headgate import HistoryInterval, HistoryState, StateType
from headgate_server.cli.chart import draw, summary
from tests.builders import NOW

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def a_state(kind: StateType | None, count: int, name: str = "", late: float = 0) -> HistoryState:
    return HistoryState(
        state_type=kind,
        state_name=name or (kind.capitalize() if kind else ""),
        count_runs=count,
        sum_estimated_run_time=timedelta(),
        sum_estimated_lateness=late * SECOND,
    )


def a_history(*hours: list[HistoryState]) -> list[HistoryInterval]:
    return [
        HistoryInterval(
            start_time=NOW + index * HOUR, end_time=NOW + (index + 1) * HOUR, states=tuple(states)
        )
        for index, states in enumerate(hours)
    ]


def drawn(*hours: list[HistoryState], width: int | None = None) -> list[str]:
    return [line.plain for line in draw(a_history(*hours), width)]


def test_bars_are_as_long_as_runs_are_many_and_parted_by_state() -> None:
    lines = drawn(
        [a_state(StateType.COMPLETED, 15), a_state(StateType.FAILED, 5)],
        [],
        [
            a_state(StateType.COMPLETED, 1),
            a_state(StateType.SCHEDULED, 7, "Late"),
            a_state(StateType.SCHEDULED, 2),
        ],
    )

    assert lines == [
        "TIME                  RUNS",
        f"2030-01-01T12:00:00Z    20  {'█' * 30}{'✗' * 10}  15 Completed, 5 Failed",
        "2030-01-01T13:00:00Z     0",
        f"2030-01-01T14:00:00Z    10  {'█' * 2}{'░' * 18}{' ' * 20}  7 Late, 2 Scheduled, 1 Completed",
    ]


def test_a_state_that_few_runs_are_in_is_seen() -> None:
    [_, line, few] = drawn(
        [a_state(StateType.COMPLETED, 99_998), a_state(StateType.FAILED, 1), a_state(None, 1)],
        [a_state(kind, 1) for kind in (StateType.FAILED, StateType.RUNNING, StateType.PAUSED)],
    )

    assert f"  {'█' * 38}✗·  " in line
    assert "  ▓▒✗  " in few


def test_a_type_that_is_newer_than_the_program_is_drawn_too() -> None:
    [_, line] = drawn([a_state(StateType.UNKNOWN, 2, "Dreaming")])

    assert line.endswith(f"{'·' * 40}  2 Dreaming")


@pytest.mark.parametrize("width", [50, 80])
def test_lines_are_as_wide_as_the_terminal_at_most(width: int) -> None:
    lines = drawn([a_state(StateType.COMPLETED, 9, "A very long name of a state")], width=width)

    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(
    ("history", "text"),
    [
        (a_history([], []), "No run was expected in this time."),
        (a_history([a_state(StateType.RUNNING, 1)]), "1 run: 1 Running; none was late"),
        (
            a_history(
                [a_state(StateType.RUNNING, 1, late=7)],
                [a_state(StateType.RUNNING, 2), a_state(None, 1, late=1)],
            ),
            "4 runs: 3 Running, 1 without a state; 2 s late on average",
        ),
    ],
    ids=["none", "one", "several"],
)
def test_the_whole_is_summed_up(history: list[HistoryInterval], text: str) -> None:
    assert summary(history).plain == text
