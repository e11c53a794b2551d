"""The tour of the README, word for word, as somebody would type it."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEFAULT_ADDRESS = ("127.0.0.1", 4244)

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]


def block(name: str) -> str:
    """Return what is to be typed at one station of the tour."""
    found = re.search(
        rf"<!-- tour: {name} -->\n```\w+\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    assert found is not None
    return found[1]


def is_listening() -> bool:
    """Return whether somebody serves at the default address."""
    with socket.socket() as probe:
        return probe.connect_ex(DEFAULT_ADDRESS) == 0


def wait_until(*, is_so: bool, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until somebody does, or does not, serve at the default address."""
    given_up = time.monotonic() + 60
    while is_listening() is not is_so:
        assert time.monotonic() < given_up
        assert process is None or process.poll() is None
        time.sleep(0.05)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of a newcomer who has the program on the path."""
    home = tmp_path_factory.mktemp("home")
    path = [str(Path(sys.executable).parent), str(ROOT / ".bin"), os.environ["PATH"]]
    return {"PATH": os.pathsep.join(path), "HOME": str(home), "LANG": "C.UTF-8"}


@pytest.fixture(scope="module", autouse=True)
def server(environment: dict[str, str]) -> Iterator[None]:
    """Serve at the default address, as the tour begins."""
    wait_until(is_so=False)
    process = subprocess.Popen(
        ["bash", "-c", f"exec {block('serve')}"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(is_so=True, process=process)
    yield
    process.terminate()
    assert process.wait(30) == 0


def type_in(command: list[str], environment: dict[str, str]) -> str:
    """Run a command that must succeed, and return what it prints."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_shell_makes_a_run_and_lists_it(environment: dict[str, str]) -> None:
    printed = type_in(["bash", "-euc", block("shell")], environment)

    assert "nightly" in printed


def test_the_python_program_asks_is_refused_and_finishes(environment: dict[str, str]) -> None:
    printed = type_in([sys.executable, "-c", block("python")], environment)

    assert "Validation failed for field 'approved'" in printed
    assert "Completed" in printed


def test_a_worker_takes_the_run_of_a_deployment_and_its_tasks_are_drawn(
    environment: dict[str, str],
) -> None:
    prepared = type_in(["bash", "-euc", block("deployments")], environment)
    worked = type_in([sys.executable, "-c", block("worker")], environment)
    asked = type_in(["bash", "-euc", block("questions")], environment)

    assert "Scheduled" in prepared
    assert " is done: " in worked
    assert "extract" in asked
    assert "COMPLETED" in asked


def test_a_batch_makes_many_runs_and_a_dry_run_counts_them(environment: dict[str, str]) -> None:
    printed = type_in([sys.executable, "-c", block("batches")], environment)

    assert "500 answered, 0 refused" in printed
    assert "500 would go" in printed


def test_grpcurl_needs_no_stubs(environment: dict[str, str]) -> None:
    if shutil.which("grpcurl", path=environment["PATH"]) is None:
        pytest.skip("grpcurl is not here; .ci/run installs it where Go is")

    printed = type_in(["bash", "-euc", block("grpcurl")], environment)

    assert "headgate.v1.FlowRunService" in printed
    assert '"snapshot_complete"' in printed


def test_buf_needs_no_stubs_either(environment: dict[str, str]) -> None:
    printed = type_in(["bash", "-euc", block("buf")], environment)

    assert "DATABASE_KIND_SQLITE" in printed
