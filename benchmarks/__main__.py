"""Measure everything, print tables and write `latest.json`."""

import argparse
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import changes, cores, lists, machine, watches, work
from benchmarks.effort import FULL, QUICK
from benchmarks.report import Report
from benchmarks.servers import noop, place
from benchmarks.turns import Bench
from benchmarks.worker import Worker

_PARTS: Final = {
    "changes": changes.measure,
    "work": work.measure,
    "watches": watches.measure,
    "lists": lists.measure,
}
_LATEST: Final = Path(__file__).with_name("latest.json")
_UNIT: Final = (
    "A unary call on grpc.aio and uvloop behind the border of the real service, with its log, metrics and default settings: "
    "SetFlowRunState with a real request, answered by a constant of the size of a real answer."
)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="take a minute and prove nothing")
    parser.add_argument("--only", choices=_PARTS, help="measure one part only")
    parser.add_argument("--output", type=Path, default=_LATEST, help="where to write the numbers")
    parser.add_argument(
        "--pin",
        action="store_true",
        help="keep servers on one core and the load off it: steadier where other programs are at work",
    )
    arguments = parser.parse_args()
    # A run that is told to stop takes its servers and databases with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))
    parts = [arguments.only] if arguments.only else list(_PARTS)
    report = _measure(parts, is_quick=arguments.quick, is_pinned=arguments.pin)
    report.show()
    report.write(arguments.output)
    print(f"{report.seconds:.0f} seconds, with {report.busy_elsewhere} cores busy elsewhere")


def _measure(parts: list[str], *, is_quick: bool, is_pinned: bool) -> Report:
    server_cores, load_cores = cores.shared_out() if is_pinned else (None, None)
    began, started = datetime.now(UTC), time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="headgate-benchmarks-") as directory,
        place(Path(directory), server_cores) as where,
        noop(where) as unit,
        Worker(load_cores) as load,
        Worker(load_cores) as watchers,
    ):
        bench = Bench(
            place=where,
            effort=QUICK if is_quick else FULL,
            load=load,
            watchers=watchers,
            noop=unit,
        )
        elsewhere = machine.Elsewhere(where.postgresql_pid)
        facts = machine.look(where.directory, where.postgresql_version)
        for name in parts:
            print(f"Measuring {name} …", flush=True)
            _PARTS[name](bench)
        return Report(
            began=began.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - started, 1),
            effort="quick" if is_quick else "full",
            is_pinned=is_pinned,
            unit=_UNIT,
            machine=facts,
            busy_elsewhere=elsewhere.cores(),
            bars=bench.bars,
            sections=bench.sections,
        )


if __name__ == "__main__":
    main()
