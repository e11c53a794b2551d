"""The orders that the jobs of the demo work through, and what the jobs and the play agree on."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FLOW: Final = "orders"
"""The flow of both jobs."""
QUESTION_KEY: Final = "expensive-orders"
"""Names the pause in which a person decides."""
BATCHES: Final = 10
"""In how many batches the orders are packed."""
ORDERS: Final = 2000
"""How many orders the file has."""
LIMIT_CENTS: Final = 100_000
"""Orders above this need a person's word."""

_CUSTOMERS: Final = ("Ayla", "Bruno", "Chiara", "Dawit", "Eszter", "Femi", "Greta", "Hiro")


@dataclass(frozen=True, slots=True)
class Order:
    """Something that somebody wants to have."""

    number: int
    customer: str
    cents: int


def write_orders(path: Path) -> None:
    """Write the orders of the demo; one in about three hundred is expensive."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("number", "customer", "cents"))
        for number in range(1, ORDERS + 1):
            cents = 1_000 + number * 7_919 % 9_000
            dear = number % 293 == 0
            rows.writerow(
                (number, _CUSTOMERS[number % len(_CUSTOMERS)], cents * 40 if dear else cents)
            )


def read_orders(path: Path) -> Iterator[Order]:
    """Yield the orders of a file."""
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            yield Order(int(row["number"]), row["customer"], int(row["cents"]))


def total_cents(orders: Iterable[Order]) -> int:
    """Return what orders cost together."""
    return sum(order.cents for order in orders)


def euros(cents: int) -> str:
    """Return an amount as a person reads it."""
    return f"{cents // 100:,}.{cents % 100:02d} EUR"
