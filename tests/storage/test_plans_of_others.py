"""Plans of the lists of task runs, deployments, pools and queues, and of flow runs by what belongs to them."""

from collections.abc import AsyncIterator
from typing import Final

import pytest

from headgate_server.model.deployments import Deployment, DeploymentSort
from headgate_server.model.filters import (
    DeploymentFilter,
    FlowRunFilter,
    FlowRunSort,
    IdFilter,
    NameFilter,
    ReferenceFilter,
    RunQuery,
    StateFilter,
    TagsFilter,
    TaskRunFilter,
    WorkQueueFilter,
)
from headgate_server.model.states import StateType
from headgate_server.model.task_runs import TaskRunSort
from headgate_server.model.work_pools import WorkPool, WorkQueue
from headgate_server.storage import (
    deployment_lists,
    deployments,
    flow_run_lists,
    leads,
    task_run_lists,
    work_pool_lists,
    work_pools,
)
from headgate_server.storage.database import Connection, Database
from tests.builders import NOW, a_flow, a_flow_run, a_task_run
from tests.storage.plans import ListPage, detours, plan_of
from tests.storing import store

FLOW: Final = a_flow(id="flow", name="flow")
POOLS: Final = [
    WorkPool(
        id=f"pool-{number:02}",
        name=f"pool-{number:02}",
        create_time=NOW,
        update_time=NOW,
        type="process",
        default_queue_id="queue-00",
    )
    for number in range(24)
]
QUEUES: Final = [
    WorkQueue(
        id=f"queue-{number:02}",
        work_pool_id=POOLS[0].id,
        work_pool_name=POOLS[0].name,
        name=f"queue-{number:02}",
        create_time=NOW,
        update_time=NOW,
        priority=number + 1,
    )
    for number in range(24)
]
DEPLOYMENTS: Final = [
    Deployment(
        id=f"deployment-{number:02}",
        flow_id="flow",
        name=f"deployment-{number:02}",
        create_time=NOW,
        update_time=NOW,
        work_queue_id="queue-00",
    )
    for number in range(24)
]
RUNS: Final = [
    a_flow_run(
        FLOW,
        StateType.FAILED,
        id=f"run-{number:02}",
        name=f"run-{number:02}",
        deployment_id="deployment-00",
        work_queue_id="queue-00",
        expected_start_time=NOW,
    )
    for number in range(24)
]
TASK_RUNS: Final = [
    a_task_run(
        run,
        StateType.FAILED,
        name=run.name,
        tags=("tag",),
        expected_start_time=NOW if number % 2 else None,
        next_scheduled_start_time=NOW if number % 3 else None,
        end_time=NOW if number % 5 else None,
    )
    for number, run in enumerate(RUNS)
]
FAILED: Final = StateFilter(type_any=(StateType.FAILED,))


async def fill(database: Database) -> None:
    """Store two pages of each list, and more."""

    def write(conn: Connection) -> None:
        for pool in POOLS:
            work_pools.insert_pool(conn, pool)
        for queue in QUEUES:
            work_pools.insert_queue(conn, queue)
        deployments.insert(conn, DEPLOYMENTS)

    await store(database, flows=[FLOW])
    await database.write(write)
    await store(database, runs=RUNS, tasks=TASK_RUNS)


@pytest.fixture
async def filled(database: Database) -> Database:
    """Return a database with all of it."""
    await fill(database)
    return database


