"""Pages: put together they are the list, whatever the order and whatever is inserted meanwhile."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from headgate_server.model.errors import PageTokenMismatchError
from headgate_server.model.filters import (
    FlowFilter,
    FlowRunFilter,
    FlowRunSort,
    NameFilter,
    RunQuery,
)
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow, FlowSort
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.states import StateType
from headgate_server.storage import flow_lists, flow_run_lists, leads, paging
from headgate_server.storage.database import Database
from headgate_server.storage.tables import FLOW
from tests.builders import NOW, a_flow, a_flow_run
from tests.pages import cut, in_order, read_pages
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

EARLIER_PLACE: Final = "ksQMf8Pa_KYFTRW149ZQkqFhwA"
"""Of the list of all flows by name, after the one named `a`."""
BY_NAME: Final = RunQuery(flow_runs=FlowRunFilter(name=NameFilter(like="a")))


def list_runs(
    conn: Connection, query: RunQuery, sort: FlowRunSort, page: PageRequest
) -> Page[FlowRun]:
    return flow_run_lists.list_page(conn, query, sort, page, is_full=False)


requests: Final = st.builds(
    PageRequest, size=st.integers(1, 5), offset=st.sampled_from([0, 0, 0, 1, 2, 5, 8, 20])
)


@against_the_model
@given(
    world=worlds(),
    lists=st.lists(
        st.tuples(run_queries, st.sampled_from(FlowRunSort), requests), min_size=8, max_size=8
    ),
    few=st.sampled_from([0, 5000]),
)
async def test_the_pages_of_runs_are_the_list_in_order(
    database: Database,
    world: World,
    lists: list[tuple[RunQuery, FlowRunSort, PageRequest]],
    few: int,
) -> None:
    def read(conn: Connection) -> list[list[list[str]]]:
        return [
            read_pages(conn, list_runs, query, sort, first=first) for query, sort, first in lists
        ]

    await database.write(world.replace_all)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leads, "_FEW", few)
        pages = await database.read(read)

    assert pages == [
        cut(in_order(world.select_runs(query), sort), first) for query, sort, first in lists
    ]


@against_the_model
@given(
    world=worlds(),
    lists=st.lists(
        st.tuples(
            st.builds(RunQuery, flows=maybe(flow_filters), flow_runs=maybe(flow_run_filters)),
            st.sampled_from(FlowSort),
            requests,
        ),
        min_size=8,
        max_size=8,
    ),
)
async def test_the_pages_of_flows_are_the_list_in_order(
    database: Database,
    world: World,
    lists: list[tuple[RunQuery, FlowSort, PageRequest]],
) -> None:
    def read(conn: Connection) -> list[list[list[str]]]:
        return [
            read_pages(conn, flow_lists.list_page, query, sort, first=first)
            for query, sort, first in lists
        ]

    await database.write(world.replace_all)
    pages = await database.read(read)

    assert pages == [
        cut(in_order(world.select_flows(query.flows, query.flow_runs), sort), first)
        for query, sort, first in lists
    ]


def some_runs(flow: Flow) -> list[FlowRun]:
    """Return runs with every mix of times that are there and that are not."""
    times = [NOW, NOW + timedelta(seconds=1), None]
    return [
        a_flow_run(
            flow,
            StateType.COMPLETED,
            name=name,
            start_time=start,
            expected_start_time=expected,
            next_scheduled_start_time=start,
            end_time=expected,
        )
        for name in ("a", "b")
        for start in times
        for expected in times
    ]


@pytest.mark.parametrize("sort", FlowRunSort)
async def test_nothing_is_repeated_or_skipped_while_runs_are_inserted(
    database: Database, sort: FlowRunSort
) -> None:
    flow = a_flow()
    early = some_runs(flow)
    await store(database, flows=[flow], runs=early)

    seen: list[str] = []
    request = PageRequest(size=4)
    while True:
        page = await database.read(list_runs, RunQuery(), sort, request)
        seen += [run.id for run in page.items]
        if not page.next_token:
            break
        request = PageRequest(size=4, token=page.next_token)
        if len(seen) < 60:
            await store(database, runs=some_runs(flow))

    assert len(seen) == len(set(seen))
    ids = {run.id for run in early}
    assert [run_id for run_id in seen if run_id in ids] == in_order(early, sort)


async def a_token(database: Database) -> str:
    """Return the token of the second page of runs named like `a`, by name."""
    flow = a_flow()
    await store(database, flows=[flow], runs=some_runs(flow))
    page = await database.read(list_runs, BY_NAME, FlowRunSort.NAME_ASC, PageRequest(size=2))
    return page.next_token


async def test_a_token_is_safe_in_a_url(database: Database) -> None:
    token = await a_token(database)

    assert re.fullmatch(r"[A-Za-z0-9_-]{1,200}", token)


async def test_a_token_is_good_for_pages_of_another_size(database: Database) -> None:
    token = await a_token(database)

    rest = await database.read(
        list_runs, BY_NAME, FlowRunSort.NAME_ASC, PageRequest(size=100, token=token)
    )

    assert len(rest.items) == 7
    assert rest.next_token == ""


@pytest.mark.parametrize(
    ("query", "sort"),
    [
        (RunQuery(), FlowRunSort.NAME_ASC),
        (RunQuery(flow_runs=FlowRunFilter(name=NameFilter(like="b"))), FlowRunSort.NAME_ASC),
        (RunQuery(flows=FlowFilter(name=NameFilter(like="a"))), FlowRunSort.NAME_ASC),
        (BY_NAME, FlowRunSort.NAME_DESC),
        (BY_NAME, FlowRunSort.ID_DESC),
        (BY_NAME, FlowRunSort.END_TIME_DESC),
    ],
    ids=["no filter", "another filter", "another kind", "another direction", "by id", "by time"],
)
async def test_a_token_is_refused_for_another_list(
    database: Database, query: RunQuery, sort: FlowRunSort
) -> None:
    token = await a_token(database)

    with pytest.raises(PageTokenMismatchError):
        await database.read(list_runs, query, sort, PageRequest(token=token))


def changed(token: str, place: int) -> str:
    """Return a token with one character changed."""
    return token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]


@pytest.mark.parametrize(
    "garble",
    [
        lambda token: token[:-1],
        lambda token: token[:-4],
        lambda token: token + "AAAA",
        lambda token: token + "=",
        lambda token: "é" + token[1:],
        lambda token: token + "\n",
        lambda token: changed(token, 3),
        lambda token: changed(token, 12),
        lambda token: changed(token, len(token) // 2),
        lambda _: "a",
        lambda _: "AAAA",
        lambda _: "\x00",
        lambda _: "next page, please",
        lambda _: "x" * 100_000,
    ],
    ids=[
        *("shorter", "four shorter", "longer", "padded", "no ASCII", "a line more"),
        *("changed start", "changed digest", "changed position"),
        *("a letter", "zeros", "nul", "a sentence", "long"),
    ],
)
async def test_a_garbled_token_is_refused(database: Database, garble: Callable[[str], str]) -> None:
    token = garble(await a_token(database))

    with pytest.raises(PageTokenMismatchError):
        await database.read(list_runs, BY_NAME, FlowRunSort.NAME_ASC, PageRequest(token=token))


@pytest.mark.parametrize(
    ("run_id", "key"),
    [(1, "name"), ("id", 1), ("id", None), ("a\x00b", "name"), ("id", "a\x00b"), (2**63, "name")],
    ids=["id", "key", "no key", "nul in id", "nul in key", "beyond 64 bits"],
)
def test_a_token_that_was_made_up_with_values_of_another_kind_is_refused(
    run_id: int | str, key: int | str | None
) -> None:
    token = paging._make_token(paging._Position(id=run_id, key=key), b"digest")
    by_name = paging.Order(key=FLOW.c.name, id=FLOW.c.id)

    with pytest.raises(PageTokenMismatchError):
        paging._read_token(token, by_name, b"digest")


async def test_a_token_made_by_an_earlier_process_is_good(database: Database) -> None:
    flows = [a_flow(id=f"flow-{name}", name=name) for name in "abc"]
    await store(database, flows=flows)

    page = await database.read(
        flow_lists.list_page, RunQuery(), FlowSort.NAME_ASC, PageRequest(token=EARLIER_PLACE)
    )

    assert [flow.name for flow in page.items] == ["b", "c"]
