"""Brings about every refusal that the contract knows."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, Final, cast
from uuid import uuid4

import grpc
import pytest
from sqlalchemy import text

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.model.server_info import DatabaseKind
from headgate_server.operations import flow_runs as flow_runs_module
from headgate_server.storage import events
from headgate_server.storage.database import Database
from tests.fakes import FakeClock
from tests.service.deploying import deployed, run_of, the_deployment
from tests.service.seeds import write
from tests.service.tasks import new_task_run
from tests.service.work import named, new_pool, new_queue, the_pool, the_queue
from tests.service.world import RUNNING, SCHEDULED, World

Call = Awaitable[Any]


class Stage:
    """What it takes to be refused."""

    def __init__(
        self,
        app: App,
        world: World,
        channel: grpc.aio.Channel,
        clock: FakeClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.app = app
        self.world = world
        self.channel = channel
        self.clock = clock
        self.monkeypatch = monkeypatch

    async def invalid_request(self) -> Call:
        return self.world.get("x")

    async def page_token_mismatch(self) -> Call:
        return self.world.listed(page_token="x")

    async def resume_token_mismatch(self) -> Call:
        return self.world.watch(resume_token="x").next()

    async def flow_not_found(self) -> Call:
        return self.world.flows.GetFlow(pb.GetFlowRequest(flow_id=str(uuid4())))

    async def flow_run_not_found(self) -> Call:
        return self.world.get(str(uuid4()))

    async def task_run_not_found(self) -> Call:
        return self.world.new_run(parent_task_run_id=str(uuid4()))

    async def deployment_not_found(self) -> Call:
        return the_deployment(self.world, str(uuid4()))

    async def parameters_not_hydrated(self) -> Call:
        return run_of(self.world, await deployed(self.world), {"a": {"__prefect_kind": "none"}})

    async def parameters_invalid(self) -> Call:
        deployment = await deployed(self.world, parameter_schema_json='{"required": ["a"]}')
        return run_of(self.world, deployment, enforce_parameter_schema=True)

    async def parameter_schema_invalid(self) -> Call:
        deployment = await deployed(self.world, parameter_schema_json='{"$ref": "#"}')
        return run_of(self.world, deployment, enforce_parameter_schema=True)

    async def parameter_schema_required(self) -> Call:
        return run_of(self.world, await deployed(self.world), enforce_parameter_schema=True)

    async def job_variables_invalid(self) -> Call:
        template = '{"job_configuration": {}, "variables": {"required": ["cpu"]}}'
        await new_pool(self.world, "pool", base_job_template_json=template)
        return run_of(self.world, await deployed(self.world, work_pool_name="pool"))

    async def work_pool_required(self) -> Call:
        return run_of(self.world, await deployed(self.world), work_queue_name="queue")

    async def task_run_exists(self) -> Call:
        made = await new_task_run(self.world)
        return new_task_run(self.world, task_run_id=made.id)

    async def graph_too_large(self) -> Call:
        run = await self.world.new_run()
        for _ in range(2):
            await new_task_run(self.world, run, SCHEDULED)
        return self.world.runs.GetFlowRunGraph(pb.GetFlowRunGraphRequest(flow_run_id=run.id))

    async def concurrency_limit_not_found(self) -> Call:
        request = pb.GetConcurrencyLimitRequest(concurrency_limit_id=str(uuid4()))
        return self.world.limits.GetConcurrencyLimit(request)

    async def flow_run_input_not_found(self) -> Call:
        request = pb.GetFlowRunInputRequest(flow_run_id=str(uuid4()), key="key")
        return self.world.inputs.GetFlowRunInput(request)

    async def work_pool_not_found(self) -> Call:
        return the_pool(self.world, "nobody's")

    async def work_queue_not_found(self) -> Call:
        await new_pool(self.world)
        return the_queue(self.world, "nobody's")

    async def work_pool_exists(self) -> Call:
        await new_pool(self.world)
        return new_pool(self.world)

    async def work_queue_exists(self) -> Call:
        await new_pool(self.world)
        return new_queue(self.world, "default")

    async def work_pool_name_reserved(self) -> Call:
        return new_pool(self.world, "prefect")

    async def work_queue_is_default(self) -> Call:
        await new_pool(self.world)
        request = pb.DeleteWorkQueueRequest(work_queue=named("default"))
        return self.world.work.DeleteWorkQueue(request)

    async def variable_not_found(self) -> Call:
        return self.world.variables.GetVariable(pb.GetVariableRequest(name="name"))

    async def input_key_exists(self) -> Call:
        run = await self.world.new_run()
        await self.world.leave(run, "key")
        return self.world.leave(run, "key")

    async def variable_exists(self) -> Call:
        request = pb.CreateVariableRequest(name="name")
        await self.world.variables.CreateVariable(request)
        return self.world.variables.CreateVariable(request)

    async def version_mismatch(self) -> Call:
        return self.world.propose(await self.world.new_run(), RUNNING, expected_version=7)

    async def state_not_allowed(self) -> Call:
        run = await self.world.new_run()
        return self.world.update(run, ["job_variables_json"], job_variables_json="{}")

    async def deployment_required(self) -> Call:
        run = await self.world.new_run(SCHEDULED)
        return self.world.update(run, ["job_variables_json"], job_variables_json="{}")

    async def request_id_reused(self) -> Call:
        request_id = str(uuid4())
        await self.world.new_run(request_id=request_id)
        return self.world.new_run(request_id=request_id)

    async def data_conflict(self) -> Call:
        """Add a constraint that no check knows."""
        index = text("CREATE UNIQUE INDEX only_one ON variable ((length(name) * 0))")
        await write(self.app, lambda conn: conn.execute(index))
        request = pb.CreateVariableRequest(name="first")
        await self.world.variables.CreateVariable(request)
        return self.world.variables.CreateVariable(pb.CreateVariableRequest(name="second"))

    async def revision_compacted(self) -> Call:
        await self.world.new_run()
        token = await self.world.watch(send_initial_state=True).take(2)
        await self.world.new_run()
        self.clock.advance(timedelta(days=8))
        await self.app.passes.trim(timedelta(days=7))
        return self.world.watch(resume_token=token[-1].resume_token).next()

    async def epoch_changed(self) -> Call:
        token = await self.world.watch(send_initial_state=True).settled()
        await write(self.app, lambda conn: events.change_epoch(conn, "another"))
        return self.world.watch(resume_token=token).next()

    async def slow_consumer(self) -> Call:
        """Leave unread what does not fit into the buffers between."""
        run = await self.world.new_run(RUNNING, tags=["🌊" * 255] * 100)
        watch = self.world.watch(flow_run_ids=[run.id], send_initial_state=True)
        await watch.take(2)
        for _ in range(80):
            await self.world.propose(run, RUNNING)
        streams = self.app.metrics.registry
        async with asyncio.timeout(10):
            while not streams.get_sample_value("headgate_rpc_streams_total", SLOW):
                await self.world.server.GetServerInfo(pb.GetServerInfoRequest())
        return watch.rest()

    async def overloaded(self) -> Call:
        flow = await self.world.new_flow()
        return asyncio.gather(*(self.world.new_run(flow_id=flow.id) for _ in range(50)))

    async def database_unavailable(self) -> Call:
        put_away(self.app, self.monkeypatch)
        return self.world.get(str(uuid4()))

    async def server_draining(self) -> Call:
        self.monkeypatch.setattr(self.app, "_is_draining", True)
        return self.world.get(str(uuid4()))

    async def watch_aged(self) -> Call:
        return self.world.watch(send_initial_state=True).rest()

    async def revision_not_reached(self) -> Call:
        self.monkeypatch.setattr(flow_runs_module, "REACH_SECONDS", 0.05)
        return self.world.listed(min_revision=10**9)

    async def method_not_found(self) -> Call:
        ask: Any = self.channel.unary_unary("/headgate.v1.FlowRunService/Nonsense")
        return cast("Call", ask(b""))

    async def deadline_exceeded(self) -> Call:
        self.monkeypatch.setattr(self.app.operations.flows, "get", _never)
        return self.flow_not_found_again()

    async def internal(self) -> Call:
        self.monkeypatch.setattr(self.app.operations.flows, "get", _fail)
        return self.flow_not_found_again()

    def flow_not_found_again(self) -> Call:
        return self.world.flows.GetFlow(pb.GetFlowRequest(name="nobody"))


SLOW: Final = {
    "method": "/headgate.v1.FlowRunService/WatchFlowRuns",
    "code": "RESOURCE_EXHAUSTED",
}


async def _never(*_: object) -> None:
    await asyncio.Event().wait()


async def _fail(*_: object) -> None:
    raise RuntimeError("a secret cause")


def put_away(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a server look for its database where none is."""
    urls = {
        DatabaseKind.SQLITE: "sqlite:////dev/null/nowhere.db",
        DatabaseKind.POSTGRESQL: "postgresql://nobody@127.0.0.1:1/nowhere",
    }
    for part, stand_in in vars(Database.open(urls[app.database.kind])).items():
        monkeypatch.setattr(app.database, part, stand_in)
