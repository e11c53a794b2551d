"""Filters in SQL: both databases find just the rows that are judged to match in memory."""

from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Connection, select

from headgate_server.model.filters import (
    FlowFilter,
    FlowRunFilter,
    IdFilter,
    KeyFilter,
    NameFilter,
    ReferenceFilter,
    RunQuery,
    StateFilter,
    TagsFilter,
)
from headgate_server.model.ids import new_id
from headgate_server.model.matching import matches
from headgate_server.model.states import StateType
from headgate_server.storage import flow_lists, flow_run_lists, leads
from headgate_server.storage.database import Database
from headgate_server.storage.filters import flow_conditions, flow_run_conditions
from headgate_server.storage.tables import FLOW, FLOW_RUN
from tests.builders import a_flow, a_flow_run
from tests.storage.worlds import World, flow_filters, flow_run_filters, maybe, run_queries, worlds
from tests.storing import store

against_the_model: Final = settings(
    max_examples=40,
    deadline=None,
    # To shrink a failing example would take longer than the test may.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    # Every example replaces all that the database holds.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@against_the_model
@given(world=worlds(), queries=st.lists(run_queries, min_size=8, max_size=8))
async def test_the_runs_found_are_those_that_match(
    database: Database, world: World, queries: list[RunQuery]
) -> None:
    def find(conn: Connection) -> list[set[str]]:
        statements = (select(FLOW_RUN.c.id).where(*flow_run_conditions(query)) for query in queries)
        return [set(conn.execute(statement).scalars()) for statement in statements]

    await database.write(world.replace_all)
    found = await database.read(find)

    assert found == [{run.id for run in world.select_runs(query)} for query in queries]


@against_the_model
@given(
    world=worlds(),
    queries=st.lists(
        st.builds(RunQuery, flows=maybe(flow_filters), flow_runs=maybe(flow_run_filters)),
        min_size=8,
        max_size=8,
    ),
)
async def test_the_flows_found_are_those_that_match(
    database: Database,
    world: World,
    queries: list[RunQuery],
) -> None:
    def find(conn: Connection) -> list[set[str]]:
        statements = (select(FLOW.c.id).where(*flow_conditions(query)) for query in queries)
        return [set(conn.execute(statement).scalars()) for statement in statements]

    await database.write(world.replace_all)
    found = await database.read(find)

    assert found == [
        {flow.id for flow in world.select_flows(query.flows, query.flow_runs)} for query in queries
    ]


@against_the_model
@given(
    world=worlds(),
    queries=st.lists(st.tuples(flow_filters, run_queries), min_size=8, max_size=8),
    few=st.sampled_from([0, 5000]),
)
async def test_what_is_counted_is_what_matches_however_it_is_found(
    database: Database, world: World, queries: list[tuple[FlowFilter, RunQuery]], few: int
) -> None:
    def count(conn: Connection) -> list[tuple[int, int]]:
        return [
            (flow_run_lists.count(conn, query), flow_lists.count(conn, replace(query, flows=flows)))
            for flows, query in queries
        ]

    await database.write(world.replace_all)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leads, "_FEW", few)
        counted = await database.read(count)

    assert counted == [
        (len(world.select_runs(query)), len(world.select_flows(flows, query.flow_runs)))
        for flows, query in queries
    ]


@pytest.mark.parametrize(
    "text",
    [
        "%",
        "_",
        "\\",
        "\\%",
        "É",
        "é",
        "e",
        "I",
        "\N{LATIN SMALL LETTER DOTLESS I}",
        "K",
        "\n",
        "日",
    ],
)
async def test_a_name_is_like_a_text_or_not_for_both_databases(
    database: Database, text: str
) -> None:
    flow = a_flow()
    names = [
        "%",
        "_",
        "\\",
        "\\%",
        "É",
        "é",
        "E",
        "i",
        "\N{LATIN SMALL LETTER DOTLESS I}",
        "İ",
        "k",
        "\N{KELVIN SIGN}",
        "\n",
        "日",
    ]
    runs = [a_flow_run(flow, name=name) for name in names]
    query = RunQuery(flow_runs=FlowRunFilter(name=NameFilter(like=text)))
    await store(database, flows=[flow], runs=runs)

    found = await database.read(flow_run_lists.iter_matching, query, None, 1000)

    assert [run.name for run in found] == [run.name for run in runs if matches(query, run, flow)]


async def test_a_thousand_values_in_each_list_are_as_good_as_one(database: Database) -> None:
    flow = a_flow()
    run = a_flow_run(
        flow,
        StateType.RUNNING,
        name="name",
        deployment_id="deployment",
        work_queue_name="queue",
        idempotency_key="key",
    )
    many = tuple(new_id() for _ in range(1000))
    query = RunQuery(
        flows=FlowFilter(
            id=IdFilter(any=(*many, flow.id), not_any=many), name=NameFilter(any=(*many, flow.name))
        ),
        flow_runs=FlowRunFilter(
            id=IdFilter(any=(*many, run.id), not_any=many),
            name=NameFilter(any=(*many, "name")),
            deployment_id=ReferenceFilter(any=(*many, "deployment")),
            work_queue_name=ReferenceFilter(any=(*many, "queue")),
            state=StateFilter(name_any=(*many, "Running")),
            idempotency_key=KeyFilter(any=(*many, "key"), not_any=many),
        ),
    )
    await store(database, flows=[flow], runs=[run, a_flow_run(flow)])

    found = await database.read(flow_run_lists.iter_matching, query, None, 1000)

    assert [each.id for each in found] == [run.id]


@pytest.mark.parametrize("number", [20, 21, 1000])
async def test_a_run_with_many_tags_is_found_by_all_of_them_but_not_by_one_more(
    database: Database, number: int
) -> None:
    flow = a_flow()
    tags = tuple(f"tag-{each}" for each in range(number))
    run, lacking = a_flow_run(flow, tags=tags), a_flow_run(flow, tags=tags[1:])
    await store(database, flows=[flow], runs=[run, lacking])

    found = [
        await database.read(
            flow_run_lists.iter_matching,
            *(RunQuery(flow_runs=FlowRunFilter(tags=TagsFilter(all=asked))), None, 10),
        )
        for asked in (tags, (*tags, *tags), (*tags, "other"))
    ]

    assert [[each.id for each in runs] for runs in found] == [[run.id], [run.id], []]
