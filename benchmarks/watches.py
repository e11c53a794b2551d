"""Watches: how long changes take to reach watchers, how soon a wait returns, and what an idle watcher costs."""

from functools import partial
from typing import Final

import msgspec

from benchmarks import load, watchers
from benchmarks.effort import Fanning
from benchmarks.load import Sample
from benchmarks.noop import WATCH
from benchmarks.report import Bar, Figure, Row, Section, p
from benchmarks.servers import Endpoint, headgate
from benchmarks.turns import KINDS, MILLISECONDS, Bench, p50
from benchmarks.watchers import WATCH_RUNS, Delays
from headgate import v1 as pb

_KIB: Final = 1024
_WARM_WATCHES: Final = 100
_REAL: Final = "real"
_BARE: Final = "bare"


def measure(bench: Bench) -> None:
    """Measure everything about watches."""
    for kind in KINDS:
        with headgate(bench.place, bench.place.new_url(kind)) as endpoint:
            _measure_fanning(bench, kind, endpoint)
            _measure_waits(bench, kind, endpoint)
    with headgate(bench.place, bench.place.new_url("sqlite")) as endpoint:
        _measure_memory(bench, endpoint)


def _request(flow_id: str) -> bytes:
    """Return a request to watch the runs of a flow."""
    request = pb.WatchFlowRunsRequest(send_initial_state=True)
    request.flows.id.any.values.append(flow_id)
    request.progress_interval.FromSeconds(300)
    return request.SerializeToString()


def _measure_fanning(bench: Bench, kind: str, endpoint: Endpoint) -> None:
    rows = []
    flow_id, run_ids = bench.load.run(load.make_runs, endpoint.target, 1, "watched")
    opened = 0
    for fanning in bench.effort.fannings:
        new = fanning.watchers - opened
        opened = fanning.watchers
        _open(bench, _REAL, endpoint.target, WATCH_RUNS, _request(flow_id), new)
        _open(bench, _BARE, bench.noop.target, WATCH, b"", new)
        message = _example(bench, endpoint, run_ids[0])
        real, bare = bench.take_turns(
            partial(_changes, bench, endpoint, run_ids[0], fanning),
            partial(_pokes, bench, message, fanning),
        )
        rows += _rows_of(bench, kind, fanning.watchers, real, bare)
    for name in (_REAL, _BARE):
        bench.watchers.run(watchers.close_watches, name)
    note = (
        "From sending a change (until it is on disk and with the watcher), and from its commit time, to its arrival at each "
        "watcher; for the bare fan-out from sending the poke. All watch the same; events and watchers of a round together."
    )
    title = f"Changes on their way to watchers on {KINDS[kind]}"
    bench.sections.append(Section(title=title, note=note, rows=rows))


def _open(bench: Bench, name: str, target: str, method: str, request: bytes, count: int) -> None:
    bench.watchers.run(watchers.open_watches, name, target, method, request, count)


def _example(bench: Bench, endpoint: Endpoint, run_id: str) -> bytes:
    """Return the bytes of a real event; all watchers have had it."""
    sent = bench.load.run(load.change_paced, endpoint.target, run_id, 1, 0)
    message = bench.watchers.run(watchers.a_message, _REAL)
    bench.watchers.run(watchers.collect, _REAL, sent)
    return message


def _changes(bench: Bench, endpoint: Endpoint, run_id: str, fanning: Fanning) -> Delays:
    sent = bench.load.run(
        load.change_paced, endpoint.target, run_id, fanning.events, fanning.interval
    )
    return bench.watchers.run(watchers.collect, _REAL, sent)


def _pokes(bench: Bench, message: bytes, fanning: Fanning) -> Delays:
    sent = bench.load.run(
        load.poke_paced, bench.noop.target, message, fanning.events, fanning.interval
    )
    return bench.watchers.run(watchers.collect, _BARE, sent)


