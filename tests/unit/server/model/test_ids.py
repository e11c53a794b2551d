"""Ids that the server makes."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from time import time
from uuid import RFC_4122, UUID

import pytest

from headgate_server.model import ids
from headgate_server.model.ids import new_id


def test_an_id_is_a_uuid_of_version_7_in_canonical_text() -> None:
    made = new_id()

    read = UUID(made)
    assert (read.version, read.variant) == (7, RFC_4122)
    assert str(read) == made


def test_an_id_tells_when_it_was_made() -> None:
    before = time()
    made = new_id()

    assert UUID(made).int >> 80 == pytest.approx(before * 1000, abs=2000)


def test_each_id_sorts_after_the_one_before() -> None:
    made = [new_id() for _ in range(10_000)]

    assert all(earlier < later for earlier, later in pairwise(made))


def test_ids_go_on_rising_while_the_clock_stands_still_or_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter([5_000_000_000_000_000_000, 5_000_000_000_000_000_000, 4_000_000_000_000_000_000])
    monkeypatch.setattr(ids, "time_ns", lambda: next(times))
    make = ids._Sequence()

    made = [make() for _ in range(3)]

    assert made == sorted(set(made))


def test_threads_never_get_the_same_id() -> None:
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: new_id(), range(10_000)))

    assert len(set(made)) == len(made)
