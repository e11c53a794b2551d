import json
from uuid import uuid4

import pytest

from tests.acceptance.cli.shell import Shell

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"approved": {"type": "boolean"}, "count": {"type": "integer"}},
        "required": ["approved"],
    }
)


def test_a_run_is_made_worked_on_and_ended_from_a_shell(shell: Shell) -> None:
    made = shell.line("headgate flow-run create etl --parameters '{\"day\": 1}' --tag x", {})
    run = {"RUN": made.out.strip()}
    running = shell.line("headgate flow-run set-state $RUN running", run)
    completed = shell.line(
        "headgate flow-run set-state $RUN Completed --data '{\"rows\": 7}' --message Done.", run
    )
    waited = shell.line("headgate flow-run wait $RUN", run)
    shown = shell.line("headgate flow-run show $RUN", run)

    assert [made.code, running.code, completed.code, waited.code, shown.code] == [0] * 5
    assert running.out == "ACCEPT  Running v2\n"
    assert waited.out.endswith('Completed  Done.  {"rows":7}\n')
    assert 'parameters      {"day":1}' in shown.out
    assert 'result          {"rows":7}' in shown.out
    assert [line.split()[0] for line in shown.out.splitlines()[-3:]] == ["1", "2", "3"]


def test_json_has_the_names_of_the_contract(shell: Shell) -> None:
    key = str(uuid4())
    flags = ("--idempotency-key", key, "--retries", "2", "--retry-delay", "1m", "--json")

    first = shell.headgate("flow-run", "create", "etl", *flags).json
    again = shell.headgate("flow-run", "create", "etl", *flags).json
    [listed] = shell.headgate(
        "flow-run", "ls", "--name", first["flow_run"]["name"], "--limit", "1", "--json"
    ).jsons

    assert (first["created"], again["created"]) == (True, False)
    assert again["flow_run"]["id"] == first["flow_run"]["id"] == listed["id"]
    assert listed["policy"]["retry_delay"] == 60.0
    assert listed["state"]["type"] == "PENDING"
    assert listed["parameters"] is None
    assert first["flow_run"]["parameters"] == {}


def test_a_run_may_be_scheduled(shell: Shell) -> None:
    made = shell.headgate("flow-run", "create", "etl", "--at", "2040-01-31T08:00:00Z", "--json")

    run = made.json["flow_run"]
    assert run["state"]["type"] == "SCHEDULED"
    assert run["next_scheduled_start_time"] == "2040-01-31T08:00:00.000000Z"


def test_a_list_shows_those_that_match(shell: Shell) -> None:
    flow = f"flow-{uuid4()}"
    waiting, running, failed = (
        shell.made(flow=flow),
        shell.made("running", flow=flow),
        shell.made("failed", flow=flow),
    )

    everything = shell.headgate("flow-run", "ls", "--flow", flow)
    some = shell.headgate(
        "flow-run", "ls", "--flow", flow, "--state", "failed", "--state", "Running"
    )
    first = shell.headgate("flow-run", "ls", "--flow", flow, "--limit", "1")
    whole = shell.headgate(
        "flow-run", "ls", "--flow", flow, "--all", "--json", "--sort", "name_asc"
    )
    flows = shell.headgate("flow", "ls", "--name", flow, "--json")

    assert [line.split()[0] for line in everything.out.splitlines()] == [
        "ID",
        failed,
        running,
        waiting,
    ]
    assert [line.split()[:2] for line in some.out.splitlines()[1:]] == [
        [failed, flow],
        [running, flow],
    ]
    assert [line.split()[0] for line in first.out.splitlines()] == ["ID", failed]
    assert "more than these 1" in first.err
    assert {run["id"] for run in whole.jsons} == {waiting, running, failed}
    assert [run["name"] for run in whole.jsons] == sorted(run["name"] for run in whole.jsons)
    assert flows.json["name"] == flow


def test_a_question_is_asked_refused_and_answered(shell: Shell) -> None:
    run_id = shell.made("running")
    paused = shell.headgate(
        *("flow-run", "pause", run_id, "--key", "k", "--description", "Go on?", "--schema", SCHEMA)
    )
    shown = shell.headgate("flow-run", "show", run_id)
    question = shell.headgate("flow-run", "show", run_id, "--json").json["question"]
    inputs = shell.headgate("flow-run", "inputs", run_id, "--prefix", "paused-k-d", "--json")

    wrong = shell.headgate("flow-run", "resume", run_id, "--input", '{"approved": 3}')
    worse = shell.headgate("flow-run", "resume", run_id, "approved=maybe")
    right = shell.headgate("flow-run", "resume", run_id, "approved=yes", "count=3")
    late = shell.headgate("flow-run", "resume", run_id, "--json")
    answer = shell.headgate("flow-run", "inputs", run_id, "--prefix", "paused-k-r", "--json")

    assert (paused.code, paused.out) == (0, "Paused()\n")
    assert "Go on?" in shown.out
    assert (question["description"], question["schema"]) == ("Go on?", json.loads(SCHEMA))
    assert inputs.json["value"] == "Go on?"
    assert wrong.code == 1
    assert "Validation failed for field 'approved'" in wrong.err
    assert (worse.code, worse.err) == (2, "Error: approved=maybe: expected yes or no.\n")
    assert (right.code, right.out) == (0, "Running()\n")
    assert (late.code, late.error["reason"]) == (1, "NOT_PAUSED")
    assert answer.json["value"] == {"approved": True, "count": 3}


