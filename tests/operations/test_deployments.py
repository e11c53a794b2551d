"""Deployments deleted with the runs that wait for their time."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from headgate_server.model.commands import CreateFlow
from headgate_server.model.deployment_commands import DeleteDeployment, ScheduleDeployment
from headgate_server.model.deployments import Deployment, DeploymentSchedule, IntervalSchedule
from headgate_server.model.errors import DeploymentNotFoundError
from headgate_server.model.events import Event, EventKind
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.foresight import Foresight
from headgate_server.model.ids import new_id
from headgate_server.model.states import StateType
from headgate_server.operations import deployment_deletion
from headgate_server.operations.deployments import Deployments
from headgate_server.operations.flows import Flows
from headgate_server.operations.scheduling import Scheduling
from headgate_server.storage import deployments as stored
from headgate_server.storage.database import Database
from headgate_server.storage.tables import DEPLOYMENT, FLOW_RUN
from headgate_server.storage.writer import Writer
from tests.builders import NOW, a_flow, a_flow_run
from tests.fakes import FakeClock
from tests.storing import count_rows, store

FLOW = a_flow()
HOURLY = DeploymentSchedule(
    id=new_id(), rule=IntervalSchedule(interval=timedelta(hours=1), anchor_time=NOW)
)


@pytest.fixture
def deployments(database: Database, writer: Writer, clock: FakeClock) -> Deployments:
    return Deployments(database, writer, clock=clock)


@pytest.fixture(autouse=True)
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment_deletion, "_RUNS_AT_ONCE", 2)


async def deployed(
    database: Database, count: int, name: str = "nightly"
) -> tuple[Deployment, list[FlowRun]]:
    """Store a deployment with so many SCHEDULED runs; return them in the order of their ids."""
    deployment = Deployment(
        id=new_id(),
        flow_id=FLOW.id,
        name=name,
        create_time=NOW,
        update_time=NOW,
        schedules=(HOURLY,),
    )
    runs = [
        a_flow_run(
            FLOW,
            StateType.SCHEDULED,
            deployment_id=deployment.id,
            next_scheduled_start_time=NOW + number * timedelta(hours=1),
        )
        for number in range(count)
    ]
    await store(database, flows=[FLOW])

    def insert(conn: Connection) -> None:
        stored.insert(conn, [deployment])

    await database.write(insert)
    await store(database, runs=runs)
    return deployment, runs


async def some_transactions(database: Database, writer: Writer) -> None:
    """Let what waits to be written go on for a few transactions."""
    for number in range(3):
        await Flows(database, writer).create(CreateFlow(name=f"between-{number}"))


async def test_many_runs_go_some_at_a_time_and_the_deployment_with_the_last(
    deployments: Deployments, database: Database, published: list[Event]
) -> None:
    deployment, runs = await deployed(database, 5)
    begun = a_flow_run(FLOW, StateType.RUNNING, deployment_id=deployment.id)
    await store(database, runs=[begun])

    deleted = await deployments.delete(DeleteDeployment(deployment_id=deployment.id))

    assert deleted == 5
    assert [event.change.flow_run_id for event in published] == [run.id for run in runs]
    assert {event.change.kind for event in published} == {EventKind.RUN_DELETED}
    assert [event.last_revision for event in published] == [2, 2, 4, 4, 5]
    assert await count_rows(database, DEPLOYMENT, FLOW_RUN) == {"flow_run": 1}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
async def test_no_transaction_is_needed_to_find_nothing_left(
    deployments: Deployments, database: Database, published: list[Event], count: int
) -> None:
    deployment, _ = await deployed(database, count)

    deleted = await deployments.delete(DeleteDeployment(deployment_id=deployment.id))

    assert deleted == count
    assert len({event.last_revision for event in published}) == (count + 1) // 2
    assert await count_rows(database, DEPLOYMENT, FLOW_RUN) == {}


async def test_two_may_ask_for_a_deployment_with_many_runs_at_once(
    deployments: Deployments, database: Database
) -> None:
    deployment, _ = await deployed(database, 5)

    answers = await asyncio.gather(
        *(deployments.delete(DeleteDeployment(deployment_id=deployment.id)) for _ in range(2)),
        return_exceptions=True,
    )

    assert answers[0] == 5
    assert isinstance(answers[1], DeploymentNotFoundError)


async def test_whoever_asks_while_a_deletion_goes_on_does_not_take_it_over(
    deployments: Deployments, database: Database, writer: Writer
) -> None:
    deployment, _ = await deployed(database, 50)
    first = asyncio.create_task(deployments.delete(DeleteDeployment(deployment_id=deployment.id)))
    await some_transactions(database, writer)

    with pytest.raises(DeploymentNotFoundError):
        await deployments.delete(DeleteDeployment(deployment_id=deployment.id))

    assert await first == 50


async def test_repeats_at_once_are_answered_like_the_first(
    deployments: Deployments, database: Database
) -> None:
    deployment, _ = await deployed(database, 150)
    command = DeleteDeployment(deployment_id=deployment.id, request_id=new_id())

    answers = await asyncio.gather(*(deployments.delete(command) for _ in range(3)))

    assert answers == [150] * 3


async def test_a_deployment_with_few_runs_does_not_wait_for_one_with_many(
    deployments: Deployments, database: Database
) -> None:
    large, _ = await deployed(database, 100, "large")
    small, _ = await deployed(database, 3, "small")
    asked = [
        asyncio.create_task(deployments.delete(DeleteDeployment(deployment_id=each.id)))
        for each in (large, small)
    ]

    await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)

    assert [each.done() for each in asked] == [False, True]
    assert await asyncio.gather(*asked) == [100, 3]


async def test_a_repeat_goes_on_where_the_first_broke_off(
    deployments: Deployments, database: Database, writer: Writer
) -> None:
    deployment, _ = await deployed(database, 200)
    command = DeleteDeployment(deployment_id=deployment.id, request_id=new_id())

    broken = asyncio.create_task(deployments.delete(command))
    await some_transactions(database, writer)
    broken.cancel()
    left = (await count_rows(database, FLOW_RUN))["flow_run"]
    standing = await deployments.get(deployment.id)
    deleted = await deployments.delete(command)

    assert 0 < left < 200
    assert standing == deployment
    assert deleted <= left
    assert await deployments.delete(command) == deleted
    assert await count_rows(database, DEPLOYMENT, FLOW_RUN) == {}


async def test_runs_that_the_scheduler_makes_meanwhile_go_too(
    deployments: Deployments, database: Database, writer: Writer, clock: FakeClock
) -> None:
    scheduling = Scheduling(database, writer, clock=clock, foresight=Foresight())
    deployment, _ = await deployed(database, 40)
    deleting = asyncio.create_task(
        deployments.delete(DeleteDeployment(deployment_id=deployment.id))
    )
    await some_transactions(database, writer)

    made = await scheduling.schedule(ScheduleDeployment(deployment_id=deployment.id))
    deleted = await deleting

    assert made
    assert deleted == 40 + len(made)
    assert await count_rows(database, DEPLOYMENT, FLOW_RUN) == {}
    assert await scheduling.schedule(ScheduleDeployment(deployment_id=deployment.id)) == []
