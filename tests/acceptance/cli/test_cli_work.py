"""Deployments, work pools, task runs and the live view, from a shell and at a terminal."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from headgate import Completed, Running, TaskInput
from headgate.sync import Client
from tests.acceptance.cli.shell import Shell

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]


@pytest.fixture
def pool(shell: Shell) -> Iterator[str]:
    """Return the name of a work pool."""
    name = f"pool-{uuid4()}"
    shell.headgate("work-pool", "create", name, "--type", "docker")
    yield name
    shell.headgate("work-pool", "delete", name)


def test_a_pool_is_made_changed_shown_and_deleted(shell: Shell) -> None:
    name = f"pool-{uuid4()}"
    made = shell.headgate("work-pool", "create", name, "--concurrency-limit", "3")
    again = shell.headgate("work-pool", "create", name)
    queue = shell.headgate("work-pool", "queue", "create", name, "urgent", "--priority", "1")
    lifted = shell.headgate("work-pool", "update", name, "--no-concurrency-limit", "--json")
    shown = shell.headgate("work-pool", "show", name)
    gone = shell.headgate("work-pool", "delete", name)
    missing = shell.headgate("work-pool", "show", name)

    assert [made.code, again.code, queue.code, gone.code, missing.code] == [0, 1, 0, 0, 3]
    assert lifted.json["concurrency_limit"] is None
    rows = [line.split()[:2] for line in shown.out.splitlines()[-2:]]
    assert rows == [["1", "urgent"], ["2", "default"]]


def test_the_limit_and_its_lifting_exclude_each_other(shell: Shell, pool: str) -> None:
    refused = shell.headgate(
        "work-pool", "update", pool, "--concurrency-limit", "1", "--no-concurrency-limit"
    )

    assert refused.code == 2
    assert "exclude each other" in refused.err


def test_a_deployment_is_run_and_its_run_is_due(shell: Shell, pool: str) -> None:
    flow = f"flow-{uuid4()}"
    made = shell.headgate(
        *("deployment", "create", flow, "nightly", "--cron", "0 3 * * *", "--work-pool", pool),
        *("--parameters", '{"day": 1, "dry": true}', "--paused"),
    )
    run = shell.headgate("deployment", "run", f"{flow}/nightly", "--parameters", '{"day": 2}')
    due = shell.headgate("work-pool", "due", pool, "--json")
    listed = shell.headgate("deployment", "ls", "--flow", flow)

    assert (made.code, run.code) == (0, 0)
    assert [each["flow_run"]["id"] for each in due.jsons] == [run.out.strip()]
    shown = shell.headgate("flow-run", "show", run.out.strip(), "--json").json
    assert shown["flow_run"]["parameters"] == {"day": 2, "dry": True}
    assert f"{flow}/nightly" in listed.out
    assert "paused" in listed.out


def test_pausing_a_queue_hands_out_nothing(shell: Shell, pool: str) -> None:
    flow = f"flow-{uuid4()}"
    shell.headgate("deployment", "create", flow, "once", "--work-pool", pool)
    shell.headgate("deployment", "run", f"{flow}/once")

    paused = shell.headgate("work-pool", "queue", "pause", pool, "default")
    nothing = shell.headgate("work-pool", "due", pool, "--json")
    unpaused = shell.headgate("work-pool", "queue", "unpause", pool, "default")
    something = shell.headgate("work-pool", "due", pool, "--json")

    assert (paused.code, unpaused.code) == (0, 0)
    assert (len(nothing.jsons), len(something.jsons)) == (0, 1)


def test_schedules_make_runs_when_asked(shell: Shell) -> None:
    flow = f"flow-{uuid4()}"
    created = shell.headgate(
        *("deployment", "create", flow, "often", "--interval", "10m", "--paused", "--json")
    )
    asked = ("deployment", "schedule", f"{flow}/often")
    span = ("--since", "2040-01-01T00:00:00Z", "--until", "2040-01-01T01:00:00Z", "--reach", "1h")

    made = shell.headgate(*asked, *span)
    again = shell.headgate(*asked, *span)
    gone = shell.headgate("deployment", "delete", f"{flow}/often", "--json")

    assert created.json["deployment"]["schedules"][0]["rule"]["interval"] == 600.0
    assert 6 <= len(made.out.split()) <= 7
    assert again.out == ""
    assert gone.json["deleted_flow_runs"] == len(made.out.split())


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("deployment", "show", "nope"), 2, "neither the id of a deployment nor FLOW/NAME"),
        (("deployment", "show", "no/such"), 3, "Deployment not found"),
        (("deployment", "create", "etl", "bad", "--cron", "x y"), 2, "must have five fields"),
        (("work-pool", "create", "prefect-x"), 1, "reserved"),
        (("task-run", "show", "01890a5d-ac96-774b-bcce-b302099a8057"), 3, "not found"),
        (("top", "--interval", "10ms"), 2, "at least 1s"),
    ],
    ids=["no name", "no deployment", "no cron", "reserved", "no task run", "too often"],
)
def test_what_cannot_be_done_is_told_in_a_line(
    shell: Shell, arguments: tuple[str, ...], code: int, told: str
) -> None:
    refused = shell.headgate(*arguments)

    assert refused.code == code
    assert told in refused.err
    assert "Traceback" not in refused.err


def test_task_runs_are_listed_and_shown(shell: Shell) -> None:
    run_id = shell.made("running")
    with Client(shell.target) as client:
        first = client.task_runs.create(run_id, "extract", "0", name="extract-0").task_run
        second = client.task_runs.create(
            run_id,
            "load",
            "0",
            name="load-0",
            task_inputs={"rows": [TaskInput.from_task_run(first.id)]},
        ).task_run
        for state in (Running(), Completed()):
            client.task_runs.set_state(first.id, state)

    listed = shell.headgate("task-run", "ls", "--flow-run", run_id)
    completed = shell.headgate(
        "task-run", "ls", "--flow-run", run_id, "--state", "completed", "--json"
    )
    shown = shell.headgate("task-run", "show", str(second.id))

    assert [line.split()[2] for line in listed.out.splitlines()[1:]] == ["load-0", "extract-0"]
    assert [each["id"] for each in completed.jsons] == [str(first.id)]
    assert f"rows        task run {first.id}" in shown.out


def test_the_overview_counts_runs_by_state(shell: Shell) -> None:
    before = shell.headgate("top", "--once", "--json").json
    shell.made("running")
    shell.made("running", "completed")
    after = shell.headgate("top", "--once", "--json").json

    grown = {kind: after["runs"][kind] - before["runs"][kind] for kind in after["runs"]}
    assert (grown["RUNNING"], grown["COMPLETED"]) == (1, 1)


def test_the_live_view_follows_changes_between_two_countings(shell: Shell) -> None:
    with shell.terminal_line("headgate top --interval 10m", {}) as person:
        person.expect("Ctrl-C ends")
        run_id = shell.made("running", flow="seen-live")
        person.expect(run_id)
        person.press_ctrl_c()
        code = person.wait()

    assert code == 130


def test_a_follower_is_told_as_a_run_becomes_due(shell: Shell, pool: str) -> None:
    flow = f"flow-{uuid4()}"
    shell.headgate("deployment", "create", flow, "once", "--work-pool", pool)

    with shell.terminal_line(f"headgate work-pool due {pool} --follow --json", {}) as person:
        person.expect("Ctrl-C ends")
        run = json.loads(shell.headgate("deployment", "run", f"{flow}/once", "--json").out)
        person.expect(run["flow_run"]["id"])
        person.press_ctrl_c()
        code = person.wait()

    assert code == 130
