"""The overview of `headgate top`: what it makes of changes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from rich.console import Console

from headgate import Deleted, FlowRun, FlowRunEvent, Progress, State, StateChange, StateType
from headgate_server.cli.overview import Overview, QueueFacts, lines, view

NOW = datetime(2030, 1, 31, 8, tzinfo=UTC)
QUEUE = QueueFacts(
    work_pool_name="docker",
    name="urgent",
    status="READY",
    is_healthy=False,
    late_runs=2,
    last_polled_time=NOW - timedelta(seconds=90),
)


def a_state(kind: StateType, name: str | None = None) -> State:
    return State(
        id=uuid4(),
        type=kind,
        name=name or kind.capitalize(),
        timestamp=NOW,
        version=1,
        is_terminal=kind is StateType.COMPLETED,
    )


def a_run(state: State) -> FlowRun:
    return FlowRun(
        id=uuid4(),
        flow_id=uuid4(),
        name="brisk-heron",
        create_time=NOW,
        update_time=NOW,
        version=1,
        state=state,
    )


def about(**more: Any) -> dict[str, Any]:
    return {"resume_token": "", "commit_time": NOW, "revision": 1, **more}


def change(before: State | None, after: State) -> StateChange:
    return StateChange(
        **about(
            flow_run=a_run(after),
            state=after,
            previous_state_type=None if before is None else before.type,
            previous_state_name="" if before is None else before.name,
        )
    )


def an_overview(**counts: int) -> Overview:
    overview = Overview("here:4244")
    overview.set_counts(
        {StateType(kind): count for kind, count in counts.items()},
        late=1,
        watches=3,
        queues=[QUEUE],
        now=NOW,
    )
    return overview


@pytest.mark.parametrize(
    ("event", "runs", "late"),
    [
        (change(None, a_state(StateType.PENDING)), {"PENDING": 1, "RUNNING": 5}, 1),
        (
            change(a_state(StateType.RUNNING), a_state(StateType.COMPLETED)),
            {"RUNNING": 4, "COMPLETED": 1},
            1,
        ),
        (
            change(a_state(StateType.SCHEDULED), a_state(StateType.SCHEDULED, "Late")),
            {"RUNNING": 5, "SCHEDULED": 1},
            2,
        ),
        (
            change(a_state(StateType.SCHEDULED, "Late"), a_state(StateType.PENDING)),
            {"RUNNING": 5, "PENDING": 1},
            0,
        ),
        (Deleted(**about(flow_run=a_run(a_state(StateType.RUNNING)))), {"RUNNING": 4}, 1),
        (Progress(**about()), {"RUNNING": 5}, 1),
    ],
    ids=["created", "completed", "late", "claimed", "deleted", "progress"],
)
def test_the_numbers_follow_a_change(event: FlowRunEvent, runs: dict[str, int], late: int) -> None:
    overview = an_overview(RUNNING=5)

    overview.take(event, NOW)

    assert {str(kind): count for kind, count in overview.runs.items() if count} == runs
    assert overview.late == late


def test_a_number_never_falls_below_zero() -> None:
    overview = an_overview(RUNNING=0)

    overview.take(Deleted(**about(flow_run=a_run(a_state(StateType.RUNNING)))), NOW)

    assert overview.runs[StateType.RUNNING] == 0


def test_the_rate_is_that_of_the_last_seconds() -> None:
    overview = an_overview(RUNNING=1)
    for seconds in (0, 11, 12, 13):
        event = change(a_state(StateType.RUNNING), a_state(StateType.RUNNING))
        overview.take(event, NOW + timedelta(seconds=seconds))

    assert overview.rate(NOW + timedelta(seconds=14)) == pytest.approx(0.3)


def test_everything_is_seen() -> None:
    overview = an_overview(RUNNING=5, FAILED=1)
    overview.take(change(a_state(StateType.RUNNING), a_state(StateType.COMPLETED)), NOW)
    console = Console(width=120, record=True)

    console.print(view(overview, NOW))

    text = console.export_text()
    for seen in (
        "here:4244",
        "3 watches",
        "1 late",
        "RUNNING",
        "docker",
        "unhealthy",
        "brisk-heron",
    ):
        assert seen in text


def test_plain_lines_tell_the_same() -> None:
    assert list(lines(an_overview(RUNNING=5, FAILED=1))) == [
        "2030-01-31T08:00:00Z  RUNNING 5  FAILED 1",
        "  late 1  watches 3",
        "  queue docker/urgent  READY  unhealthy  late 2",
    ]
