"""`flow-run graph` and `flow-run history`, as a person sees them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

import headgate
from headgate import TaskInput, TaskInputKind
from headgate.sync import Client
from tests.acceptance.cli.shell import Shell

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]


def a_busy_run(shell: Shell) -> tuple[str, str]:
    """Make a run with two tasks and a subflow run with a task of its own; return the ids of both runs."""
    with Client(shell.target) as client:
        flow_id = client.flows.create("etl").flow.id
        runs = client.flow_runs
        run = runs.create(flow_id, name="nightly", state=headgate.Running()).flow_run

        def task(run_id: UUID, name: str, *above: UUID) -> UUID:
            given = [TaskInput(kind=TaskInputKind.TASK_RUN, value=str(each)) for each in above]
            created = client.task_runs.create(
                run_id,
                "task",
                name,
                name=name,
                state=headgate.Running(),
                task_inputs={"x": given},
            )
            return created.task_run.id

        first = task(run.id, "extract")
        wrapper = task(run.id, "wrapper", first)
        child = runs.create(
            flow_id, name="child", state=headgate.Running(), parent_task_run_id=wrapper
        ).flow_run
        task(child.id, "inner")
        last = task(run.id, "load", first, wrapper)
        client.task_runs.set_state(last, headgate.Completed())
    return str(run.id), str(child.id)


def labels(printed: str) -> list[str]:
    """Return the first column of what was drawn."""
    lines = printed.splitlines()
    width = lines[1].index("0 ")
    return [line[:width].rstrip() for line in lines[2:]]


def test_a_graph_is_drawn_as_a_tree_with_bars(shell: Shell) -> None:
    run_id, _ = a_busy_run(shell)

    drawn = shell.headgate("flow-run", "graph", run_id)

    assert (drawn.code, drawn.err) == (0, "")
    assert drawn.out.startswith(f"nightly {run_id}  Running  ")
    assert labels(drawn.out) == ["extract", "└─ ▸ etl / child", "   └─ load"]
    head, extract, child, load = drawn.out.splitlines()[1:]
    assert head.split()[0] == "TASK"
    assert head.split()[-4:] == ["TOOK", "STATE", "ALSO", "AFTER"]
    assert "▓" in extract
    assert "RUNNING" in child
    assert "█" in load
    assert load.split()[-2:] == ["COMPLETED", "extract"]


def test_a_graph_may_show_what_subflow_runs_did(shell: Shell) -> None:
    run_id, child_id = a_busy_run(shell)

    drawn = shell.headgate("flow-run", "graph", run_id, "--deep")
    told = shell.headgate("flow-run", "graph", run_id, "--deep", "--json").jsons

    assert labels(drawn.out) == ["extract", "└─ ▸ etl / child", "   ├─ inner", "   └─ load"]
    assert [graph["flow_run_id"] for graph in told] == [run_id, child_id]
    assert [node["label"] for node in told[1]["nodes"]] == ["inner"]
    assert {node["kind"] for node in told[0]["nodes"]} == {"TASK_RUN", "FLOW_RUN"}


def test_a_graph_may_leave_out_what_has_ended(shell: Shell) -> None:
    run_id, _ = a_busy_run(shell)

    since = shell.headgate("flow-run", "graph", run_id, "--since", "+1h", "--json").json

    assert [node["label"] for node in since["nodes"]] == ["extract", "etl / child"]


def test_a_graph_has_colours_on_a_terminal_and_fits_it(shell: Shell) -> None:
    run_id, _ = a_busy_run(shell)

    with shell.terminal("flow-run", "graph", run_id) as person:
        person.expect("TASK")
        person.expect("extract")
        person.expect("▓")
        person.expect("RUNNING")

        assert person.wait() == 0
    assert max(map(len, person.seen.splitlines())) <= 120


def test_a_run_without_tasks_has_nothing_to_draw(shell: Shell) -> None:
    run_id = shell.made("running")

    drawn = shell.headgate("flow-run", "graph", run_id)
    unknown = shell.headgate("flow-run", "graph", uuid4(), "--json")

    assert drawn.out.endswith("No task of it has begun.\n")
    assert (unknown.code, unknown.error["reason"]) == (3, "FLOW_RUN_NOT_FOUND")


def test_a_history_is_charted_by_state(shell: Shell) -> None:
    flow = f"flow-{uuid4()}"
    for states in (["running", "completed"], ["running", "completed"], ["running", "failed"], []):
        shell.made(*states, flow=flow)

    charted = shell.headgate("flow-run", "history", "--flow", flow, "--last", "280d")
    told = shell.headgate(
        "flow-run", "history", "--flow", flow, "--last", "14d", "--interval", "7d", "--json"
    )

    lines = charted.out.splitlines()
    assert (charted.code, charted.err) == (0, "")
    assert lines[0] == "TIME                  RUNS"
    assert len(lines) in {1 + 20 + 1, 1 + 21 + 1}
    [busy] = [line for line in lines[1:-1] if not line.endswith("     0")]
    assert busy.endswith(f"  {'█' * 20}{'░' * 10}{'✗' * 10}  2 Completed, 1 Failed, 1 Pending")
    assert lines[-1].startswith("4 runs: 2 Completed, 1 Failed, 1 Pending")
    counts = [
        (state["state_name"], state["count_runs"])
        for interval in told.jsons
        for state in interval["states"]
    ]
    assert counts == [("Completed", 2), ("Failed", 1), ("Pending", 1)]


def test_a_history_begins_at_round_times_and_holds_what_comes(shell: Shell) -> None:
    flow = f"flow-{uuid4()}"
    due = datetime.now(UTC) + timedelta(hours=5)
    shell.headgate("flow-run", "create", flow, "--at", due.isoformat())

    told = shell.headgate(
        *("flow-run", "history", "--flow", flow, "--state", "scheduled"),
        *("--last", "6h", "--until", "+6h", "--interval", "15m", "--json"),
    ).jsons

    assert all(each["start_time"][14:] in {"00:00.000000Z", "15:00.000000Z", "30:00.000000Z", "45:00.000000Z"} for each in told)  # fmt: skip
    [found] = [each for each in told if each["states"]]
    assert found["start_time"] <= due.isoformat() < found["end_time"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--last", "1d", "--interval", "1s"], "there may be 500"),
        (["--interval", "500ms"], "at least a second"),
        (["--last", "9999999d"], "before all times"),
        (["--until", "yesterday"], "yesterday"),
    ],
    ids=["too many", "too short", "too long ago", "no time"],
)
def test_a_history_that_cannot_be_charted_is_refused(
    shell: Shell, arguments: list[str], complaint: str
) -> None:
    refused = shell.headgate("flow-run", "history", *arguments)

    assert refused.code == 2
    assert complaint in refused.err
