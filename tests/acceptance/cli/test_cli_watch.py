import signal
from pathlib import Path
from uuid import uuid4

import pytest

from tests.acceptance.cli.shell import Shell, events
from tests.acceptance.program import Program

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]


def test_a_watch_tells_how_a_run_stands_and_every_change_until_it_ends(shell: Shell) -> None:
    run_id = shell.made()

    with shell.started("flow-run", "watch", run_id, "--json") as watching:
        told = events(watching)
        first = [next(told)["event"], next(told)["event"]]
        for state in ("running", "completed"):
            shell.set_state(run_id, state)
        rest = [(each["event"], each["state"]["version"]) for each in told]

        assert first == ["snapshot", "snapshot_complete"]
        assert rest == [("state_change", 2), ("state_change", 3)]
        assert watching.wait(20) == 0


def test_a_watch_goes_on_after_the_event_that_is_named(shell: Shell) -> None:
    run_id = shell.made()
    with shell.started("flow-run", "watch", run_id, "--json") as watching:
        told = events(watching)
        token = [next(told), next(told)][-1]["resume_token"]
    for state in ("running", "completed"):
        shell.set_state(run_id, state)

    resumed = shell.headgate("flow-run", "watch", run_id, "--resume-token", token, "--json")

    assert [event["state"]["type"] for event in resumed.jsons] == ["RUNNING", "COMPLETED"]


def test_a_watch_by_filters_goes_on_until_ctrl_c(shell: Shell) -> None:
    flow = f"flow-{uuid4()}"

    with shell.started("flow-run", "watch", "--flow", flow, "--snapshot") as watching:
        assert watching.stdout is not None
        assert "changes follow" in watching.stdout.readline()
        run_id = shell.made("running", flow=flow)
        lines = [watching.stdout.readline(), watching.stdout.readline()]
        watching.send_signal(signal.SIGINT)

        assert run_id in lines[0]
        assert "PENDING -> RUNNING  Running v2" in lines[1]
        assert watching.wait(20) == 130
        assert watching.communicate() == ("", "")


def test_a_watch_survives_the_server(sqlite_url: str, tmp_path: Path) -> None:
    with Program(sqlite_url, tmp_path) as program:
        there = Shell(program.target, tmp_path)
        run_id = there.made()
        with there.started("flow-run", "watch", run_id, "--json") as watching:
            told = events(watching)
            for _ in range(2):
                next(told)

            program.kill()
            program.start()
            there.set_state(run_id, "completed")

            assert [event["state"]["version"] for event in told] == [2]
            assert watching.wait(20) == 0


def test_a_person_sees_the_runs_live(shell: Shell) -> None:
    run_id = shell.made("running")

    with shell.terminal("flow-run", "watch", run_id) as terminal:
        terminal.expect("Running")
        terminal.expect("Ctrl-C ends")
        shell.set_state(run_id, "running", "HalfWay")
        terminal.expect("RUNNING -> RUNNING  HalfWay v3")
        terminal.press_ctrl_c()

        assert terminal.wait() == 130
    assert "Traceback" not in terminal.seen


def test_a_person_sees_that_something_is_waited_for(shell: Shell) -> None:
    run_id = shell.made("running")

    with shell.terminal("flow-run", "wait", run_id) as terminal:
        terminal.expect("Waiting for the flow run to end")
        shell.set_state(run_id, "crashed", "LostIt")
        terminal.expect("LostIt")

        assert terminal.wait() == 5
