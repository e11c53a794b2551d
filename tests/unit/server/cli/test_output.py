import io
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from rich.console import Console

from headgate import (
    Deleted,
    FlowRun,
    FlowRunEvent,
    LeftFilter,
    Progress,
    RunUpdate,
    Snapshot,
    SnapshotComplete,
    State,
    StateChange,
    StateType,
    TaskDeleted,
    TaskLeftFilter,
    TaskRun,
    TaskRunEvent,
    TaskSnapshot,
    TaskStateChange,
    TaskUpdate,
)
from headgate_server.cli import live, words
from headgate_server.cli.output import print_table, to_json

ID = UUID("01900000-0000-7000-8000-000000000001")
NOW = datetime(2030, 1, 31, 8, 0, 0, 123456, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Thing:
    id: UUID
    time: datetime
    length: timedelta
    type: StateType
    items: tuple[int, ...]
    nothing: None = None


def a_run(version: int = 3, message: str | None = None) -> FlowRun:
    state = State(
        id=ID,
        type=StateType.PAUSED,
        name="Paused",
        timestamp=NOW,
        version=version,
        is_terminal=False,
        message=message,
    )
    return FlowRun(
        id=ID,
        flow_id=ID,
        name="quiet-otter",
        create_time=NOW,
        update_time=NOW,
        version=version,
        state=state,
    )


RUN = a_run(message="Why?")
STATE = RUN.state
assert STATE is not None
CHANGE = StateChange(
    revision=7,
    commit_time=NOW,
    resume_token="t",
    flow_run=RUN,
    state=STATE,
    previous_state_type=StateType.RUNNING,
    previous_state_name="Running",
)
TASK_RUN = TaskRun(
    id=ID,
    flow_run_id=ID,
    task_key="load",
    dynamic_key="0",
    name="load-0",
    create_time=NOW,
    update_time=NOW,
    version=3,
    state=STATE,
)
TASK_CHANGE = TaskStateChange(
    revision=7,
    commit_time=NOW,
    resume_token="t",
    task_run=TASK_RUN,
    state=STATE,
    previous_state_type=None,
    previous_state_name=None,
)
# fmt: off
UPDATE    = RunUpdate(revision=7, commit_time=NOW, resume_token="", flow_run=RUN)
SNAPSHOT  = Snapshot(revision=0, commit_time=NOW, resume_token="", flow_run=RUN)
DELETED   = Deleted(revision=7, commit_time=NOW, resume_token="", flow_run=RUN)
LEFT      = LeftFilter(revision=7, commit_time=NOW, resume_token="", flow_run=RUN)
COMPLETE  = SnapshotComplete(revision=7, commit_time=NOW, resume_token="")
PROGRESS  = Progress(revision=7, commit_time=NOW, resume_token="")
TASK_UPDATE   = TaskUpdate(revision=7, commit_time=NOW, resume_token="", task_run=TASK_RUN)
TASK_SNAPSHOT = TaskSnapshot(revision=0, commit_time=NOW, resume_token="", task_run=TASK_RUN)
TASK_DELETED  = TaskDeleted(revision=7, commit_time=NOW, resume_token="", task_run=TASK_RUN)
TASK_LEFT     = TaskLeftFilter(revision=7, commit_time=NOW, resume_token="", task_run=TASK_RUN)
# fmt: on


def test_a_value_is_one_line_of_json_with_all_its_fields() -> None:
    time = datetime(2030, 1, 31, 9, tzinfo=timezone(timedelta(0)))
    thing = Thing(ID, time, timedelta(seconds=1.5), StateType.RUNNING, (1, 2))

    assert json.loads(to_json({"thing": thing, "text": "ä\n"})) == {
        "thing": {
            "id": str(ID),
            "time": "2030-01-31T09:00:00.000000Z",
            "length": 1.5,
            "type": "RUNNING",
            "items": [1, 2],
            "nothing": None,
        },
        "text": "ä\n",
    }
    assert "\n" not in to_json({"text": "ä\n"})


def test_numbers_of_any_size_stay_what_they_are() -> None:
    assert to_json([2**80 + 1, 1.0, 1]) == f"[{2**80 + 1},1.0,1]"


def test_what_has_no_json_form_is_a_fault() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        to_json(object())


def test_a_table_that_nobody_looks_at_is_plain_lines_that_never_wrap(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(("ID", "VALUE"), [("1", "x" * 300), ("22", "")])

    assert capsys.readouterr().out.splitlines() == ["ID  VALUE", f"1   {'x' * 300}", "22"]


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(milliseconds=12), "12 ms"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=61), "1 h"),
        (timedelta(days=3, hours=5), "3 d"),
    ],
)
def test_a_span_is_told_in_its_largest_unit(length: timedelta, text: str) -> None:
    assert words.span(length) == text
    assert words.ago(NOW - length, NOW) == f"{text} ago"


