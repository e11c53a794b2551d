"""Plans: what is listed most is read along an index without sorting, so that a page costs the same in a large table."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import pytest
from msgspec.structs import replace

from headgate_server.model.filters import (
    FlowFilter,
    FlowRunFilter,
    FlowRunSort,
    NameFilter,
    ReferenceFilter,
    RunQuery,
    StateFilter,
    TagsFilter,
    TimeFilter,
)
from headgate_server.model.flows import FlowSort
from headgate_server.model.states import StateType
from headgate_server.storage import (
    flow_lists,
    flow_run_lists,
    input_lists,
    leads,
    spans,
    variable_lists,
)
from headgate_server.storage.database import Database
from tests.builders import NOW, a_flow, a_flow_run, a_variable, an_input
from tests.storage.plans import ListPage, detours, plan_of
from tests.storing import store

FAILED: Final = RunQuery(flow_runs=FlowRunFilter(state=StateFilter(type_any=(StateType.FAILED,))))
OF_DEPLOYMENT: Final = RunQuery(
    flow_runs=FlowRunFilter(deployment_id=ReferenceFilter(any=("deployment",)))
)
FLOW: Final = a_flow(id="flow", name="flow")
RUNS: Final = [
    a_flow_run(
        FLOW,
        StateType.FAILED,
        id=f"run-{number:02}",
        name=f"run-{number:02}",
        deployment_id="deployment",
        tags=("tag",),
        start_time=time,
        expected_start_time=time,
        next_scheduled_start_time=time,
        end_time=time,
    )
    for number in range(24)
    # Half of them have no times, and come last.
    for time in [NOW + timedelta(seconds=number) if number % 2 else None]
]


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[Database]:
    """Return a fresh SQLite database."""
    opened = Database.open(sqlite_url, synchronous="OFF")
    yield opened
    await opened.close()


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every number of rows be many."""
    monkeypatch.setattr(leads, "_FEW", 0)


async def fill(database: Database) -> None:
    """Store two pages of each list, and more."""
    await store(
        database,
        flows=[FLOW, *(a_flow(name=f"flow-{number}") for number in range(24))],
        runs=RUNS,
        run_inputs=[an_input(RUNS[0], f"key-{number}") for number in range(24)],
        named=[a_variable(f"variable-{number:02}") for number in range(24)],
    )


def list_of_runs(query: RunQuery, sort: FlowRunSort) -> ListPage:
    """Return what lists the runs that match."""
    return lambda conn, page: flow_run_lists.list_page(conn, query, sort, page, is_full=False)


def list_of_flows(sort: FlowSort) -> ListPage:
    """Return what lists all flows."""
    return lambda conn, page: flow_lists.list_page(conn, RunQuery(), sort, page)


async def test_all_runs_are_listed_along_an_index(database: Database) -> None:
    await fill(database)

    plans = {sort: await plan_of(database, list_of_runs(RunQuery(), sort)) for sort in FlowRunSort}

    assert all(plans.values())
    assert {sort: detours(plan) for sort, plan in plans.items() if detours(plan)} == {}


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    "given",
    [
        FlowRunFilter(state=StateFilter(type_any=(StateType.FAILED,))),
        FlowRunFilter(state=StateFilter(name_any=("Failed",))),
        FlowRunFilter(deployment_id=ReferenceFilter(any=("deployment",))),
        FlowRunFilter(name=NameFilter(like="run")),
        FlowRunFilter(tags=TagsFilter(all=("tag",))),
    ],
    ids=["state type", "state name", "deployment", "like", "tag"],
)
async def test_many_matching_runs_are_met_along_the_index_of_the_order(
    database: Database, given: FlowRunFilter
) -> None:
    query = RunQuery(flow_runs=given)
    await fill(database)

    plans = {sort: await plan_of(database, list_of_runs(query, sort)) for sort in FlowRunSort}

    assert all(plans.values())
    assert {sort: detours(plan) for sort, plan in plans.items() if detours(plan)} == {}


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("sort", [FlowRunSort.START_TIME_ASC, FlowRunSort.START_TIME_DESC])
@pytest.mark.parametrize(
    ("query", "column"),
    [
        (FAILED, "state_type"),
        (OF_DEPLOYMENT, "deployment_id"),
        (RunQuery(flows=FlowFilter(name=NameFilter(any=("flow",)))), "flow_id"),
    ],
    ids=["state type", "deployment", "flow"],
)
async def test_runs_by_start_are_read_from_the_index_of_a_common_filter(
    sqlite: Database, query: RunQuery, column: str, sort: FlowRunSort
) -> None:
    await fill(sqlite)

    plan = await plan_of(sqlite, list_of_runs(query, sort))

    index = f"ix_flow_run_{column}_effective_start_time_id ({column}=? AND "
    with_start = [
        step for step in plan if "flow_run " in step and "(effective_start_time=?" not in step
    ]
    assert with_start
    assert [step for step in with_start if index not in step] == []


