"""What the scheduler looks for, and along which indexes."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event

from headgate_server.model.deployments import Deployment, DeploymentSchedule, IntervalSchedule
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.ids import new_id
from headgate_server.model.states import StateType
from headgate_server.storage import deployments, flow_runs, flows, scheduling
from headgate_server.storage.database import Database
from headgate_server.storage.tables import METADATA
from tests.builders import NOW, a_flow, a_flow_run

AN_HOUR = timedelta(hours=1)
A_SECOND = timedelta(seconds=1)
FLOW = a_flow()
HOURLY = DeploymentSchedule(id=new_id(), rule=IntervalSchedule(interval=AN_HOUR, anchor_time=NOW))


def a_deployment(name: str, **fields: Any) -> Deployment:
    """Return a deployment that runs every hour."""
    given = {"create_time": NOW, "update_time": NOW, "schedules": (HOURLY,), **fields}
    return Deployment(id=new_id(), flow_id=FLOW.id, name=name, **given)


def runs_of(deployment: Deployment, *hours: float, **fields: Any) -> list[FlowRun]:
    """Return runs that the scheduler made for so many hours from now."""
    return [
        a_flow_run(
            FLOW,
            fields.get("state", StateType.SCHEDULED),
            deployment_id=deployment.id,
            auto_scheduled=fields.get("auto_scheduled", True),
            next_scheduled_start_time=NOW + hour * AN_HOUR,
        )
        for hour in hours
    ]


async def fill(
    database: Database, kept: Sequence[Deployment], runs: Sequence[FlowRun] = ()
) -> None:
    """Store deployments and runs of them."""

    def insert(conn: Connection) -> None:
        flows.insert_or_get(conn, {FLOW.name: FLOW})
        deployments.insert(conn, kept)
        flow_runs.insert(conn, runs)

    await database.write(insert)


def needy(conn: Connection, after: str | None = None, limit: int = 100) -> list[str]:
    """Return the names on a page of the deployments with fewer than two runs ahead, or none beyond two hours."""
    found, _ = scheduling.in_need_of_runs(
        conn, NOW, min_runs=2, min_time=2 * AN_HOUR, after=after, limit=limit
    )
    return [each.name for each in found]


async def test_deployments_are_in_need_whose_runs_are_too_few_or_too_near(
    database: Database,
) -> None:
    enough = a_deployment("enough")
    few, near = a_deployment("few"), a_deployment("near")
    past, others, begun = a_deployment("past"), a_deployment("others"), a_deployment("begun")
    paused = a_deployment("paused", is_paused=True)
    idle = a_deployment("idle", schedules=())
    runs = [
        *runs_of(enough, 0, 2),
        *runs_of(few, 3),
        *runs_of(near, 0, 1, 1.9),
        *runs_of(past, -1, 3),
        *runs_of(others, 1, 3, auto_scheduled=False),
        *runs_of(begun, 1, 3, state=StateType.PENDING),
    ]
    await fill(database, [enough, few, near, past, others, begun, paused, idle], runs)

    assert set(await database.read(needy)) == {"few", "near", "past", "others", "begun"}


async def test_pages_follow_each_other_by_id(database: Database) -> None:
    kept = [a_deployment(str(number)) for number in range(5)]
    await fill(database, kept)

    def walk(conn: Connection) -> list[list[str]]:
        pages, place = [], None
        while True:
            page, place = scheduling.in_need_of_runs(
                conn, NOW, min_runs=1, min_time=AN_HOUR, after=place, limit=2
            )
            pages.append([each.name for each in page])
            if place is None:
                return pages

    assert await database.read(walk) == [["0", "1"], ["2", "3"], ["4"]]


async def test_what_changed_lately_is_found_in_the_order_of_the_changes(
    database: Database,
) -> None:
    kept = [
        a_deployment(str(number), update_time=NOW + (number % 3) * A_SECOND) for number in range(6)
    ]
    await fill(database, [*kept, a_deployment("paused", update_time=NOW, is_paused=True)])

    def walk(conn: Connection) -> list[list[str]]:
        pages, place = [], None
        while True:
            page, place = scheduling.changed_lately(conn, NOW + A_SECOND, after=place, limit=3)
            pages.append([each.name for each in page])
            if place is None:
                return pages

    assert await database.read(walk) == [["1", "4", "2"], ["5"]]


@pytest.mark.parametrize(
    "look",
    [
        lambda conn: scheduling.in_need_of_runs(
            conn, NOW, min_runs=3, min_time=AN_HOUR, after="0", limit=10
        ),
        lambda conn: scheduling.changed_lately(conn, NOW, after=(0, ""), limit=10),
        lambda conn: deployments.lock_auto_scheduled_runs(conn, ["a"]),
        lambda conn: deployments.lock_scheduled_runs(conn, "a", 10),
    ],
    ids=["in-need", "changed-lately", "auto-scheduled-runs", "scheduled-runs"],
)
async def test_nothing_is_read_from_end_to_end(
    database: Database, look: Callable[[Connection], object]
) -> None:
    await fill(database, [a_deployment(str(number)) for number in range(20)])

    plan = await database.write(lambda conn: plan_of(conn, look))

    whole = [f"SCAN {name}" for name in METADATA.tables]
    assert [step for step in plan if "Seq Scan" in step or step in whole] == []
    assert any("ix_" in step for step in plan), plan


def plan_of(conn: Connection, look: Callable[[Connection], object]) -> list[str]:
    """Return the steps of the plan of a statement."""
    seen: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        seen.append((statement, values))

    event.listen(conn, "before_cursor_execute", note)
    look(conn)
    event.remove(conn, "before_cursor_execute", note)
    ((statement, values),) = seen
    if conn.dialect.name == "sqlite":
        steps = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        return [str(row[3]) for row in steps]
    conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
    return [str(row[0]) for row in conn.exec_driver_sql(f"EXPLAIN {statement}", values)]
