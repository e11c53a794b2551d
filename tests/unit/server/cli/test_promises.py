from pathlib import Path

import pytest

from headgate_server.cli.demo.orders import (
    LIMIT_CENTS,
    ORDERS,
    euros,
    read_orders,
    total_cents,
    write_orders,
)
from headgate_server.cli.demo.promises import (
    Seen,
    nothing_is_lost,
    versions_count_up,
    watched_in_full,
)

ONE, TWO, THREE = (1, "a"), (2, "b"), (3, "c")


@pytest.mark.parametrize(
    ("acknowledged", "kept", "holds"),
    [
        ([ONE, TWO], [ONE, TWO], True),
        ([ONE], [ONE, TWO], True),
        ([ONE, TWO], [ONE], False),
        ([ONE, TWO], [ONE, (2, "x")], False),
        ([], [], False),
    ],
)
def test_nothing_is_lost_if_every_acknowledged_state_is_kept(
    acknowledged: list[Seen],
    kept: list[Seen],
    holds: bool,  # noqa: FBT001
) -> None:
    assert nothing_is_lost(acknowledged, kept).holds is holds


def test_what_is_lost_is_named() -> None:
    assert "(2, 'b')" in nothing_is_lost([ONE, TWO], [ONE]).text


@pytest.mark.parametrize(
    ("kept", "holds"),
    [
        ([ONE, TWO, THREE], True),
        ([ONE, THREE], False),
        ([TWO, ONE], False),
        ([], False),
    ],
)
def test_versions_count_up_without_a_gap(kept: list[Seen], holds: bool) -> None:  # noqa: FBT001
    assert versions_count_up(kept).holds is holds


@pytest.mark.parametrize(
    ("seen", "holds"),
    [
        ([ONE, TWO], True),
        ([ONE], False),
        ([ONE, TWO, TWO], False),
        ([TWO, ONE], False),
    ],
)
def test_a_watcher_sees_each_state_once_and_in_order(seen: list[Seen], holds: bool) -> None:  # noqa: FBT001
    assert watched_in_full("watcher 1", seen, [ONE, TWO]).holds is holds


def test_the_orders_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"

    write_orders(path)
    orders = list(read_orders(path))

    assert [order.number for order in orders] == list(range(1, ORDERS + 1))
    assert 0 < sum(order.cents > LIMIT_CENTS for order in orders) < 20
    assert total_cents(orders) > 0


def test_an_amount_is_told_as_a_person_reads_it() -> None:
    assert euros(123_456_07) == "123,456.07 EUR"
