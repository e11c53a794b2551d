import re
import signal
from pathlib import Path

import psutil
import pytest

from tests.acceptance.cli.commands import HEADGATE, clean_environment, ended
from tests.acceptance.cli.shell import Shell, Terminal

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which files that do not outlive their use can be found."""
    return clean_environment() | {"TMPDIR": str(tmp_path), "HEADGATE_LISTEN": "of no use here"}


def remains(directory: Path) -> list[str]:
    """Return what is left of a demo: its files and its processes."""
    processes = [
        str(process.pid)
        for process in psutil.process_iter(["cmdline"])
        if str(directory) in " ".join(process.info["cmdline"] or ())
    ]
    return processes + [file.name for file in directory.iterdir()]


def test_the_demo_keeps_every_promise_and_leaves_nothing_behind(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    done = ended([*HEADGATE, "demo"], environment, Path.cwd(), patience_seconds=120)

    assert (done.code, done.err) == (0, "")
    assert "BROKEN" not in done.out
    assert done.out.count("\nkept    ") == 11
    assert "Validation failed for field 'decision'" in done.out
    assert "killed with SIGKILL" in done.out
    for watcher in ("watcher 1", "watcher 2"):
        told = re.findall(rf"{watcher} \| (\w+)-orders  version (\d+):", done.out)
        assert told == [("review", str(n)) for n in range(1, 6)] + [
            ("pack", str(n)) for n in range(1, 14)
        ]
    assert remains(tmp_path) == []


def test_the_person_at_the_keyboard_may_answer(tmp_path: Path, environment: dict[str, str]) -> None:
    with Terminal([*HEADGATE, "demo", "--answer"], environment, tmp_path) as person:
        person.expect("The run asks")
        person.expect("> ")
        person.type("perhaps")
        person.expect("expected one of ship, hold")
        person.type("ship")
        person.expect("note")
        person.type("x" * 81)
        person.expect("is too long")
        person.expect("Enter means ship")
        person.type("")
        person.expect("note")
        person.type("All yours.")
        person.expect("has the answer: ship")
        person.expect('"note":"All yours."')
        person.expect("What was promised")

        assert person.wait() == 0
    assert "BROKEN" not in person.seen
    assert remains(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_demo_that_is_cut_short_leaves_nothing_behind(
    shell: Shell, tmp_path: Path, number: signal.Signals
) -> None:
    with shell.started("demo", environment={"TMPDIR": str(tmp_path)}) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "version 3" in line:
                break

        demo.send_signal(number)

        assert demo.wait(60) == 130
        assert "Traceback" not in demo.communicate()[1]
    assert remains(tmp_path) == []
