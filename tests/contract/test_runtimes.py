"""The client and its stubs run on the oldest and on the newest runtimes that are promised.

Each is a virtual environment of its own beside `.venv`, made when it is first needed and kept.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.program import Program

ROOT: Final = Path(__file__).parents[2]
TRIAL: Final = Path(__file__).with_name("runtime_trial.py")
RUNTIMES: Final = {
    "oldest": ("grpcio==1.76.0", "grpcio-status==1.76.0", "protobuf==6.31.1"),
    "newest": ("grpcio>=1.76,<2", "grpcio-status>=1.76,<2", "protobuf>=7,<8"),
}
"""What is installed in each, and nothing else: the ends of what `pyproject.toml` allows."""
OFFLINE: Final = ("Failed to fetch", "error sending request", "network was disabled")
"""What uv says when it cannot reach the registry."""

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]


def python_of(name: str) -> Path:
    """Return the interpreter of a runtime; it is made if it is not there."""
    directory = ROOT / f".venv-{name}"
    python, ready = directory / "bin/python", directory / ".ready"
    wanted = "\n".join(RUNTIMES[name])
    if not ready.exists() or ready.read_text() != wanted:
        uv("venv", "--clear", "--python", sys.executable, str(directory))
        uv("pip", "install", "--python", str(python), *RUNTIMES[name])
        ready.write_text(wanted)
    return python


def uv(*arguments: str) -> None:
    """Run uv; skip the test if the registry cannot be reached."""
    beside = Path(sys.executable).parent
    found = shutil.which("uv", path=os.pathsep.join([str(beside), os.environ["PATH"]]))
    assert found is not None, "uv is not here; `make setup` installs it"
    done = subprocess.run(
        [found, "--quiet", *arguments], capture_output=True, text=True, check=False
    )
    if any(each in done.stderr for each in OFFLINE):
        pytest.skip(f"the package registry cannot be reached: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_client_works_without_a_warning_on_the(
    name: str, sqlite_url: str, tmp_path: Path
) -> None:
    python = python_of(name)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "client")}
    with Program(sqlite_url, tmp_path) as program:
        done = subprocess.run(
            [python, "-W", "error", TRIAL, program.target],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    versions = json.loads(done.stdout)
    if name == "oldest":
        assert versions == dict(each.split("==") for each in RUNTIMES[name])
    else:
        assert versions["protobuf"].startswith("7.")
