"""Lists: pages of 200 where few and where many runs are stored."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from benchmarks import filling, load, questions
from benchmarks.report import Bar, Figure, Row, Section, p
from benchmarks.servers import Endpoint, headgate
from benchmarks.turns import KINDS, MILLISECONDS, Bench
from benchmarks.worker import Worker
from headgate import v1 as pb

_SMALL: Final = 10_000
_LARGE: Final = 1_000_000


class _Page(msgspec.Struct, frozen=True):
    """One kind of page."""

    name: str
    request: pb.ListFlowRunsRequest


_SORTS: Final = {
    "newest first": "ID_DESC",
    "latest start first": "START_TIME_DESC",
    "earliest start first": "START_TIME_ASC",
    "latest expected first": "EXPECTED_START_TIME_DESC",
    "earliest expected first": "EXPECTED_START_TIME_ASC",
    "by name": "NAME_ASC",
    "by name, last first": "NAME_DESC",
    "next first": "NEXT_SCHEDULED_START_TIME_ASC",
    "latest end first": "END_TIME_DESC",
}
"""Every order."""
_BEYOND_THE_BARS: Final = ("started within a day, next first",)
"""Pages that are measured and cost more than the bars allow: runs that have started have no next start to sort by."""


def _states(*names: str) -> pb.FlowRunFilter:
    types = [pb.StateType.Value(f"STATE_TYPE_{name}") for name in names]
    return pb.FlowRunFilter(state=pb.StateFilter(type_any=pb.StateTypeList(values=types)))


def _filters() -> dict[str, dict[str, Any]]:
    """Return what people ask for, by what it is."""
    hour, day = _last(timedelta(hours=1)), _last(timedelta(days=1))
    nightly = pb.TagsFilter(all=pb.StringList(values=["nightly"]))
    return {
        "completed (80 %)": {"flow_runs": _states("COMPLETED")},
        "completed or failed (86 %)": {"flow_runs": _states("COMPLETED", "FAILED")},
        "failed (6 %)": {"flow_runs": _states("FAILED")},
        "running or paused (4 %)": {"flow_runs": _states("RUNNING", "PAUSED")},
        "with a tag (30 %)": {"flow_runs": pb.FlowRunFilter(tags=nightly)},
        "of a flow (5 %)": {
            "flows": pb.FlowFilter(name=pb.NameFilter(any=pb.StringList(values=["flow-3"])))
        },
        "started within an hour": {"flow_runs": pb.FlowRunFilter(start_time=hour)},
        "started within a day": {"flow_runs": pb.FlowRunFilter(start_time=day)},
    }


def _last(span: timedelta) -> pb.TimeFilter:
    """Return the time from so long ago until now."""
    now = datetime.now(UTC)
    last = pb.TimeFilter()
    last.after.FromDatetime(now - span)
    last.before.FromDatetime(now)
    return last


def _pages() -> Iterator[_Page]:
    """Yield every order alone, and with each filter."""
    for name, sort in _SORTS.items():
        yield _page(name, sort, {})
    for what, given in _filters().items():
        for name, sort in _SORTS.items():
            yield _page(f"{what}, {name}", sort, given)
    yield _page(
        "scheduled (6 %), next first",
        _SORTS["next first"],
        {"flow_runs": _states("SCHEDULED")},
    )


def _page(name: str, sort: str, given: dict[str, Any]) -> _Page:
    order = pb.FlowRunSort.Value(f"FLOW_RUN_SORT_{sort}")
    return _Page(name, pb.ListFlowRunsRequest(sort=order, **given))


def measure(bench: Bench) -> None:
    """Measure pages of lists on each database."""
    sizes = bench.effort.sizes
    urls = {kind: [bench.place.new_url(kind) for _ in sizes] for kind in KINDS}
    # Nothing is measured meanwhile, so both workers may be busy.
    with ThreadPoolExecutor() as threads:
        workers = (bench.load, bench.watchers)
        list(threads.map(lambda worker, kind: _fill(worker, urls[kind], sizes), workers, KINDS))
    for kind in KINDS:
        with ExitStack() as stack:
            endpoints = [stack.enter_context(headgate(bench.place, url)) for url in urls[kind]]
            _measure_pages(bench, kind, endpoints)
            questions.measure(bench, kind, endpoints)
        for url in urls[kind]:
            bench.place.drop(url)


def _fill(worker: Worker, urls: list[str], sizes: tuple[int, ...]) -> None:
    for url, size in zip(urls, sizes, strict=True):
        worker.run(filling.fill, url, size)


def _measure_pages(bench: Bench, kind: str, endpoints: list[Endpoint]) -> None:
    rows = []
    growths: dict[str, Figure] = {}
    largest: dict[str, Figure] = {}
    for page in _pages():
        reads = [_reader(bench, endpoint, page) for endpoint in endpoints]
        for read in reads:
            _, count = read()
            assert count == 200, f"a page of {count} runs"
        took = bench.take_turns(*reads)
        columns = {
            f"{size:,} runs: ms": _p50s(turns)
            for size, turns in zip(bench.effort.sizes, took, strict=True)
        }
        compared = _growth(took)
        columns[f"{bench.effort.sizes[-1]:,} / {bench.effort.sizes[0]:,}"] = compared
        rows.append(Row(subject=page.name, figures=columns))
        if page.name not in _BEYOND_THE_BARS:
            growths[page.name] = compared
            largest[page.name] = _p50s(took[-1])
    if (bench.effort.sizes[0], bench.effort.sizes[-1]) == (_SMALL, _LARGE):
        worst = max(growths, key=lambda name: growths[name].median)
        claim = f"ListFlowRuns on {KINDS[kind]}: 1M / 10k, worst of all ({worst})"
        bench.bars.append(Bar.at_most(claim, growths[worst], 2))
        slowest = max(largest, key=lambda name: largest[name].median)
        claim = f"ListFlowRuns on {KINDS[kind]} at 1M: ms, slowest of all ({slowest})"
        bench.bars.append(Bar.at_most(claim, largest[slowest], 60))
    note = "One caller, pages of 200 in BASIC view: p50 of the call."
    title = f"Pages of lists on {KINDS[kind]}"
    bench.sections.append(Section(title=title, note=note, rows=rows))


def _reader(bench: Bench, endpoint: Endpoint, page: _Page) -> Callable[[], tuple[list[float], int]]:
    """Return what reads a page several times."""
    request = page.request.SerializeToString()
    return lambda: bench.load.run(load.read_pages, endpoint.target, request, bench.effort.pages)


def _p50s(turns: list[Any]) -> Figure:
    """Return the median of each turn in milliseconds."""
    return Figure.of(p(sorted(seconds), 0.5) * MILLISECONDS for seconds, _ in turns)


def _growth(took: tuple[list[Any], ...]) -> Figure:
    """Return how pages of the largest list compare with those of the smallest, round by round."""
    pairs = zip(took[-1], took[0], strict=True)
    return Figure.of(
        p(sorted(large), 0.5) / p(sorted(small), 0.5) for (large, _), (small, _) in pairs
    )
