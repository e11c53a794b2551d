"""The program is killed while it deletes a deployment with many runs: a repeat of the request finishes it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import grpc.aio
import pytest

from headgate import v1 as pb
from headgate_server.model.deployments import Deployment
from headgate_server.model.ids import new_id
from headgate_server.model.states import StateType
from headgate_server.storage import deployments
from headgate_server.storage.database import Database
from headgate_server.storage.schema import upgrade
from tests.acceptance.program import Program
from tests.acceptance.traffic import IMPATIENT
from tests.builders import NOW, a_flow, a_flow_run
from tests.storing import store

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

RUNS: Final = 4000


async def filled(url: str) -> str:
    """Store a deployment with many SCHEDULED runs, and return its id."""
    await asyncio.to_thread(upgrade, url)
    database, flow = Database.open(url), a_flow()
    deployment = Deployment(
        id=new_id(), flow_id=flow.id, name="nightly", create_time=NOW, update_time=NOW
    )
    runs = [
        a_flow_run(
            flow,
            StateType.SCHEDULED,
            deployment_id=deployment.id,
            next_scheduled_start_time=NOW + number * timedelta(hours=1),
        )
        for number in range(RUNS)
    ]
    await store(database, flows=[flow])
    await database.write(lambda conn: deployments.insert(conn, [deployment]))
    for start in range(0, RUNS, 500):
        await store(database, runs=runs[start : start + 500])
    await database.close()
    return deployment.id


async def kill_in_the_middle(program: Program, deployment_id: str) -> None:
    program.start()
    async with grpc.aio.insecure_channel(program.target, IMPATIENT) as channel:
        runs, there = pb.FlowRunServiceStub(channel), pb.DeploymentServiceStub(channel)
        request = pb.DeleteDeploymentRequest(deployment_id=deployment_id, request_id=new_id())
        watch = runs.WatchFlowRuns(pb.WatchFlowRunsRequest(send_initial_state=False))
        await watch.wait_for_connection()
        deleting = asyncio.ensure_future(there.DeleteDeployment(request))
        async for event in watch:
            if event.WhichOneof("event") == "deleted":
                break
        program.kill()
        with pytest.raises(grpc.aio.AioRpcError):
            await deleting

        await asyncio.to_thread(program.start)
        count = await runs.CountFlowRuns(pb.CountFlowRunsRequest(), wait_for_ready=True)
        standing = await there.GetDeployment(pb.GetDeploymentRequest(deployment_id=deployment_id))
        finished = await there.DeleteDeployment(request)
        again = await there.DeleteDeployment(request)
        rest = await runs.CountFlowRuns(pb.CountFlowRunsRequest())

        assert 0 < count.count < RUNS
        assert standing.deployment.name == "nightly"
        assert finished.deleted_flow_runs == count.count
        assert again == finished
        assert rest.count == 0
        with pytest.raises(grpc.aio.AioRpcError, match="not found"):
            await there.GetDeployment(pb.GetDeploymentRequest(deployment_id=deployment_id))


async def test_on_sqlite_a_repeat_finishes_a_deletion_that_a_kill_broke_off(
    sqlite_url: str, new_program: Callable[..., Program]
) -> None:
    deployment_id = await filled(sqlite_url)

    await kill_in_the_middle(new_program(sqlite_url), deployment_id)


async def test_on_postgresql_a_repeat_finishes_a_deletion_that_a_kill_broke_off(
    durable_postgresql_url: str, new_program: Callable[..., Program]
) -> None:
    deployment_id = await filled(durable_postgresql_url)

    await kill_in_the_middle(new_program(durable_postgresql_url), deployment_id)
