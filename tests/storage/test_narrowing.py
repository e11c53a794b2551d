"""Narrowing: however SQLite is led to the rows, it finds the same ones in the same order."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final

import pytest
from sqlalchemy import Connection

from headgate_server.model.filters import (
    AnyFilter,
    FlowFilter,
    FlowRunFilter,
    FlowRunSort,
    IdFilter,
    KeyFilter,
    NameFilter,
    Operator,
    ReferenceFilter,
    RunQuery,
    StateFilter,
    TagsFilter,
    TimeFilter,
)
from headgate_server.model.matching import matches
from headgate_server.model.paging import PageRequest
from headgate_server.model.states import StateType
from headgate_server.storage import flow_lists, flow_run_lists, leads
from headgate_server.storage.database import Database
from tests.builders import NOW, a_flow, a_flow_run, a_state
from tests.pages import in_order
from tests.storing import store

FLOWS: Final = [a_flow(id=f"flow-{name}", name=name) for name in "ab"]


def a_time(number: int, modulus: int) -> datetime | None:
    """Return one of a few times, or none."""
    return NOW + timedelta(seconds=number % modulus) if number % modulus else None


def a_type(number: int) -> StateType:
    """Return one of three types of states."""
    if number % 7 == 1:
        return StateType.SCHEDULED
    return StateType.FAILED if number % 3 else StateType.RUNNING


RUNS: Final = [
    a_flow_run(
        FLOWS[number % 2],
        a_state(a_type(number), "Late" if number % 4 else "Running") if number % 5 else None,
        id=f"run-{number:02}",
        name=f"name-{number % 4}",
        tags=((), ("x",), ("y",), ("x", "y"))[number // 2 % 4],
        deployment_id=f"deployment-{number % 3}" if number % 3 else None,
        idempotency_key=f"key-{number % 3}" if number % 3 else None,
        start_time=a_time(number, 3),
        expected_start_time=a_time(number, 4),
        next_scheduled_start_time=a_time(number, 5)
        if a_type(number) is StateType.SCHEDULED
        else None,
        end_time=a_time(number, 7) if number % 5 and a_type(number) is StateType.FAILED else None,
    )
    for number in range(40)
]
AT: Final = NOW + timedelta(seconds=2)
FAILED: Final = StateFilter(type_any=(StateType.FAILED,))
EITHER: Final = Operator.OR


def of_runs(**members: object) -> RunQuery:
    """Return a query of runs alone."""
    return RunQuery(flow_runs=FlowRunFilter(**members))  # type: ignore[arg-type]


QUERIES: Final = {
    "flow": RunQuery(flows=FlowFilter(name=NameFilter(any=("a",)))),
    "flow and type": RunQuery(
        flows=FlowFilter(name=NameFilter(any=("a",))), flow_runs=FlowRunFilter(state=FAILED)
    ),
    "id": of_runs(id=IdFilter(any=("run-01", "run-02", "unknown"))),
    "name": of_runs(name=NameFilter(any=("name-1",))),
    "name and like": of_runs(name=NameFilter(any=("name-1", "name-2"), like="2")),
    "type": of_runs(state=FAILED),
    "types": of_runs(state=StateFilter(type_any=(StateType.FAILED, StateType.RUNNING))),
    "state name": of_runs(state=StateFilter(name_any=("Late",))),
    "type or name": of_runs(
        state=StateFilter(operator=EITHER, type_any=(StateType.RUNNING,), name_any=("Late",))
    ),
    "deployment": of_runs(deployment_id=ReferenceFilter(any=("deployment-1",))),
    "deployment or none": of_runs(
        deployment_id=ReferenceFilter(operator=EITHER, any=("deployment-1",), is_null=True)
    ),
    "parent task run": of_runs(parent_task_run_id=ReferenceFilter(any=("unknown",))),
    "parent flow run": of_runs(parent_flow_run_id=AnyFilter(any=("unknown",))),
    "key": of_runs(idempotency_key=KeyFilter(any=("key-1",))),
    "tag": of_runs(tags=TagsFilter(all=("y",))),
    "tags": of_runs(tags=TagsFilter(all=("x", "y"))),
    "tag or none": of_runs(tags=TagsFilter(operator=EITHER, all=("y",), is_null=True)),
    "started after": of_runs(start_time=TimeFilter(after=AT)),
    "started before": of_runs(start_time=TimeFilter(before=AT)),
    "expected at": of_runs(expected_start_time=TimeFilter(after=AT, before=AT)),
    "scheduled after": of_runs(next_scheduled_start_time=TimeFilter(after=AT)),
    "never started": of_runs(start_time=TimeFilter(is_null=True)),
    "started or named": of_runs(
        operator=EITHER, start_time=TimeFilter(after=AT), name=NameFilter(any=("name-0",))
    ),
    "like": of_runs(name=NameFilter(like="1")),
    "nothing": of_runs(id=IdFilter(any=())),
}


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[Database]:
    """Return a SQLite database with the runs."""
    opened = Database.open(sqlite_url, synchronous="OFF")
    await store(opened, flows=FLOWS, runs=RUNS)
    yield opened
    await opened.close()


@pytest.mark.parametrize("few", [0, 5, 5000], ids=["all are many", "some are few", "all are few"])
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_the_same_runs_are_found_whether_they_are_few_or_many(
    sqlite: Database, query: RunQuery, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leads, "_FEW", few)

    def read(conn: Connection) -> tuple[dict[FlowRunSort, list[str]], int, int]:
        lists = {
            sort: [
                run.id
                for run in flow_run_lists.list_page(
                    conn, query, sort, PageRequest(), is_full=False
                ).items
            ]
            for sort in FlowRunSort
        }
        return (
            lists,
            flow_run_lists.count(conn, query),
            flow_lists.count(conn, query),
        )

    lists, count, flow_count = await sqlite.read(read)

    by_id = {flow.id: flow for flow in FLOWS}
    found = [run for run in RUNS if matches(query, run, by_id[run.flow_id])]
    assert lists == {sort: in_order(found, sort) for sort in FlowRunSort}
    assert count == len(found)
    assert flow_count == len({run.flow_id for run in found})
