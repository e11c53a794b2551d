"""Watches by filter: what is told of an event is what plain Python says of the world, whoever has to be asked for it."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
from sqlalchemy import Connection

from headgate_server.feed.interests import RunsByQuery, TaskRunsByQuery
from headgate_server.feed.subscriptions import judged
from headgate_server.model.events import Change, Event, EventKind
from headgate_server.model.filters import RunQuery
from headgate_server.model.watching import NoticeKind
from headgate_server.storage.database import Database
from tests.builders import NOW
from tests.model.evaluation import Evaluation
from tests.model.questions import Questions
from tests.model.worlds import World, random_world

SEEDS: Final = range(4)


def told(
    conn: Connection, interest: Any, changes: Sequence[Change], *, is_before: bool = False
) -> set[str]:
    """Return of which runs or task runs a watcher is told, as a watch finds out: what may match first, then relations."""
    candidates = [
        change
        for change in changes
        if judged(interest, Event(revision=1, last_revision=1, commit_time=NOW, change=change))
    ]
    if interest.asks_for_relations:
        related = interest.relations(conn, candidates)
        holds: Callable[..., bool] = interest.matched if is_before else interest.matches
        candidates = [change for change in candidates if holds(change, related)]
    return {change.subject_id for change in candidates}


def run_changes(world: World, side: str, kind: EventKind) -> list[Change]:
    """Return a change of each flow run, which stands on one side of it."""
    flows = {flow.id: flow for flow in world.flows}
    return [
        Change(kind=kind, flow_run_id=run.id, flow=flows[run.flow_id], **{side: run})  # type: ignore[arg-type]
        for run in world.flow_runs
    ]


def task_run_changes(world: World, side: str, kind: EventKind) -> list[Change]:
    """Return a change of each task run, which stands on one side of it."""
    return [
        Change(kind=kind, flow_run_id=task_run.flow_run_id, **{side: task_run})  # type: ignore[arg-type]
        for task_run in world.task_runs
    ]


@pytest.mark.parametrize("is_before", [False, True], ids=["now", "before it was deleted"])
@pytest.mark.parametrize("seed", SEEDS)
async def test_watches_of_flow_runs_tell_of_those_that_a_list_shows(
    database: Database, seed: int, *, is_before: bool
) -> None:
    world = random_world(seed)
    questions = Questions(world, seed)
    queries = [*questions.of_each_member(), *questions.of_any_kind(60)]
    side, kind = (
        ("before", EventKind.RUN_DELETED) if is_before else ("after", EventKind.STATE_CHANGE)
    )
    changes = run_changes(world, side, kind)
    await database.write(world.replace_all)

    answered = [
        await database.read(told, RunsByQuery(query), changes, is_before=is_before)
        for query in queries
    ]

    evaluation = Evaluation(world)
    assert wrong(queries, answered, evaluation.flow_runs) == []


@pytest.mark.parametrize("is_before", [False, True], ids=["now", "before it was deleted"])
@pytest.mark.parametrize("seed", SEEDS)
async def test_watches_of_task_runs_tell_of_those_that_a_list_shows(
    database: Database, seed: int, *, is_before: bool
) -> None:
    world = random_world(seed)
    questions = Questions(world, seed)
    queries = [*questions.of_each_member(), *questions.of_any_kind(60)]
    side, kind = (
        ("task_before", EventKind.TASK_DELETED)
        if is_before
        else ("task_after", EventKind.TASK_STATE_CHANGE)
    )
    changes = task_run_changes(world, side, kind)
    await database.write(world.replace_all)

    answered = [
        await database.read(told, TaskRunsByQuery(query), changes, is_before=is_before)
        for query in queries
    ]

    evaluation = Evaluation(world)
    assert wrong(queries, answered, evaluation.task_runs) == []


def wrong(
    queries: Sequence[RunQuery],
    answered: Sequence[set[str]],
    select: Callable[[RunQuery], Sequence[Any]],
) -> list[RunQuery]:
    """Return the queries of which other runs were told than match."""
    return [
        query
        for query, ids in zip(queries, answered, strict=True)
        if ids != {each.id for each in select(query)}
    ]


def test_what_may_match_is_told_without_relations_to_match() -> None:
    world = random_world(5)
    questions = Questions(world, 5)
    evaluation = Evaluation(world)
    changes = task_run_changes(world, "task_after", EventKind.TASK_UPDATE)

    for query in questions.of_any_kind(100):
        interest = TaskRunsByQuery(query)
        may_match = {each.subject_id for each in changes if interest.matches(each, None)}
        assert may_match >= {each.id for each in evaluation.task_runs(query)}
        kinds = {interest.judge(_event(change)) for change in changes}
        assert kinds <= {NoticeKind.CHANGED, None}


def _event(change: Change) -> Event:
    return Event(revision=1, last_revision=1, commit_time=NOW, change=change)
