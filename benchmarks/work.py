"""Work: states of task runs, what workers ask for, and changes by the thousand."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from benchmarks import filling, load, load_work
from benchmarks.changes import callers_text, compared, unit
from benchmarks.load import Sample, Turn
from benchmarks.report import Bar, Figure, Row, Section
from benchmarks.servers import Endpoint, headgate
from benchmarks.turns import KINDS, Bench, cpu, rate

_TASK_RUNS: Final = 256
_DUE: Final = 10_000
_POLLED: Final = 100
_ITEMS: Final = 1_000
_BATCH_SECONDS: Final = 2.0
"""A batch takes long: fewer of them would not make a turn."""


def measure(bench: Bench) -> None:
    """Measure what goes beyond single flow runs, on each database."""
    for kind in KINDS:
        url = bench.place.new_url(kind)
        bench.load.run(filling.fill, url, bench.effort.history)
        with headgate(bench.place, url) as endpoint:
            flow_id, _ = bench.load.run(load.make_runs, endpoint.target, 1, "work")
            _measure_task_states(bench, kind, endpoint, flow_id)
            _measure_batches(bench, kind, endpoint, flow_id)
            queue_id = bench.load.run(load_work.make_pool, endpoint.target)
            bench.load.run(filling.fill_queue, url, queue_id, _DUE)
            _measure_polls(bench, kind, endpoint)


def _measure_task_states(bench: Bench, kind: str, endpoint: Endpoint, flow_id: str) -> None:
    task_run_ids = bench.load.run(load_work.make_task_runs, endpoint.target, flow_id, _TASK_RUNS)
    rows: list[Row] = []
    for callers in bench.effort.callers:
        turn = bench.turn(callers)
        samples, units = bench.take_turns(
            partial(bench.load.run, load_work.set_task_states, endpoint, task_run_ids, turn),
            unit(bench, callers),
        )
        rows += compared(f"{callers_text(callers)}: SetTaskRunState", samples, callers, units)
    note = f"RUNNING to RUNNING with a transition id each, on {_TASK_RUNS} task runs of one run; durable when answered."
    title = f"Durable states of task runs on {KINDS[kind]}"
    bench.sections.append(Section(title=title, note=note, rows=rows))


def _measure_batches(bench: Bench, kind: str, endpoint: Endpoint, flow_id: str) -> None:
    """Compare what an item of a batch costs the server with a call of its own."""
    batch = Turn(callers=1, seconds=_BATCH_SECONDS, warm_seconds=bench.turn(1).warm_seconds)
    run = bench.load.run
    rows = []
    pairs: Sequence[tuple[str, Callable[[Turn], Sample], Callable[[], Sample]]] = (
        (
            "BatchCreateFlowRuns",
            lambda turn: run(load_work.create_runs, endpoint, flow_id, turn),
            partial(run, load_work.create_batches, endpoint, flow_id, _ITEMS, batch),
        ),
        (
            "BatchSetFlowRunStates",
            partial(_set_singly, bench, endpoint, flow_id),
            partial(run, load_work.set_batches, endpoint, flow_id, _ITEMS, batch),
        ),
    )
    for name, singly, together in pairs:
        turns = [bench.turn(callers) for callers in bench.effort.callers]
        batches, *singles = bench.take_turns(together, *(partial(singly, turn) for turn in turns))
        figures = {
            "items/s": Figure.of(rate(each) * _ITEMS for each in batches),
            "server CPU µs an item": Figure.of(cpu(each) / _ITEMS for each in batches),
        }
        cheaper = {
            turn.callers: Figure.of(
                cpu(one) / (cpu(many) / _ITEMS) for one, many in zip(of_turn, batches, strict=True)
            )
            for turn, of_turn in zip(turns, singles, strict=True)
        }
        figures |= {
            f"a single call of {callers_text(callers)} / an item": figure
            for callers, figure in cheaper.items()
        }
        rows.append(Row(subject=name, figures=figures))
        claim = f"{name} on {KINDS[kind]}: server CPU of a single call / of an item, 1 caller each"
        bench.bars.append(Bar.at_least(claim, cheaper[1], 5))
    note = f"Server CPU of single calls against that of an item in batches of {_ITEMS:,} from one caller."
    title = f"Changes by the thousand on {KINDS[kind]}"
    bench.sections.append(Section(title=title, note=note, rows=rows))


def _set_singly(bench: Bench, endpoint: Endpoint, flow_id: str, turn: Turn) -> Sample:
    run_ids = bench.load.run(load_work.make_more_runs, endpoint.target, flow_id, turn.callers)
    sample, _ = bench.load.run(load.set_states, endpoint, run_ids, turn)
    return sample


def _measure_polls(bench: Bench, kind: str, endpoint: Endpoint) -> None:
    rows: list[Row] = []
    for callers in (1, 16):
        turn = bench.turn(callers)
        samples, units = bench.take_turns(
            partial(bench.load.run, load_work.poll, endpoint, _POLLED, turn), unit(bench, callers)
        )
        rows += compared(f"{callers_text(callers)}: PollFlowRuns", samples, callers, units)
    note = f"{_POLLED} of {_DUE:,} runs that are due, in BASIC view."
    title = f"What workers ask for on {KINDS[kind]}"
    bench.sections.append(Section(title=title, note=note, rows=rows))
