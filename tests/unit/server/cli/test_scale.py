from datetime import timedelta

import pytest

from headgate_server.cli.scale import Scale
from tests.builders import NOW

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("offset", "cell"),
    [(-5, 0), (0, 0), (0.999, 0), (1, 1), (9.999, 9), (10, 9), (99, 9)],
)
def test_a_moment_lies_in_a_cell_and_one_beyond_an_end_in_the_last_there(
    offset: float, cell: int
) -> None:
    scale = Scale(NOW, NOW + 10 * SECOND, 10)

    assert scale.place(NOW + offset * SECOND) == cell


def test_everything_lies_in_one_cell_of_no_time() -> None:
    scale = Scale(NOW, NOW, 10)

    assert scale.place(NOW) == 0
    assert scale.ticks() == "0 ms      "


@pytest.mark.parametrize(
    ("length", "ticks"),
    [
        (4 * SECOND, "0 s         1 s         2 s         3 s         "),
        (timedelta(milliseconds=40), "0 ms        10 ms       20 ms       30 ms       "),
        (timedelta(minutes=2), "0 s         30 s        60 s        90 s        "),
        (timedelta(minutes=100), "0 min         30 min        60 min"),
        (timedelta(days=4), "0 d         1 d         2 d         3 d         "),
        (timedelta(days=20_000), "0 d                 "),
    ],
    ids=["seconds", "milliseconds", "minutes in seconds", "minutes", "days", "many years"],
)
def test_round_moments_are_written_where_they_lie(length: timedelta, ticks: str) -> None:
    assert Scale(NOW, NOW + length, 48).ticks().startswith(ticks.rstrip())
    assert len(Scale(NOW, NOW + length, 48).ticks()) == 48
