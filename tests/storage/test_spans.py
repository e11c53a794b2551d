"""Lists of what lies in a span of time, sorted by another time: read from where the span begins, and complete."""

from datetime import datetime, timedelta
from typing import Final

import pytest
from sqlalchemy import Connection

from headgate_server.model.filters import (
    FlowRunFilter,
    FlowRunSort,
    RunQuery,
    StateFilter,
    TimeFilter,
)
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.paging import PageRequest
from headgate_server.model.states import StateType
from headgate_server.storage import flow_run_lists, leads, spans
from headgate_server.storage.database import Database
from headgate_server.storage.paging import Order
from headgate_server.storage.tables import FLOW_RUN
from tests.builders import NOW, a_flow, a_flow_run
from tests.pages import cut, in_order, read_pages
from tests.storage.plans import plan_of
from tests.storing import store

FLOW: Final = a_flow(name="flow")
DAY: Final = TimeFilter(after=NOW, before=NOW + timedelta(days=1))
DELAYS: Final = {
    timedelta(): 20,
    timedelta(seconds=20): 20,
    timedelta(minutes=5): 4,
    timedelta(minutes=5, microseconds=1): 4,
    timedelta(hours=2): 4,
    timedelta(days=3): 3,
    -timedelta(minutes=5): 4,
    -timedelta(minutes=5, microseconds=1): 4,
    -timedelta(hours=6): 4,
    -timedelta(days=2): 3,
}
"""How long after they were expected runs started, and how many of them."""
SORTS: Final = (
    FlowRunSort.EXPECTED_START_TIME_ASC,
    FlowRunSort.EXPECTED_START_TIME_DESC,
    FlowRunSort.START_TIME_ASC,
    FlowRunSort.START_TIME_DESC,
)


def some_runs() -> list[FlowRun]:
    """Return runs of four days that started when they were expected, or soon or long before or after."""
    delays = [delay for delay, count in DELAYS.items() for _ in range(count)]
    step = timedelta(days=4) / len(delays)
    started = [
        a_run(NOW - timedelta(days=1) + 7 * place % len(delays) * step, delay)
        for place, delay in enumerate(delays)
    ]
    ahead = [NOW + timedelta(hours=hour) for hour in range(0, 72, 4)]
    scheduled = [a_flow_run(FLOW, StateType.SCHEDULED, expected_start_time=each) for each in ahead]
    return [*started, *scheduled, a_flow_run(FLOW)]


def a_run(started: datetime, delay: timedelta) -> FlowRun:
    """Return a run that started so long after it was expected."""
    return a_flow_run(
        FLOW, StateType.RUNNING, start_time=started, expected_start_time=started - delay
    )


def lies_in(time: datetime | None, span: TimeFilter) -> bool:
    return (
        time is not None
        and (span.after is None or time >= span.after)
        and (span.before is None or time <= span.before)
    )


def read_with(index: str, plan: list[str]) -> list[str]:
    """Return the steps that read rows with an index; those that only count are satisfied with the index."""
    return [
        step
        for step in plan
        if f"{index} " in step and "COVERING" not in step and "Index Only" not in step
    ]


@pytest.fixture(autouse=True)
def a_walk_is_worth_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every number of rows be many, and none of the first rows of a list show what it holds."""
    monkeypatch.setattr(leads, "_FEW", 0)
    monkeypatch.setattr(spans, "_TRIED", 0)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize(
    "span",
    [DAY, TimeFilter(after=DAY.after), TimeFilter(before=DAY.before)],
    ids=["a day", "since", "until"],
)
@pytest.mark.parametrize("state", [None, StateType.RUNNING], ids=["any state", "running"])
async def test_a_list_within_a_span_is_complete_and_in_order(
    database: Database, sort: FlowRunSort, span: TimeFilter, state: StateType | None
) -> None:
    runs = some_runs()
    await store(database, flows=[FLOW], runs=runs)
    first = PageRequest(size=3, offset=1)
    of_state = None if state is None else StateFilter(type_any=(state,))
    asked = {
        "started": FlowRunFilter(start_time=span, state=of_state),
        "expected": FlowRunFilter(expected_start_time=span, state=of_state),
    }

    def read(conn: Connection) -> dict[str, list[list[str]]]:
        return {
            name: read_pages(
                conn,
                lambda conn, query, page: flow_run_lists.list_page(
                    conn, query, sort, page, is_full=False
                ),
                RunQuery(flow_runs=given),
                first=first,
            )
            for name, given in asked.items()
        }

    answered = await database.read(read)

    in_state = [run for run in runs if state is None or (run.state and run.state.type is state)]
    started = [run for run in in_state if lies_in(run.start_time, span)]
    expected = [run for run in in_state if lies_in(run.expected_start_time, span)]
    assert answered == {
        "started": cut(in_order(started, sort), first),
        "expected": cut(in_order(expected, sort), first),
    }


@pytest.mark.parametrize("sort", SORTS[:2])
async def test_the_walk_begins_where_the_span_does_and_runs_far_from_it_are_found_by_themselves(
    database: Database, sort: FlowRunSort
) -> None:
    query = RunQuery(flow_runs=FlowRunFilter(start_time=DAY))
    await store(database, flows=[FLOW], runs=some_runs())

    plan = await plan_of(
        database,
        lambda conn, page: flow_run_lists.list_page(conn, query, sort, page, is_full=False),
    )

    assert read_with("ix_flow_run_expected_start_time_id", plan)
    assert read_with("ix_flow_run_effective_start_time_displaced", plan)
    assert read_with("ix_flow_run_effective_start_time_id", plan) == []


@pytest.mark.parametrize("far", [10, 11], ids=["few enough", "too many"])
async def test_a_span_with_many_runs_far_from_it_has_no_walk_near_it(
    database: Database, monkeypatch: pytest.MonkeyPatch, far: int
) -> None:
    monkeypatch.setattr(spans, "_GATHERED_MAX", 10)
    late = [a_run(NOW + timedelta(minutes=each), timedelta(hours=1)) for each in range(far)]
    by_expected_time = Order(key=FLOW_RUN.c.expected_start_time, id=FLOW_RUN.c.id)
    given = spans.spans_of_flow_runs(FlowRunFilter(start_time=DAY))
    await store(database, flows=[FLOW], runs=late)

    order = await database.read(spans.begun_near, by_expected_time, given)

    assert (order.near is None) is (far == 11)
