"""Changes: durable states and whole lives of runs, and reads of single runs, against the no-op call."""

import asyncio
from collections import Counter
from functools import partial
from typing import Final

from sqlalchemy import Connection, select

from benchmarks import filling, load
from benchmarks.load import Sample, Written
from benchmarks.report import Bar, Figure, Row, Section
from benchmarks.servers import Endpoint, headgate
from benchmarks.turns import KINDS, Bench, cpu, figures, p50, rate, ratio
from headgate_server.storage.database import Database
from headgate_server.storage.tables import FLOW_RUN_STATE

_RUNS: Final = 256
_MOST_CALLERS: Final = 64
_RATE_LIMITS: Final = {"sqlite": 0.45, "postgresql": 0.5}
_P50_LIMITS: Final = {"sqlite": 2.5, "postgresql": 5.0}
_NOOP: Final = "no-op call"


def measure(bench: Bench) -> None:
    """Measure everything that concerns one run at a time."""
    _measure_bare(bench)
    for kind in KINDS:
        url = bench.place.new_url(kind)
        bench.load.run(filling.fill, url, bench.effort.history)
        with headgate(bench.place, url) as endpoint:
            flow_id, run_ids = bench.load.run(load.make_runs, endpoint.target, _RUNS, "changes")
            written = _measure_changes(bench, kind, endpoint, run_ids)
            _measure_lives(bench, kind, endpoint, flow_id)
            _measure_gets(bench, kind, endpoint, run_ids)
        asyncio.run(_verify(url, written))


def _measure_bare(bench: Bench) -> None:
    """Tell what the border costs."""
    rows = []
    for callers in bench.effort.callers:
        turn = bench.turn(callers)
        bare, units = bench.take_turns(
            partial(bench.load.run, load.call_bare, bench.noop, turn), unit(bench, callers)
        )
        rows.append(
            Row(
                subject=f"{callers_text(callers)}: {_NOOP}",
                figures={**figures(units), "CPU / bare": ratio(cpu, units, bare)},
            )
        )
        rows.append(
            Row(subject=f"{callers_text(callers)}: bare grpc.aio, no border", figures=figures(bare))
        )
    note = "What the border (decoding, metering, logging, encoding) adds to grpc.aio on uvloop."
    bench.sections.append(Section(title="The unit", note=note, rows=rows))


def _measure_changes(
    bench: Bench, kind: str, endpoint: Endpoint, run_ids: list[str]
) -> list[Written]:
    """Measure durable changes; return all that were acknowledged."""
    rows = []
    written: list[Written] = []
    for callers in bench.effort.callers:
        turn = bench.turn(callers)
        turns, units = bench.take_turns(
            partial(bench.load.run, load.set_states, endpoint, run_ids, turn),
            unit(bench, callers),
        )
        samples: list[Sample] = [sample for sample, _ in turns]
        written += [each for _, acknowledged in turns for each in acknowledged]
        rows += compared(f"{callers_text(callers)}: SetFlowRunState", samples, callers, units)
        if callers == _MOST_CALLERS:
            bench.bars += _bars_of_changes(kind, samples, units)
        if callers == 1:
            claim = f"SetFlowRunState on {KINDS[kind]}, 1 caller: p50 / no-op"
            bench.bars.append(Bar.at_most(claim, ratio(p50, samples, units), _P50_LIMITS[kind]))
    note = (
        f"RUNNING to RUNNING with a transition id each, on {_RUNS} runs beside {bench.effort.history:,} others; durable when answered. "
        "Each of them was found in the database afterwards."
    )
    title = f"Durable state changes on {KINDS[kind]}"
    bench.sections.append(Section(title=title, note=note, rows=rows))
    return written


def _bars_of_changes(kind: str, samples: list[Sample], units: list[Sample]) -> list[Bar]:
    about = f"SetFlowRunState on {KINDS[kind]}, 64 callers"
    return [
        Bar.at_most(f"{about}: server CPU / no-op", ratio(cpu, samples, units), 2),
        Bar.at_least(f"{about}: rate / no-op", ratio(rate, samples, units), _RATE_LIMITS[kind]),
    ]


