from uuid import uuid4

import pytest

from headgate_server.cli import db, examples, flow, flow_run, info, serve
from headgate_server.storage.schema import upgrade
from tests.acceptance.cli.shell import Shell

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

LOADED = (serve, info, flow, flow_run, db)
"""The commands whose examples are known once they are loaded; `demo` has tests of its own."""

SCHEMA = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}, "note": {"type": "string"}},
    "required": ["approved"],
}

LINES = sorted({line for line in examples.ALL if line != "headgate demo"})


def is_endless(line: str) -> bool:
    return "headgate serve" in line or "watch --flow" in line


@pytest.mark.parametrize("line", [line for line in LINES if not is_endless(line)])
def test_every_example_of_the_help_does_what_it_says(shell: Shell, line: str) -> None:
    variables = {"RUN": run_for(shell, line), "OTHER_RUN": shell.made("completed")}
    if line.startswith("headgate db"):
        variables["XDG_DATA_HOME"] = str(shell.directory)
        for file in ("runs.db", "headgate/headgate.db"):
            (shell.directory / file).parent.mkdir(exist_ok=True)
            upgrade(f"sqlite:///{shell.directory / file}")

    done = shell.line(line, variables)

    assert (done.code, done.err if done.code else "") == (0, "")


def run_for(shell: Shell, line: str) -> str:
    """Return a run in the state that an example is about."""
    if "resume $RUN" in line:
        return shell.paused(SCHEMA if "approved" in line else None)
    if "suspend" in line:
        return shell.made("running", deployment_id=uuid4())
    return shell.made("completed" if "watch" in line or "wait" in line else "running")


@pytest.mark.parametrize("line", [line for line in LINES if is_endless(line)])
def test_every_example_that_has_no_end_begins(shell: Shell, line: str) -> None:
    variables = {"XDG_DATA_HOME": str(shell.directory), "HEADGATE_LISTEN": "127.0.0.1:0"}

    with shell.terminal_line(line, variables) as person:
        person.expect("Ctrl-C")
        person.press_ctrl_c()
        code = person.wait()

    assert code in {0, 130}