async def test_few_matching_runs_are_gathered_first(sqlite: Database) -> None:
    await fill(sqlite)

    plan = await plan_of(sqlite, list_of_runs(FAILED, FlowRunSort.NAME_ASC))

    assert "SEARCH flow_run USING INDEX sqlite_autoindex_flow_run_1 (id=?)" in plan


async def test_few_matching_runs_are_gathered_even_if_an_index_of_many_has_the_order(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rare = replace(RUNS[0], id="rare", tags=("rare",))
    given = FlowRunFilter(
        state=StateFilter(type_any=(StateType.FAILED,)), tags=TagsFilter(all=("rare",))
    )
    query = RunQuery(flow_runs=given)
    await fill(sqlite)
    await store(sqlite, runs=[rare])
    monkeypatch.setattr(leads, "_FEW", 5)

    plan = await plan_of(sqlite, list_of_runs(query, FlowRunSort.START_TIME_DESC))

    assert "SEARCH flow_run USING INDEX sqlite_autoindex_flow_run_1 (id=?)" in plan


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("sort", "going_on"),
    [
        (FlowRunSort.START_TIME_ASC, "((effective_start_time,id)>(?,?) AND "),
        (FlowRunSort.START_TIME_DESC, "(effective_start_time,id)<(?,?)"),
    ],
    ids=["ascending", "descending"],
)
async def test_a_span_of_time_is_entered_where_it_begins_or_where_the_page_before_ended(
    sqlite: Database, sort: FlowRunSort, going_on: str
) -> None:
    span = TimeFilter(after=NOW, before=NOW + timedelta(minutes=1))
    query = RunQuery(flow_runs=FlowRunFilter(start_time=span))
    await fill(sqlite)

    plan = await plan_of(sqlite, list_of_runs(query, sort))

    index = "SEARCH flow_run USING INDEX ix_flow_run_effective_start_time_id "
    first, second = (step.removeprefix(index) for step in plan if step.startswith(index))
    assert first == "(effective_start_time>? AND effective_start_time<?)"
    assert going_on in second
    assert detours(plan) == []


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("sort", "is_gathered"),
    [(FlowRunSort.EXPECTED_START_TIME_ASC, True), (FlowRunSort.EXPECTED_START_TIME_DESC, False)],
    ids=["at the other end", "where the list begins"],
)
async def test_a_span_of_time_is_gathered_unless_it_shows_where_the_list_begins(
    database: Database, monkeypatch: pytest.MonkeyPatch, *, sort: FlowRunSort, is_gathered: bool
) -> None:
    monkeypatch.setattr(spans, "_TRIED", 2)
    span = TimeFilter(after=NOW + timedelta(seconds=10))
    query = RunQuery(flow_runs=FlowRunFilter(start_time=span))
    await fill(database)

    plan = await plan_of(database, list_of_runs(query, sort))

    sorts = [step for step in detours(plan) if "Seq Scan" not in step]
    assert bool(sorts) is is_gathered


async def test_flows_are_listed_along_an_index(database: Database) -> None:
    await fill(database)

    plans = {sort: await plan_of(database, list_of_flows(sort)) for sort in FlowSort}

    assert all(plans.values())
    assert {sort: detours(plan) for sort, plan in plans.items() if detours(plan)} == {}


@pytest.mark.parametrize(
    "list_page",
    [
        lambda conn, page: input_lists.list_inputs(conn, RUNS[0].id, "", (), page),
        lambda conn, page: variable_lists.list_variables(conn, "", page),
        lambda conn, page: flow_run_lists.list_states(conn, RUNS[0].id, page),
    ],
    ids=["inputs", "variables", "states"],
)
async def test_other_lists_are_read_along_an_index(database: Database, list_page: ListPage) -> None:
    await fill(database)

    plan = await plan_of(database, list_page)

    assert plan
    assert detours(plan) == []
