import signal
from pathlib import Path

import pytest

from headgate import ProposedState, StateType
from headgate.sync import Client
from tests.acceptance.cli.shell import Shell, events
from tests.acceptance.program import Program

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]


def made(shell: Shell, run_id: str, key: str, *states: str) -> str:
    """Create a task run, propose states for it, and return its id."""
    with Client(shell.target) as client:
        task_run_id = str(client.task_runs.create(run_id, key, "0", name=key).task_run.id)
    for state in states:
        set_state(shell, task_run_id, state)
    return task_run_id


def set_state(shell: Shell, task_run_id: str, state: str) -> None:
    """Propose a state for a task run."""
    with Client(shell.target) as client:
        proposed = ProposedState(type=StateType(state.upper()))
        assert client.task_runs.set_state(task_run_id, proposed).is_accepted


def test_a_watch_tells_how_a_task_run_stands_and_every_change_until_it_ends(shell: Shell) -> None:
    task_run_id = made(shell, shell.made("running"), "load", "running")

    with shell.started("task-run", "watch", task_run_id, "--json") as watching:
        told = events(watching)
        first = [next(told), next(told)]
        set_state(shell, task_run_id, "completed")
        rest = list(told)

        assert [each["event"] for each in first] == ["task_snapshot", "snapshot_complete"]
        assert first[0]["task_run"]["id"] == task_run_id
        assert [(each["event"], each["state"]["type"]) for each in rest] == [
            ("task_state_change", "COMPLETED")
        ]
        assert watching.wait(20) == 0


def test_a_watch_of_a_flow_run_tells_of_its_task_runs_until_ctrl_c(shell: Shell) -> None:
    run_id = shell.made("running")
    made(shell, shell.made("running"), "other")
    there = made(shell, run_id, "extract", "running")

    with shell.started("task-run", "watch", "--flow-run", run_id) as watching:
        assert watching.stdout is not None
        lines = [watching.stdout.readline(), watching.stdout.readline()]
        made(shell, run_id, "load", "running")
        lines += [watching.stdout.readline(), watching.stdout.readline()]
        watching.send_signal(signal.SIGINT)

        assert f"extract {there}  is  Running v2" in lines[0]
        assert "changes follow" in lines[1]
        assert "  load " in lines[2]
        assert "PENDING -> RUNNING  Running v2" in lines[3]
        assert watching.wait(20) == 130


def test_a_watch_by_filters_tells_of_task_runs_that_match(shell: Shell) -> None:
    run_id = shell.made("running")
    arguments = ("--flow-run", run_id, "--name", "load", "--state", "running", "--no-snapshot")

    with shell.started("task-run", "watch", *arguments, "--progress", "1s", "--json") as watching:
        told = events(watching)
        assert next(told)["event"] == "progress"
        made(shell, run_id, "extract", "running")
        loading = made(shell, run_id, "load", "running", "completed")
        first, second = next(told), next(told)
        watching.send_signal(signal.SIGINT)

        assert (first["event"], first["task_run"]["id"]) == ("task_state_change", loading)
        assert (second["event"], second["task_run"]["id"]) == ("task_left_filter", loading)
        assert watching.wait(20) == 130


def test_a_watch_of_task_runs_goes_on_after_the_event_that_is_named(shell: Shell) -> None:
    task_run_id = made(shell, shell.made("running"), "load")
    with shell.started("task-run", "watch", task_run_id, "--json") as watching:
        told = events(watching)
        token = [next(told), next(told)][-1]["resume_token"]
    for state in ("running", "completed"):
        set_state(shell, task_run_id, state)

    resumed = shell.headgate("task-run", "watch", task_run_id, "--resume-token", token, "--json")

    assert [event["state"]["type"] for event in resumed.jsons] == ["RUNNING", "COMPLETED"]


def test_a_watch_of_task_runs_survives_the_server(sqlite_url: str, tmp_path: Path) -> None:
    with Program(sqlite_url, tmp_path) as program:
        there = Shell(program.target, tmp_path)
        task_run_id = made(there, there.made("running"), "load", "running")
        with there.started("task-run", "watch", task_run_id, "--json") as watching:
            told = events(watching)
            for _ in range(2):
                next(told)

            program.kill()
            program.start()
            set_state(there, task_run_id, "completed")

            assert [event["state"]["version"] for event in told] == [3]
            assert watching.wait(20) == 0


def test_a_person_sees_the_task_runs_live(shell: Shell) -> None:
    run_id = shell.made("running")
    task_run_id = made(shell, run_id, "load", "running")

    with shell.terminal("task-run", "watch", "--flow-run", run_id) as terminal:
        terminal.expect("Running")
        terminal.expect("Ctrl-C ends")
        set_state(shell, task_run_id, "completed")
        terminal.expect("RUNNING -> COMPLETED  Completed v3")
        terminal.press_ctrl_c()

        assert terminal.wait() == 130
    assert "Traceback" not in terminal.seen


NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((NOBODY,), 3, "not found"),
        (("--flow-run", NOBODY), 3, "not found"),
        ((NOBODY, "--flow-run", NOBODY), 2, "exclude each other"),
        ((NOBODY, "--state", "failed"), 2, "exclude each other"),
        (("--flow-run", NOBODY, "--until", "any"), 2, "--until needs ids"),
    ],
    ids=["no task run", "no flow run", "both ids", "ids and filter", "until without ids"],
)
def test_a_watch_that_cannot_begin_says_why(
    shell: Shell, arguments: tuple[str, ...], code: int, told: str
) -> None:
    refused = shell.headgate("task-run", "watch", *arguments)

    assert refused.code == code
    assert told in refused.err
