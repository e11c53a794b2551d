from uuid import uuid4

import pytest

from headgate import Completed, NotFoundError
from headgate.sync import Client
from headgate_server.cli import (
    db,
    deployment,
    examples,
    flow,
    flow_run,
    info,
    serve,
    task_run,
    top,
    work_pool,
)
from headgate_server.storage.schema import upgrade
from tests.acceptance.cli.shell import Shell

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

LOADED = (serve, info, flow, flow_run, task_run, deployment, work_pool, top, db)
"""The commands whose examples are known once they are loaded; `demo` has tests of its own."""

SCHEMA = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}, "note": {"type": "string"}},
    "required": ["approved"],
}

LINES = sorted({line for line in examples.ALL if line != "headgate demo"})


def is_endless(line: str) -> bool:
    return line == "headgate top" or any(
        each in line for each in ("headgate serve", "watch --flow", "--follow")
    )


@pytest.mark.parametrize("line", [line for line in LINES if not is_endless(line)])
def test_every_example_of_the_help_does_what_it_says(shell: Shell, line: str) -> None:
    run_id = run_for(shell, line)
    variables = {
        "RUN": run_id,
        "OTHER_RUN": shell.made("completed"),
        "TASK_RUN": task_run_of(shell, run_id),
    }
    prepare(shell, line)
    if line.startswith("headgate db"):
        variables["XDG_DATA_HOME"] = str(shell.directory)
        for file in ("runs.db", "headgate/headgate.db"):
            (shell.directory / file).parent.mkdir(exist_ok=True)
            upgrade(f"sqlite:///{shell.directory / file}")

    done = shell.quick_line(line, variables)

    assert (done.code, done.err if done.code else "") == (0, "")


def task_run_of(shell: Shell, run_id: str) -> str:
    """Make a task run of a run, which has ended, and return its id."""
    with Client(shell.target) as client:
        task_run = client.task_runs.create(run_id, "load", "0").task_run
        assert client.task_runs.set_state(task_run.id, Completed()).is_accepted
        return str(task_run.id)


def prepare(shell: Shell, line: str) -> None:
    """See to it that there is what an example is about, and that there is not what it makes."""
    with Client(shell.target) as client:
        try:
            client.work_pools.delete("docker")
            client.work_pools.delete("batch")
        except NotFoundError:
            pass
        if "work-pool create" in line:
            return
        client.work_pools.create("docker", type="docker")
        if "queue create" not in line:
            client.work_queues.create("docker", "urgent")
        flow_id = client.flows.create("etl").flow.id
        client.deployments.create(flow_id, "nightly", work_pool_name="docker")


def run_for(shell: Shell, line: str) -> str:
    """Return a run in the state that an example is about."""
    if "resume $RUN" in line:
        return shell.paused(SCHEMA if "approved" in line else None)
    if "suspend" in line:
        return shell.made("running", deployment_id=uuid4())
    return shell.made("completed" if "watch" in line or "wait" in line else "running")


@pytest.mark.parametrize("line", [line for line in LINES if is_endless(line)])
def test_every_example_that_has_no_end_begins(shell: Shell, line: str) -> None:
    variables = {
        "XDG_DATA_HOME": str(shell.directory),
        "HEADGATE_LISTEN": "127.0.0.1:0",
        "RUN": shell.made("running"),
    }
    prepare(shell, line)

    with shell.terminal_line(line, variables) as person:
        person.expect("Ctrl-C")
        person.press_ctrl_c()
        code = person.wait()

    assert code in {0, 130}