@pytest.fixture
async def filled_sqlite(sqlite_url: str) -> AsyncIterator[Database]:
    """Return a SQLite database with all of it."""
    opened = Database.open(sqlite_url, synchronous="OFF")
    await fill(opened)
    yield opened
    await opened.close()


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every number of rows be many."""
    monkeypatch.setattr(leads, "_FEW", 0)


def list_of_task_runs(query: RunQuery, sort: TaskRunSort) -> ListPage:
    """Return what lists the task runs that match."""
    return lambda conn, page: task_run_lists.list_page(conn, query, sort, page, is_full=False)


async def test_all_task_runs_are_listed_along_an_index(filled: Database) -> None:
    plans = {
        sort: await plan_of(filled, list_of_task_runs(RunQuery(), sort)) for sort in TaskRunSort
    }

    assert all(plans.values())
    assert {sort: detours(plan) for sort, plan in plans.items() if detours(plan)} == {}


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    "query",
    [
        RunQuery(task_runs=TaskRunFilter(state=FAILED)),
        RunQuery(task_runs=TaskRunFilter(state=StateFilter(name_any=("Failed",)))),
        RunQuery(task_runs=TaskRunFilter(name=NameFilter(like="run"))),
        RunQuery(task_runs=TaskRunFilter(tags=TagsFilter(all=("tag",)))),
        RunQuery(flow_runs=FlowRunFilter(state=FAILED)),
        RunQuery(flow_runs=FlowRunFilter(id=IdFilter(any=tuple(run.id for run in RUNS)))),
    ],
    ids=["state type", "state name", "like", "tag", "state of the flow run", "flow runs"],
)
async def test_many_matching_task_runs_are_met_along_the_index_of_the_order(
    filled: Database, query: RunQuery
) -> None:
    plans = {sort: await plan_of(filled, list_of_task_runs(query, sort)) for sort in TaskRunSort}

    assert all(plans.values())
    assert {sort: detours(plan) for sort, plan in plans.items() if detours(plan)} == {}


@pytest.mark.parametrize(
    "sort", [TaskRunSort.EXPECTED_START_TIME_ASC, TaskRunSort.EXPECTED_START_TIME_DESC]
)
@pytest.mark.parametrize(
    ("given", "column"),
    [
        (TaskRunFilter(state=FAILED), "state_type"),
        (TaskRunFilter(flow_run_id=ReferenceFilter(any=(RUNS[0].id,))), "flow_run_id"),
    ],
    ids=["state type", "flow run"],
)
async def test_task_runs_by_expected_start_are_read_from_the_index_of_a_common_filter(
    filled: Database, given: TaskRunFilter, column: str, sort: TaskRunSort
) -> None:
    more = [a_task_run(RUNS[0], StateType.FAILED, expected_start_time=NOW) for _ in range(24)]
    await store(filled, tasks=more)

    plan = await plan_of(filled, list_of_task_runs(RunQuery(task_runs=given), sort))

    assert any(f"ix_task_run_{column}_expected_start_time_id" in step for step in plan)
    assert detours(plan) == []


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    "query",
    [
        RunQuery(task_runs=TaskRunFilter()),
        RunQuery(task_runs=TaskRunFilter(state=FAILED)),
        RunQuery(deployments=DeploymentFilter()),
        RunQuery(deployments=DeploymentFilter(name=NameFilter(like="deployment"))),
        RunQuery(work_queues=WorkQueueFilter()),
    ],
    ids=["task runs", "failed task runs", "deployments", "some deployments", "work queues"],
)
async def test_flow_runs_by_what_belongs_to_them_are_met_along_the_index_of_the_order(
    filled: Database, query: RunQuery
) -> None:
    def list_runs(sort: FlowRunSort) -> ListPage:
        return lambda conn, page: flow_run_lists.list_page(conn, query, sort, page, is_full=False)

    plans = {
        sort: await plan_of(filled, list_runs(sort))
        for sort in (FlowRunSort.ID_DESC, FlowRunSort.NAME_ASC, FlowRunSort.END_TIME_DESC)
    }

    walked = [
        step
        for plan in plans.values()
        for step in detours(plan)
        if "flow_run" in step or "task_run" in step or "TEMP" in step or "Sort" in step
    ]
    assert all(plans.values())
    assert walked == []


@pytest.mark.usefixtures("many")
async def test_the_task_runs_of_a_flow_run_are_looked_up_by_it_whatever_is_asked_of_them(
    filled_sqlite: Database,
) -> None:
    query = RunQuery(task_runs=TaskRunFilter(state=FAILED))

    plan = await plan_of(
        filled_sqlite,
        lambda conn, page: flow_run_lists.list_page(
            conn, query, FlowRunSort.ID_DESC, page, is_full=False
        ),
    )

    # The state's own index serves to count how many there are, and to nothing else.
    met = [step for step in plan if "task_run" in step and "COVERING" not in step]
    assert met
    assert [step for step in met if "ix_task_run_state_type" in step] == []


async def test_deployments_are_listed_along_an_index(filled: Database) -> None:
    def list_all(sort: DeploymentSort) -> ListPage:
        return lambda conn, page: deployment_lists.list_page(conn, RunQuery(), sort, page)

    plans = {sort: await plan_of(filled, list_all(sort)) for sort in DeploymentSort}

    assert all(plans.values())
    assert {
        sort: sorts
        for sort, plan in plans.items()
        if (sorts := [step for step in detours(plan) if "work_" not in step])
    } == {}


@pytest.mark.parametrize(
    "list_page",
    [
        lambda conn, page: work_pool_lists.list_pools(conn, RunQuery(), page),
        lambda conn, page: work_pool_lists.list_queues(
            conn, RunQuery(), page, work_pool_id=POOLS[0].id
        ),
        lambda conn, page: task_run_lists.list_states(conn, TASK_RUNS[0].id, page),
    ],
    ids=["pools", "queues", "states"],
)
async def test_other_lists_are_read_along_an_index(filled: Database, list_page: ListPage) -> None:
    plan = await plan_of(filled, list_page)

    assert plan
    assert detours(plan) == []
