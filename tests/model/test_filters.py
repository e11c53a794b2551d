"""Filters, orders, pages and counts: both databases answer as plain Python does that looks at everything."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import pytest
from sqlalchemy import Column, Connection, select

from headgate_server.model.deployments import DeploymentSort
from headgate_server.model.filters import FlowRunSort, RunQuery
from headgate_server.model.flows import FlowSort
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.task_runs import TaskRunSort
from headgate_server.model.work_pools import WorkQueue
from headgate_server.storage import (
    deployment_lists,
    filters,
    flow_lists,
    flow_run_lists,
    leads,
    spans,
    task_run_lists,
    work_pool_lists,
)
from headgate_server.storage.database import Database
from headgate_server.storage.tables import (
    DEPLOYMENT,
    FLOW,
    FLOW_RUN,
    TASK_RUN,
    WORK_POOL,
    WORK_QUEUE,
)
from tests.model.evaluation import Evaluation
from tests.model.questions import Questions
from tests.model.worlds import random_world
from tests.pages import cut, in_order, read_pages

SEEDS: Final = range(4)
CONDITIONS: Final[Mapping[str, tuple[Column[Any], Callable[[RunQuery], list[Any]]]]] = {
    "flows": (FLOW.c.id, filters.flow_conditions),
    "flow_runs": (FLOW_RUN.c.id, filters.flow_run_conditions),
    "task_runs": (TASK_RUN.c.id, filters.task_run_conditions),
    "deployments": (DEPLOYMENT.c.id, filters.deployment_conditions),
    "work_pools": (WORK_POOL.c.id, filters.work_pool_conditions),
    "work_queues": (WORK_QUEUE.c.id, filters.work_queue_conditions),
}


def found(conn: Connection, queries: Sequence[RunQuery]) -> list[dict[str, set[str]]]:
    """Return the ids that the conditions of each kind lead to, for each query."""
    return [
        {
            kind: set(conn.execute(select(column).where(*conditions(query))).scalars())
            for kind, (column, conditions) in CONDITIONS.items()
        }
        for query in queries
    ]


def expected(evaluation: Evaluation, queries: Sequence[RunQuery]) -> list[dict[str, set[str]]]:
    """Return the ids that match, of each kind and for each query."""
    return [
        {kind: {each.id for each in getattr(evaluation, kind)(query)} for kind in CONDITIONS}
        for query in queries
    ]


def wrong(
    queries: Sequence[RunQuery], answered: Sequence[object], right: Sequence[object]
) -> list[tuple[RunQuery, object, object]]:
    """Return the queries that were not answered right, each with both answers."""
    return [each for each in zip(queries, answered, right, strict=True) if each[1] != each[2]]


@pytest.mark.parametrize("seed", SEEDS)
async def test_each_member_of_each_filter_means_what_is_specified(
    database: Database, seed: int
) -> None:
    world = random_world(seed)
    queries = Questions(world, seed).of_each_member()
    await database.write(world.replace_all)

    answered = await database.read(found, queries)

    assert wrong(queries, answered, expected(Evaluation(world), queries)) == []


@pytest.mark.parametrize("seed", SEEDS)
async def test_filters_that_say_nothing_mean_what_is_specified(
    database: Database, seed: int
) -> None:
    world = random_world(seed)
    queries = Questions(world, seed).without_conditions()
    await database.write(world.replace_all)

    answered = await database.read(found, queries)

    assert wrong(queries, answered, expected(Evaluation(world), queries)) == []


@pytest.mark.parametrize("seed", SEEDS)
async def test_filters_together_mean_what_is_specified(database: Database, seed: int) -> None:
    world = random_world(seed)
    queries = Questions(world, seed).of_any_kind(100)
    await database.write(world.replace_all)

    answered = await database.read(found, queries)

    assert wrong(queries, answered, expected(Evaluation(world), queries)) == []


LISTS: Final[Mapping[str, tuple[Any, type[Any], Callable[..., Page[Any]]]]] = {
    "flows": (flow_lists, FlowSort, flow_lists.list_page),
    "flow_runs": (
        flow_run_lists,
        FlowRunSort,
        partial(flow_run_lists.list_page, is_full=False),
    ),
    "deployments": (deployment_lists, DeploymentSort, deployment_lists.list_page),
    "task_runs": (
        task_run_lists,
        TaskRunSort,
        partial(task_run_lists.list_page, is_full=False),
    ),
}


@pytest.mark.parametrize(
    ("few", "tried"),
    [(0, 500), (10, 500), (5000, 500), (0, 0)],
    ids=["all are many", "some are few", "all are few", "spans are gathered"],
)
@pytest.mark.parametrize("kind", LISTS)
async def test_lists_and_counts_hold_what_is_specified_in_every_order_and_page_size(
    database: Database, kind: str, few: int, tried: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leads, "_FEW", few)
    monkeypatch.setattr(spans, "_TRIED", tried)
    module, all_sorts, list_page = LISTS[kind]
    world = random_world(10)
    evaluation = Evaluation(world)
    questions = Questions(world, 10)
    queries = [RunQuery(), *questions.of_each_member(), *questions.of_any_kind(40)]
    await database.write(world.replace_all)

    sorts = [sort for _ in queries for sort in all_sorts][: len(queries)]
    sizes = [size for _ in queries for size in (1, 7, 200)]
    requests = [PageRequest(size=size, offset=index % 3) for index, size in enumerate(sizes)]
    asked = list(zip(queries, sorts, requests, strict=False))

    def read(conn: Connection) -> list[tuple[int, list[list[str]]]]:
        return [
            (module.count(conn, query), read_pages(conn, list_page, query, sort, first=request))
            for query, sort, request in asked
        ]

    answered = await database.read(read)

    right = [
        (len(matching), cut(in_order(matching, sort), request))
        for query, sort, request in asked
        for matching in [getattr(evaluation, kind)(query)]
    ]
    assert wrong(queries, answered, right) == []


async def test_lists_of_pools_and_queues_hold_what_is_specified_in_order(
    database: Database,
) -> None:
    world = random_world(11)
    evaluation = Evaluation(world)
    queries = [RunQuery(), *Questions(world, 11).of_each_member()]
    first = PageRequest(size=2)
    some_pool = world.work_pools[0].id
    await database.write(world.replace_all)

    def list_queues(conn: Connection, pool_id: str | None, *rest: Any) -> Page[WorkQueue]:
        return work_pool_lists.list_queues(conn, *rest, work_pool_id=pool_id)

    def read(conn: Connection) -> list[tuple[Any, ...]]:
        return [
            (
                work_pool_lists.count_pools(conn, query),
                read_pages(conn, work_pool_lists.list_pools, query, first=first),
                read_pages(conn, list_queues, None, query, first=first),
                read_pages(conn, list_queues, some_pool, query, first=first),
            )
            for query in queries
        ]

    answered = await database.read(read)

    right = []
    for query in queries:
        pools, queues = evaluation.work_pools(query), evaluation.work_queues(query)
        of_pool = [queue for queue in queues if queue.work_pool_id == some_pool]
        right.append(
            (
                len(pools),
                cut(in_order(pools, "NAME_ASC"), first),
                cut(in_order(queues, "NAME_ASC"), first),
                cut(in_order(of_pool, "PRIORITY_ASC"), first),
            )
        )
    assert wrong(queries, answered, right) == []
