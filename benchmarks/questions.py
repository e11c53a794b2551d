"""Questions about many runs: counts, histories, lateness and graphs where few and where many runs are stored."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import msgspec
from google.protobuf.message import Message

from benchmarks import filling, load
from benchmarks.report import Bar, Figure, Row, Section, p
from benchmarks.servers import Endpoint
from benchmarks.turns import KINDS, MILLISECONDS, Bench
from headgate import v1 as pb

_SERVICE: Final = "/headgate.v1.FlowRunService"
_INTERVALS: Final = 100


class _Question(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is asked."""

    name: str
    method: str
    request: Message
    limit_ms: float | None = None
    """What it may take over the largest number of runs."""


def measure(bench: Bench, kind: str, endpoints: Sequence[Endpoint]) -> None:
    """Measure the same questions to servers that hold more and more runs."""
    sizes = bench.effort.sizes
    rows = []
    for question in _questions():
        took = bench.take_turns(*(partial(_ask, bench, each, question) for each in endpoints))
        figures = [_p50s(turns) for turns in took]
        rows.append(
            Row(
                subject=question.name,
                figures={
                    f"{size:,} runs: ms": figure
                    for size, figure in zip(sizes, figures, strict=True)
                },
            )
        )
        if question.limit_ms is not None and sizes[-1] >= filling.MANY:
            claim = f"{question.name} on {KINDS[kind]}, {sizes[-1]:,} runs: ms"
            bench.bars.append(Bar.at_most(claim, figures[-1], question.limit_ms))
    note = "One caller: p50 of the call. One run has 1,000 task runs, each of which waited for two others."
    title = f"Questions about many runs on {KINDS[kind]}"
    bench.sections.append(Section(title=title, note=note, rows=rows))


def _questions() -> Iterator[_Question]:
    failed = pb.FlowRunFilter(
        state=pb.StateFilter(type_any=pb.StateTypeList(values=[pb.STATE_TYPE_FAILED]))
    )
    flow = pb.FlowFilter(name=pb.NameFilter(any=pb.StringList(values=["flow-3"])))
    hour = pb.FlowRunFilter(start_time=_since(timedelta(hours=1)))
    day = pb.FlowRunFilter(start_time=_since(timedelta(days=1)))
    yield _Question(name="count of all", method="CountFlowRuns", request=pb.CountFlowRunsRequest())
    for name, request in (
        ("count of failed (6 %)", pb.CountFlowRunsRequest(flow_runs=failed)),
        ("count of a flow (5 %)", pb.CountFlowRunsRequest(flows=flow)),
        ("count of the last hour", pb.CountFlowRunsRequest(flow_runs=hour)),
    ):
        yield _Question(name=name, method="CountFlowRuns", request=request, limit_ms=100)
    yield _Question(
        name="history of a day in 100 intervals",
        method="GetFlowRunHistory",
        request=_history(timedelta(days=1)),
        limit_ms=250,
    )
    yield _Question(
        name="lateness of the last day",
        method="GetFlowRunLateness",
        request=pb.GetFlowRunLatenessRequest(flow_runs=day),
    )
    yield _Question(
        name="lateness of all",
        method="GetFlowRunLateness",
        request=pb.GetFlowRunLatenessRequest(),
    )
    yield _Question(
        name="graph of 1,000 task runs",
        method="GetFlowRunGraph",
        request=pb.GetFlowRunGraphRequest(flow_run_id=filling.WITH_TASKS),
    )


def _since(span: timedelta) -> pb.TimeFilter:
    given = pb.TimeFilter()
    given.after.FromDatetime(datetime.now(UTC) - span)
    given.before.FromDatetime(datetime.now(UTC))
    return given


def _history(span: timedelta) -> pb.GetFlowRunHistoryRequest:
    now = datetime.now(UTC)
    request = pb.GetFlowRunHistoryRequest()
    request.start_time.FromDatetime(now - span)
    request.end_time.FromDatetime(now)
    request.interval.FromTimedelta(span / _INTERVALS)
    return request


def _ask(bench: Bench, endpoint: Endpoint, question: _Question) -> list[float]:
    """Return how many seconds each of some answers took."""
    method = f"{_SERVICE}/{question.method}"
    request = question.request.SerializeToString()
    return bench.load.run(load.ask, endpoint.target, method, request, bench.effort.pages)


def _p50s(turns: Sequence[list[float]]) -> Figure:
    return Figure.of(p(sorted(seconds), 0.5) * MILLISECONDS for seconds in turns)
