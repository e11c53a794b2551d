"""Lists: pages of 200 where few and where many runs are stored."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Final

import msgspec

from benchmarks import filling, load
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


def _of(name: str, sort: str, *states: pb.StateType.ValueType) -> _Page:
    request = pb.ListFlowRunsRequest(sort=pb.FlowRunSort.Value(f"FLOW_RUN_SORT_{sort}"))
    if states:
        request.flow_runs.state.type_any.values.extend(states)
    return _Page(name, request)


_PAGES: Final = (
    _of("newest first", "ID_DESC"),
    _of("by start, latest first", "START_TIME_DESC"),
    _of("by expected start", "EXPECTED_START_TIME_ASC"),
    _of("by name", "NAME_ASC"),
    _of("by end, latest first", "END_TIME_DESC"),
    _of("completed (80 %), latest start first", "START_TIME_DESC", pb.STATE_TYPE_COMPLETED),
    _of(
        "completed or failed (86 %), latest start first",
        "START_TIME_DESC",
        pb.STATE_TYPE_COMPLETED,
        pb.STATE_TYPE_FAILED,
    ),
    _of("failed (6 %), latest start first", "START_TIME_DESC", pb.STATE_TYPE_FAILED),
    _of("failed (6 %), by name", "NAME_ASC", pb.STATE_TYPE_FAILED),
    _of(
        "running or paused (4 %), newest first",
        "ID_DESC",
        pb.STATE_TYPE_RUNNING,
        pb.STATE_TYPE_PAUSED,
    ),
    _of("scheduled (6 %), next first", "NEXT_SCHEDULED_START_TIME_ASC", pb.STATE_TYPE_SCHEDULED),
)


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
        for url in urls[kind]:
            bench.place.drop(url)


def _fill(worker: Worker, urls: list[str], sizes: tuple[int, ...]) -> None:
    for url, size in zip(urls, sizes, strict=True):
        worker.run(filling.fill, url, size)


def _measure_pages(bench: Bench, kind: str, endpoints: list[Endpoint]) -> None:
    rows = []
    growths: dict[str, Figure] = {}
    for page in _PAGES:
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
        growths[page.name] = compared
    if (bench.effort.sizes[0], bench.effort.sizes[-1]) == (_SMALL, _LARGE):
        worst = max(growths, key=lambda name: growths[name].median)
        claim = f"ListFlowRuns on {KINDS[kind]}: 1M / 10k, worst of all ({worst})"
        bench.bars.append(Bar.at_most(claim, growths[worst], 2))
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
