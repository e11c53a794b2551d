"""History, lateness and graphs: both databases answer as plain Python does that looks at everything."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from typing import Final

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection

from headgate_server.model.filters import RunQuery
from headgate_server.model.graphs import GraphNode
from headgate_server.model.history import HistoryInterval, HistorySpan
from headgate_server.model.task_runs import TaskInput, TaskInputKind
from headgate_server.storage import leads, narrowing
from headgate_server.storage.database import Database
from headgate_server.storage.graph import read_graph
from headgate_server.storage.history import flow_run_history, task_run_history
from headgate_server.storage.lateness import average_lateness
from tests.builders import NOW
from tests.model import analytics
from tests.model.evaluation import Evaluation
from tests.model.questions import Questions
from tests.model.worlds import World, random_world

SEEDS: Final = range(3)
SECOND: Final = timedelta(seconds=1)
HOUR: Final = timedelta(hours=1)
MICROSECOND: Final = timedelta(microseconds=1)
SPANS: Final = [
    HistorySpan(start=NOW - 2 * SECOND, end=NOW + 3 * SECOND, interval=SECOND),
    HistorySpan(start=NOW - HOUR, end=NOW + HOUR, interval=7 * 60 * SECOND + MICROSECOND),
    HistorySpan(start=NOW - 400 * SECOND, end=NOW + HOUR, interval=SECOND + MICROSECOND),
    HistorySpan(start=NOW + MICROSECOND, end=NOW + 2 * MICROSECOND, interval=3650 * 24 * HOUR),
    HistorySpan(start=NOW - 3650 * 24 * HOUR, end=NOW, interval=3650 * 24 * HOUR),
    HistorySpan(start=NOW, end=NOW + 70 * HOUR, interval=3 * HOUR + MICROSECOND),
    HistorySpan(start=NOW, end=NOW, interval=SECOND),
]
TIMES: Final = [NOW + 30 * HOUR, NOW, NOW + SECOND + MICROSECOND]
"""For which estimates are made."""


def intervals(history: Iterable[HistoryInterval]) -> list[analytics.Interval]:
    """Return a history in the form of the evaluation."""
    return [
        (
            each.start,
            each.end,
            [
                (
                    (state.state_type or ""),
                    (state.state_name or ""),
                    state.count,
                    state.run_time,
                    state.lateness,
                )
                for state in each.states
            ],
        )
        for each in history
    ]


@pytest.mark.parametrize(
    "few", [0, 10, 100_000], ids=["all are many", "some are few", "all are few"]
)
@pytest.mark.parametrize("seed", SEEDS)
async def test_histories_and_lateness_are_what_is_specified(
    database: Database, seed: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leads, "_FEW", few)
    monkeypatch.setattr(narrowing, "_GATHERING", 1)
    world = random_world(seed)
    evaluation, questions = Evaluation(world), Questions(world, seed)
    queries = [RunQuery(), *questions.of_any_kind(25), *questions.of_each_member()[seed::9]]
    asked = [
        (query, SPANS[index % len(SPANS)], TIMES[index % len(TIMES)])
        for index, query in enumerate(queries)
    ]
    await database.write(world.replace_all)

    def read(conn: Connection) -> list[tuple[object, object, object]]:
        return [
            (
                intervals(flow_run_history(conn, query, span, now)),
                intervals(task_run_history(conn, query, span, now)),
                average_lateness(conn, query, now),
            )
            for query, span, now in asked
        ]

    answered = await database.read(read)

    right = [
        (
            analytics.history(runs, span.start, span.end, span.interval, now),
            analytics.history(
                evaluation.task_runs(query), span.start, span.end, span.interval, now
            ),
            analytics.average_lateness(runs, now),
        )
        for query, span, now in asked
        for runs in [evaluation.flow_runs(query)]
    ]
    wrong = [each for each in zip(asked, answered, right, strict=True) if each[1] != each[2]]
    assert wrong == []


CROWDED: Final = [seed for seed in range(30) if len(random_world(seed).task_runs) > 80][:4]
"""Worlds with many task runs."""


def with_crowded_runs(world: World, seed: int) -> World:
    """Return a world whose task runs belong to few flow runs and depend on each other, and on subflow runs."""
    random = Random(seed)  # noqa: S311  the same each time
    crowded = [run.id for run in world.flow_runs[:4]]
    ids = [each.id for each in world.task_runs] + [each.id for each in world.flow_runs]
    tasks = [
        replace(
            task,
            flow_run_id=random.choice(crowded),
            task_inputs=dict(task.task_inputs)
            | {
                "x": tuple(
                    TaskInput(kind=random.choice(list(TaskInputKind)), value=random.choice(ids))
                    for _ in range(random.randint(0, 30))
                )
            },
        )
        for task in world.task_runs
    ]
    return replace(world, task_runs=tuple(tasks))


def plain(nodes: Iterable[GraphNode]) -> list[analytics.Node]:
    """Return nodes in the form of the evaluation."""
    return [
        analytics.Node(
            node.kind.value,
            node.id,
            node.label,
            node.state_type,
            node.start_time,
            node.end_time,
            list(node.parent_ids),
            list(node.child_ids),
        )
        for node in nodes
    ]


@pytest.mark.parametrize("seed", CROWDED)
async def test_graphs_are_what_is_specified(database: Database, seed: int) -> None:
    world = with_crowded_runs(random_world(seed), seed)
    sinces: list[datetime | None] = [None, NOW, NOW + MICROSECOND, NOW + SECOND]
    await database.write(world.replace_all)

    def read(conn: Connection) -> list[list[analytics.Node]]:
        return [
            plain(read_graph(conn, run.id, since, 1000).nodes)
            for run in world.flow_runs[:5]
            for since in sinces
        ]

    answered = await database.read(read)

    right = [analytics.graph(world, run, since) for run in world.flow_runs[:5] for since in sinces]
    assert answered == right
    assert any(node.parents and node.children for nodes in right for node in nodes)