def _rows_of(
    bench: Bench, kind: str, count: int, real: list[Delays], bare: list[Delays]
) -> list[Row]:
    """Return the rows of one number of watchers, and note its bar."""
    watched = "1 watcher" if count == 1 else f"{count:,} watchers"
    compared = Figure.of(
        p(subject.since_sent, 0.99) / p(unit.since_sent, 0.99)
        for subject, unit in zip(real, bare, strict=True)
    )
    if count > 1:
        claim = f"Change to event on {KINDS[kind]}, {watched}: p99 / bare fan-out"
        bench.bars.append(Bar.at_most(claim, compared, 2))
    return [
        Row(
            subject=f"{watched}: WatchFlowRuns",
            figures={
                **_spans("since sent", [each.since_sent for each in real]),
                **_spans("since commit time", [each.since_commit for each in real]),
                "p99 / bare": compared,
            },
        ),
        Row(
            subject=f"{watched}: bare fan-out",
            figures=_spans("since sent", [each.since_sent for each in bare]),
        ),
    ]


def _spans(name: str, rounds: list[list[float]]) -> dict[str, Figure]:
    return {
        f"{name}: p50 ms": Figure.of(p(each, 0.5) * MILLISECONDS for each in rounds),
        f"{name}: p99 ms": Figure.of(p(each, 0.99) * MILLISECONDS for each in rounds),
    }


def _measure_waits(bench: Bench, kind: str, endpoint: Endpoint) -> None:
    """Measure how soon the client tells of the end of a run."""
    share = max(bench.effort.waits // bench.effort.rounds, 1)
    _, run_ids = bench.load.run(
        load.make_runs, endpoint.target, share * bench.effort.rounds, "waited for"
    )
    shares = iter([run_ids[first : first + share] for first in range(0, len(run_ids), share)])
    waits, units = bench.take_turns(
        lambda: bench.load.run(load.wait_for_ends, endpoint.target, next(shares)),
        partial(_noop_sample, bench),
    )
    sent = [sorted(since_sent for since_sent, _ in turn) for turn in waits]
    acknowledged = [sorted(since_ack for _, since_ack in turn) for turn in waits]
    compared = Figure.of(
        p(spans, 0.5) * MILLISECONDS / p50(unit) for spans, unit in zip(sent, units, strict=True)
    )
    row = Row(
        subject="wait_for_flow_run",
        figures={
            **_spans("since sent", sent),
            **_spans("since acknowledged", acknowledged),
            "p50 since sent / no-op": compared,
        },
    )
    note = "From proposing COMPLETED to the return of the Python client's wait, which reads the run once more."
    title = f"The end of a run on {KINDS[kind]}"
    bench.sections.append(Section(title=title, note=note, rows=[row]))


def _noop_sample(bench: Bench) -> Sample:
    turn = msgspec.structs.replace(bench.turn(1), seconds=bench.effort.seconds / 2)
    sample, _ = bench.load.run(load.set_states, bench.noop, [load.NO_RUN], turn)
    return sample


def _measure_memory(bench: Bench, endpoint: Endpoint) -> None:
    """Measure by how much the server grows with watchers that have nothing to see."""
    flow_id, _ = bench.load.run(load.make_runs, endpoint.target, 1, "idle")
    count = bench.effort.idle_watches
    rows = []
    for subject, target, method, request in (
        ("WatchFlowRuns", endpoint, WATCH_RUNS, _request(flow_id)),
        ("bare stream", bench.noop, WATCH, b""),
    ):
        # What the first ones bring with them is not paid again by the others.
        _open(bench, subject, target.target, method, request, _WARM_WATCHES)
        before = target.memory()
        _open(bench, subject, target.target, method, request, count)
        grown = Figure.of([(target.memory() - before) / count / _KIB])
        bench.watchers.run(watchers.close_watches, subject)
        rows.append(Row(subject=subject, figures={"KiB a watcher": grown}))
        if target is endpoint:
            bench.bars.append(Bar.at_most("An idle watcher: KiB", grown, 100))
    note = f"Growth of the server's resident memory with {count:,} more idle watchers, for each."
    bench.sections.append(Section(title="Memory of idle watchers", note=note, rows=rows))