def test_a_time_that_is_to_come_is_told_as_such() -> None:
    assert words.ago(NOW + timedelta(minutes=5), NOW) == "in 5 min"


def test_an_event_is_an_object_that_names_its_kind() -> None:
    told = json.loads(to_json(live.event_json(CHANGE)))

    assert (told["event"], told["resume_token"]) == ("state_change", "t")
    assert told["flow_run"]["name"] == "quiet-otter"
    assert told["state"]["version"] == 3
    assert told["previous_state_type"] == "RUNNING"
    assert told["commit_time"] == "2030-01-31T08:00:00.123456Z"


def test_an_event_of_a_task_run_is_an_object_that_names_its_kind() -> None:
    told = json.loads(to_json(live.event_json(TASK_CHANGE)))

    assert (told["event"], told["task_run"]["name"]) == ("task_state_change", "load-0")
    assert told["previous_state_type"] is None


LABEL = f"quiet-otter {ID}  "
TASK_LABEL = f"load-0 {ID}  "


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (CHANGE, f"{LABEL}RUNNING -> PAUSED  Paused v3  Why?"),
        (UPDATE, f"{LABEL}changed without a state"),
        (SNAPSHOT, f"{LABEL}is  Paused v3  Why?"),
        (DELETED, f"{LABEL}deleted"),
        (LEFT, f"{LABEL}matches no more, is  Paused v3  Why?"),
        (TASK_CHANGE, f"{TASK_LABEL}- -> PAUSED  Paused v3  Why?"),
        (TASK_UPDATE, f"{TASK_LABEL}changed without a state"),
        (TASK_SNAPSHOT, f"{TASK_LABEL}is  Paused v3  Why?"),
        (TASK_DELETED, f"{TASK_LABEL}deleted"),
        (TASK_LEFT, f"{TASK_LABEL}matches no more, is  Paused v3  Why?"),
        (COMPLETE, "that is how they stand; changes follow"),
        (PROGRESS, "nothing happened up to revision 7"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_an_event_is_one_line_for_a_person(event: FlowRunEvent | TaskRunEvent, text: str) -> None:
    assert live.line(event).plain == f"2030-01-31T08:00:00.123456Z  {text}"


@pytest.mark.parametrize(
    ("first", "last"),
    [(SNAPSHOT, DELETED), (TASK_SNAPSHOT, TASK_LEFT)],
    ids=["flow runs", "task runs"],
)
def test_the_live_table_follows_the_runs(
    first: FlowRunEvent | TaskRunEvent, last: FlowRunEvent | TaskRunEvent
) -> None:
    table = live.LiveTable()

    table.take(first)
    with_the_run = seen(table)
    table.take(last)

    assert str(ID) in with_the_run
    assert str(ID) not in seen(table)


def test_the_live_table_shows_those_that_changed_last() -> None:
    table = live.LiveTable()
    runs = [replace(RUN, id=UUID(int=number)) for number in range(live.ROWS + 2)]

    for run in [*runs, runs[0]]:
        table.take(replace(SNAPSHOT, flow_run=run))

    ids = re.findall(r"0{8}-\S+", seen(table))
    assert ids == [str(run.id) for run in [runs[0], *reversed(runs[3:])]]
    assert "and 2 more" in seen(table)


def seen(table: live.LiveTable) -> str:
    file = io.StringIO()
    Console(file=file, width=200).print(table.render())
    return file.getvalue()
