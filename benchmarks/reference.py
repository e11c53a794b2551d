"""The reference: the same work against Prefect 2.20, which runs in an environment of its own.

Run `python -m benchmarks.reference`. It installs Prefect into `build/reference` once, starts its server and `headgate serve`, each
on a fresh SQLite database with default settings, lets both do the same in turns, prints the ratios and writes `reference.json`.
"""

import argparse
import os
import subprocess
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks import load, machine, rest
from benchmarks.effort import FULL, QUICK, Effort
from benchmarks.load import Sample, Turn
from benchmarks.report import Figure, Report, Row, Section
from benchmarks.servers import Endpoint, Place, headgate, place, running
from benchmarks.turns import MILLISECONDS, cpu, p50, rate, ratio
from benchmarks.worker import Worker
from headgate import v1 as pb

_REQUIREMENT: Final = "prefect==2.20.*"
_ENVIRONMENT: Final = Path(__file__).parents[1] / "build" / "reference"
_LATEST: Final = Path(__file__).with_name("reference.json")
_CALLERS: Final = (1, 16)
"""With more callers the reference answers some that its database is busy."""
_RUNS: Final = 512
_QUESTIONS: Final = 10


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two servers with the same in them."""

    worker: Worker
    effort: Effort
    ours: Endpoint
    theirs: Endpoint
    our_flow_id: str
    their_flow_id: str
    our_run_ids: list[str]
    their_run_ids: list[str]

    def take_turns(
        self, ours: Callable[[], Any], theirs: Callable[[], Any]
    ) -> tuple[list[Any], list[Any]]:
        """Measure both in each round, in alternating order."""
        results: tuple[list[Any], list[Any]] = ([], [])
        for number in range(self.effort.rounds):
            order = ((0, ours), (1, theirs))
            for place_of, measure in order if number % 2 == 0 else reversed(order):
                results[place_of].append(measure())
        return results


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reference", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="take a minute and prove nothing")
    parser.add_argument("--python", type=Path, help="a Python that has Prefect 2.20 already")
    parser.add_argument("--output", type=Path, default=_LATEST, help="where to write the numbers")
    arguments = parser.parse_args()
    python = arguments.python or _installed()
    report = _measure(python, is_quick=arguments.quick)
    report.show()
    report.write(arguments.output)


def _installed() -> Path:
    """Return the Python of an environment with the reference, made if it is not there yet."""
    python = _ENVIRONMENT / "bin" / "python"
    if not (_ENVIRONMENT / "bin" / "prefect").exists():
        print(f"Installing {_REQUIREMENT} into {_ENVIRONMENT} …", flush=True)
        venv.create(_ENVIRONMENT, with_pip=True, clear=True)
        subprocess.run(  # noqa: S603 - our own command
            [python, "-m", "pip", "install", "--quiet", _REQUIREMENT], check=True
        )
    return python


def _measure(python: Path, *, is_quick: bool) -> Report:
    effort = QUICK if is_quick else FULL
    began, started = datetime.now(UTC), time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="headgate-reference-") as directory,
        place(Path(directory), None) as where,
        _serving(where, python) as theirs,
        headgate(where, where.new_url("sqlite")) as ours,
        Worker() as worker,
    ):
        elsewhere = machine.Elsewhere(where.postgresql_pid)
        facts = machine.look(where.directory, where.postgresql_version)
        facts.versions["prefect"] = _version(python)
        our_flow_id, our_run_ids = worker.run(load.make_runs, ours.target, _RUNS, "benchmark")
        their_flow_id, their_run_ids = worker.run(rest.make_runs, theirs.target, _RUNS, 8)
        pair = Pair(
            worker=worker,
            effort=effort,
            ours=ours,
            theirs=theirs,
            our_flow_id=our_flow_id,
            their_flow_id=their_flow_id,
            our_run_ids=our_run_ids,
            their_run_ids=their_run_ids,
        )
        sections = [_compare_calls(pair), _compare_questions(pair)]
        return Report(
            began=began.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - started, 1),
            effort="quick" if is_quick else "full",
            is_pinned=False,
            unit="The same work done by Prefect 2.20 over REST, on SQLite as well.",
            machine=facts,
            busy_elsewhere=elsewhere.cores(),
            bars=[],
            sections=sections,
        )


def _compare_calls(pair: Pair) -> Section:
    rows = []
    for callers in _CALLERS:
        turn = Turn(callers=callers, seconds=max(pair.effort.seconds, 1.0), warm_seconds=0.5)
        run = pair.worker.run
        for subject, ours, theirs in (
            (
                "a state",
                partial(_states_set, pair, turn),
                partial(run, rest.set_states, pair.theirs, pair.their_run_ids, turn),
            ),
            (
                "a life of three calls",
                partial(run, load.live_lives, pair.ours, pair.our_flow_id, turn),
                partial(run, rest.live_lives, pair.theirs, pair.their_flow_id, turn),
            ),
            (
                "a run read",
                partial(run, load.get_runs, pair.ours, pair.our_run_ids, turn),
                partial(run, rest.get_runs, pair.theirs, pair.their_run_ids, turn),
            ),
        ):
            print(f"Measuring {subject}, {callers} callers …", flush=True)
            mine, others = pair.take_turns(ours, theirs)
            rows.append(
                Row(
                    subject=f"{callers} {'caller' if callers == 1 else 'callers'}: {subject}",
                    figures=_compared(mine, others),
                )
            )
    note = "On SQLite each: headgate with synchronous=FULL, Prefect as it comes (NORMAL)."
    return Section(title="Calls, against Prefect 2.20", note=note, rows=rows)


def _states_set(pair: Pair, turn: Turn) -> Sample:
    sample, _ = pair.worker.run(load.set_states, pair.ours, pair.our_run_ids, turn)
    return sample


def _compared(mine: list[Sample], others: list[Sample]) -> dict[str, Figure]:
    return {
        "headgate /s": Figure.of(map(rate, mine)),
        "Prefect /s": Figure.of(map(rate, others)),
        "rate ratio": ratio(rate, mine, others),
        "headgate p50 ms": Figure.of(map(p50, mine)),
        "Prefect p50 ms": Figure.of(map(p50, others)),
        "Prefect CPU / headgate CPU": ratio(cpu, others, mine),
    }


def _compare_questions(pair: Pair) -> Section:
    now = datetime.now(UTC)
    begin, end = now - timedelta(hours=1), now + timedelta(minutes=1)
    history = pb.GetFlowRunHistoryRequest()
    history.start_time.FromDatetime(begin)
    history.end_time.FromDatetime(end)
    history.interval.FromTimedelta((end - begin) / 100)
    service = "/headgate.v1.FlowRunService"
    rows = []
    for subject, method, request, path, body in (
        (
            "a page of 200, latest start first",
            "ListFlowRuns",
            pb.ListFlowRunsRequest(sort=pb.FLOW_RUN_SORT_START_TIME_DESC, page_size=200),
            "/flow_runs/filter",
            {"sort": "START_TIME_DESC", "limit": 200},
        ),
        ("a count", "CountFlowRuns", pb.CountFlowRunsRequest(), "/flow_runs/count", {}),
        (
            "a history of 100 intervals",
            "GetFlowRunHistory",
            history,
            "/flow_runs/history",
            {
                "history_start": begin.isoformat(),
                "history_end": end.isoformat(),
                "history_interval_seconds": (end - begin).total_seconds() / 100,
            },
        ),
        (
            "the average lateness",
            "GetFlowRunLateness",
            pb.GetFlowRunLatenessRequest(),
            "/flow_runs/lateness",
            {},
        ),
    ):
        print(f"Measuring {subject} …", flush=True)
        mine, others = pair.take_turns(
            partial(
                pair.worker.run,
                load.ask,
                pair.ours.target,
                f"{service}/{method}",
                request.SerializeToString(),
                _QUESTIONS,
            ),
            partial(pair.worker.run, rest.ask, pair.theirs.target, path, body, _QUESTIONS),
        )
        rows.append(Row(subject=subject, figures=_answers(mine, others)))
    note = (
        "One caller: p50 of the answer, over the runs that were made before. Each had the same time to make them, so headgate "
        "has many times as many."
    )
    return Section(title="Questions, against Prefect 2.20", note=note, rows=rows)


def _answers(mine: list[list[float]], others: list[list[float]]) -> dict[str, Figure]:
    ours, theirs = ([_median(each) * MILLISECONDS for each in turns] for turns in (mine, others))
    return {
        "headgate ms": Figure.of(ours),
        "Prefect ms": Figure.of(theirs),
        "Prefect / headgate": Figure.of(b / a for a, b in zip(ours, theirs, strict=True)),
    }


def _median(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) // 2]


@contextmanager
def _serving(where: Place, python: Path) -> Iterator[Endpoint]:
    """Run the server of the reference on a fresh SQLite database."""
    home = where.directory / "prefect"
    settings = {
        "PREFECT_HOME": str(home),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{where.directory}/prefect.db",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_UI_ENABLED": "false",
        "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
    }
    program = [
        *(str(python), "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"),
        *("--log-level", "warning", "--host", "127.0.0.1", "--port"),
    ]
    with running(
        where, lambda target: [*program, target.rpartition(":")[2]], lambda _: settings
    ) as endpoint:
        yield endpoint


def _version(python: Path) -> str:
    told = subprocess.run(  # noqa: S603 - our own command
        [python, "-c", "import importlib.metadata as m; print(m.version('prefect'))"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    return told.stdout.strip()


if __name__ == "__main__":
    main()