def _measure_lives(bench: Bench, kind: str, endpoint: Endpoint, flow_id: str) -> None:
    turn = bench.turn(_MOST_CALLERS)
    lives, units = bench.take_turns(
        partial(bench.load.run, load.live_lives, endpoint, flow_id, turn),
        unit(bench, _MOST_CALLERS),
    )
    claim = f"Lives of runs on {KINDS[kind]}, 64 callers: per second"
    bench.bars.append(Bar.at_least(claim, Figure.of(map(rate, lives)), 600))
    rows = compared(f"{callers_text(_MOST_CALLERS)}: a life", lives, _MOST_CALLERS, units)
    note = "A life is three calls: CreateFlowRun, RUNNING, COMPLETED. A call of it is a third."
    title = f"Lives of runs on {KINDS[kind]}"
    bench.sections.append(Section(title=title, note=note, rows=rows))


def _measure_gets(bench: Bench, kind: str, endpoint: Endpoint, run_ids: list[str]) -> None:
    rows = []
    for callers in (1, _MOST_CALLERS):
        turn = bench.turn(callers)
        gets, units = bench.take_turns(
            partial(bench.load.run, load.get_runs, endpoint, run_ids, turn), unit(bench, callers)
        )
        rows += compared(f"{callers_text(callers)}: GetFlowRun", gets, callers, units)
        if callers == _MOST_CALLERS:
            claim = f"GetFlowRun on {KINDS[kind]}, 64 callers: rate / no-op"
            bench.bars.append(Bar.at_least(claim, ratio(rate, gets, units), 0.7))
    title = f"Reads of one run on {KINDS[kind]}"
    bench.sections.append(Section(title=title, note="FULL view.", rows=rows))


def unit(bench: Bench, callers: int) -> "partial[Sample]":
    """Return what measures the no-op call."""
    return partial(_noop_sample, bench, callers)


def _noop_sample(bench: Bench, callers: int) -> Sample:
    sample, _ = bench.load.run(
        load.set_states, bench.noop, [load.NO_RUN] * _RUNS, bench.turn(callers)
    )
    return sample


def compared(subject: str, samples: list[Sample], callers: int, units: list[Sample]) -> list[Row]:
    """Return the rows of a subject and of its unit."""
    compared = {
        "rate / no-op": ratio(rate, samples, units),
        "CPU / no-op": ratio(cpu, samples, units),
        "p50 / no-op": ratio(p50, samples, units),
    }
    return [
        Row(subject=subject, figures={**figures(samples), **compared}),
        Row(subject=f"{callers_text(callers)}: {_NOOP}", figures=figures(units)),
    ]


def callers_text(count: int) -> str:
    """Return how many callers, in words."""
    return "1 caller" if count == 1 else f"{count} callers"


async def _verify(url: str, written: list[Written]) -> None:
    """Make sure that every acknowledged state is stored, and that versions have no gap."""
    database = Database.open(url)
    try:
        stored = await database.read(_stored)
    finally:
        await database.close()
    lost = {(each.flow_run_id, each.version, each.transition_id) for each in written} - stored
    assert not lost, f"{len(lost)} acknowledged states are not stored, such as {next(iter(lost))}"
    counts = Counter(run_id for run_id, _, _ in stored)
    last: dict[str, int] = {}
    for run_id, version, _ in stored:
        last[run_id] = max(last.get(run_id, 0), version)
    assert counts == last, "The versions of a run have a gap"


def _stored(conn: Connection) -> set[tuple[str, int, str | None]]:
    state = FLOW_RUN_STATE.c
    rows = conn.execute(select(state.flow_run_id, state.version, state.transition_id))
    return {(run_id, version, transition_id) for run_id, version, transition_id in rows}