def test_whoever_pauses_may_wait_for_the_answer(shell: Shell) -> None:
    run_id = shell.made("running")
    pausing = ("flow-run", "pause", run_id, "--schema", SCHEMA, "--wait")
    with shell.started(*pausing) as waiting:
        assert waiting.stderr is not None
        assert "waiting for: headgate flow-run resume" in waiting.stderr.readline()

        resumed = shell.headgate(
            "flow-run", "resume", run_id, "--input-file", "-", stdin='{"approved": false}'
        )

        assert resumed.code == 0
        assert waiting.communicate(timeout=20)[0] == '{"approved":false}\n'
        assert waiting.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("set-state", "RUN", "pending"), 1, "cannot transition to a PENDING state"),
        (("pause", "RUN", "--expected-version", "1"), 1, "version"),
        (("suspend", "RUN"), 1, "Cannot suspend flows without a deployment"),
        (("resume", "RUN"), 1, "isn't paused"),
        (("pause", "RUN", "--description", "Without a schema."), 2, "needs a schema"),
        (("pause", "RUN", "--schema", "nowhere.json"), 2, "Cannot read 'nowhere.json'"),
        (("resume", "RUN", "a=1", "--input", "{}"), 2, "in one way"),
        (("watch", "RUN", "--flow", "etl"), 2, "exclude each other"),
        (("watch", "--until", "any"), 2, "needs ids"),
        (("ls", "--sort", "sideways"), 2, "--sort"),
        (("show", "01900000-0000-7000-8000-000000000000"), 3, "not found"),
        (("inputs", "01900000-0000-7000-8000-000000000000"), 3, "not found"),
        (("watch", "01900000-0000-7000-8000-000000000000"), 3, "not found"),
        (("wait", "01900000-0000-7000-8000-000000000000"), 3, "not found"),
        (("delete", "01900000-0000-7000-8000-000000000000"), 3, "not found"),
        (("wait", "RUN", "--timeout", "100ms"), 4, "exceeded watch timeout of 0.1 seconds"),
        (("ls", "--target", "127.0.0.1:1"), 6, "headgate serve"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_the_exit_code_tells_why_it_went_wrong(
    shell: Shell, running_run: str, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    given = [running_run if each == "RUN" else each for each in arguments]

    refused = shell.headgate("flow-run", *given)

    assert refused.code == code
    assert reason in refused.out + refused.err


@pytest.fixture
def running_run(shell: Shell) -> str:
    """Return a run that is running."""
    return shell.made("running")


def test_a_run_that_ended_badly_is_told_by_the_exit_code(shell: Shell) -> None:
    failed = shell.made("failed")
    completed = shell.made("completed")

    waited = shell.line(f"headgate flow-run wait {failed} {completed} --json", {})

    assert waited.code == 5
    assert {run["id"] for run in waited.jsons} == {failed, completed}


def test_the_first_of_several_runs_is_enough_if_asked_so(shell: Shell) -> None:
    completed, running = shell.made("completed"), shell.made("running")

    waited = shell.headgate("flow-run", "wait", running, completed, "--any", "--json")

    assert waited.code == 0
    assert waited.json["id"] == completed


def test_a_verdict_is_told_whole(shell: Shell) -> None:
    run_id = shell.made("running")

    told = shell.headgate("flow-run", "set-state", run_id, "pending", "--json")

    assert told.code == 1
    assert (told.json["status"], told.json["version"], told.json["created"]) == ("ABORT", 2, False)
    assert told.json["state"]["type"] == "RUNNING"


def test_a_state_may_be_forced_and_bring_inputs(shell: Shell) -> None:
    run_id = shell.made("completed")

    told = shell.headgate(
        *("flow-run", "set-state", run_id, "scheduled", "--name", "AwaitingRetry"),
        *("--at", "+5m", "--force", "--input", 'note={"why": "again"}', "--json"),
    )
    inputs = shell.headgate("flow-run", "inputs", run_id, "--json")

    assert told.json["state"]["name"] == "AwaitingRetry"
    assert inputs.json["value"] == {"why": "again"}


def test_a_run_is_cancelled_and_deleted(shell: Shell) -> None:
    run_id = shell.made("running")

    cancelled = shell.headgate("flow-run", "cancel", run_id, "--message", "Enough.", "--json")
    deleted = shell.headgate("flow-run", "delete", run_id, "--json")
    gone = shell.headgate("flow-run", "show", run_id, "--json")

    assert (cancelled.json["type"], cancelled.json["message"]) == ("CANCELLING", "Enough.")
    assert deleted.json["flow_run_id"] == run_id
    assert gone.code == 3
    assert gone.error["reason"] == "FLOW_RUN_NOT_FOUND"
    assert gone.error["metadata"] == {"flow_run_id": run_id}


def test_the_server_tells_what_it_is(shell: Shell) -> None:
    told = shell.headgate("info")
    info = shell.headgate("info", "--json").json

    assert f"target                    {shell.target}" in told.out
    assert info["database_kind"] == "SQLITE"
    assert info["limits"]["max_page_size"] == 1000
    assert info["limits"]["history_retention"] == 7 * 86400.0


def test_a_reader_that_has_seen_enough_is_no_error(shell: Shell) -> None:
    for _ in range(2):
        shell.made()

    done = shell.line("headgate flow-run ls --all --json | head -n 1; echo ${PIPESTATUS[0]}", {})

    assert done.out.splitlines()[-1] == "0"
    assert done.err == ""
