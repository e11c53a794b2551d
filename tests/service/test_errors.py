"""Refusals: each carries one ErrorInfo, and is what the comments of the contract say."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, cast
from uuid import uuid4

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from grpc_status import rpc_status
from sqlalchemy import text
from structlog.testing import capture_logs

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.model.server_info import DatabaseKind
from headgate_server.operations import flow_runs as flow_runs_module
from headgate_server.rpc.assemble import SERVICES
from headgate_server.storage import events
from headgate_server.storage.database import Database
from tests.fakes import FakeClock
from tests.service.contract import promised_reasons, promised_refusals
from tests.service.deploying import deployed, run_of, the_deployment
from tests.service.seeds import write
from tests.service.tasks import new_task_run
from tests.service.work import named, new_pool, new_queue, the_pool, the_queue
from tests.service.world import RUNNING, SCHEDULED, World, refusal, the_error_info

Call = Awaitable[Any]


@pytest.fixture
def flags() -> dict[str, str]:
    """Return settings with which nothing takes long, and a queue for one change."""
    return {
        "max-call": "1s",
        "watch-age": "2s",
        "slow-consumer-timeout": "1s",
        "max-waiting-writes": "1",
        "graph-nodes-max": "1",
    }


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


@pytest.fixture
def stage(
    app: App,
    world: World,
    channel: grpc.aio.Channel,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Stage:
    return Stage(app, world, channel, clock, monkeypatch)


REASONS: Final = [name.removeprefix("ERROR_REASON_") for name in pb.ErrorReason.keys()[1:]]


@pytest.mark.parametrize("reason", REASONS)
async def test_every_reason_is_sent_as_it_is_promised(stage: Stage, reason: str) -> None:
    promise = promised_reasons()[reason]
    produce: Callable[[], Awaitable[Call]] = getattr(stage, reason.lower())

    error = await refusal(await produce())

    info = the_error_info(error)
    assert info.reason == reason
    assert error.code().name == promise.code
    assert set(info.metadata) in promise.metadata
    status = rpc_status.from_call(cast("grpc.Call", error))
    assert status is not None
    assert (status.code, status.message) == (error.code().value[0], error.details())
    assert status.message
    kinds = {detail.TypeName() for detail in status.details}
    assert ("google.rpc.BadRequest" in kinds) is (reason == "INVALID_REQUEST")
    if promise.has_retry_info and reason != "INVALID_REQUEST":
        assert "google.rpc.RetryInfo" in kinds


def test_every_reason_is_produced_here() -> None:
    assert {reason for reason in REASONS if not hasattr(Stage, reason.lower())} == set()
    assert promised_reasons().keys() == set(REASONS)


class TestEmptyRequests:
    FINE: Final = frozenset(
        {
            *("FlowService/CreateFlow", "FlowService/ListFlows", "FlowService/CountFlows"),
            *("FlowRunService/ListFlowRuns", "FlowRunService/CountFlowRuns"),
            "FlowRunService/GetFlowRunLateness",
            *("FlowRunService/WatchFlowRuns", "VariableService/ListVariables"),
            *("TaskRunService/ListTaskRuns", "TaskRunService/CountTaskRuns"),
            "TaskRunService/WatchTaskRuns",
            "ConcurrencyLimitService/ListConcurrencyLimits",
            *("DeploymentService/ListDeployments", "DeploymentService/CountDeployments"),
            *("WorkPoolService/ListWorkPools", "WorkPoolService/ListWorkQueues"),
            "ServerService/GetServerInfo",
        }
    )

    async def test_every_method_answers_or_says_what_is_missing(
        self, channel: grpc.aio.Channel
    ) -> None:
        answers = {}
        for service in SERVICES:
            for method in descriptor_pool.Default().FindServiceByName(service).methods:
                name = f"{service.removeprefix('headgate.v1.')}/{method.name}"
                answers[name] = await self._asked(channel, f"/{service}/{method.name}", method)

        assert answers == {
            name: "OK" if name in self.FINE else "INVALID_REQUEST" for name in answers
        }
        promised = promised_refusals()
        assert answers.keys() == promised.keys()
        assert not [
            name
            for name, answer in answers.items()
            if answer != "OK" and answer not in promised[name]
        ]

    @staticmethod
    async def _asked(channel: grpc.aio.Channel, path: str, method: Any) -> str:
        request = GetMessageClass(method.input_type)().SerializeToString()
        ask: Any = (channel.unary_stream if method.server_streaming else channel.unary_unary)(path)
        try:
            if method.server_streaming:
                # A watch that has begun says so with a first progress.
                await anext(aiter(ask(request)))
            else:
                await ask(request)
        except grpc.aio.AioRpcError as error:
            return str(the_error_info(error).reason)
        return "OK"


async def test_bytes_that_are_no_message_are_an_invalid_request(channel: grpc.aio.Channel) -> None:
    for path in (
        "/headgate.v1.FlowRunService/GetFlowRun",
        "/headgate.v1.FlowRunService/WatchFlowRuns",
    ):
        ask: Any = channel.unary_unary(path)
        error = await refusal(ask(b"\xff\xff"))

        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert the_error_info(error).reason == "INVALID_REQUEST"


async def test_each_violation_says_what_was_expected(world: World) -> None:
    error = await refusal(world.get("x"))

    status = rpc_status.from_call(cast("grpc.Call", error))
    assert status is not None
    bad = BadRequest()
    (detail,) = [each for each in status.details if each.Is(BadRequest.DESCRIPTOR)]
    detail.Unpack(bad)
    assert [(each.field, each.description) for each in bad.field_violations] == [
        ("flow_run_id", "must be a UUID")
    ]
    assert "flow_run_id: must be a UUID" in str(error.details())


async def test_what_was_not_foreseen_is_in_the_log_and_not_in_the_answer(stage: Stage) -> None:
    with capture_logs() as logs:
        error = await refusal(await stage.internal())

    error_id = the_error_info(error).metadata["error_id"]
    assert "secret" not in str(error.details())
    (entry,) = [each for each in logs if each["event"] == "call failed"]
    assert entry["error_id"] == error_id
    assert str(entry["exc_info"]) == "a secret cause"


async def test_a_call_that_can_be_repeated_says_when(stage: Stage) -> None:
    error = await refusal(await stage.overloaded())

    status = rpc_status.from_call(cast("grpc.Call", error))
    assert status is not None
    retry = RetryInfo()
    (detail,) = [each for each in status.details if each.Is(RetryInfo.DESCRIPTOR)]
    detail.Unpack(retry)
    assert retry.retry_delay.ToTimedelta() > timedelta()


async def test_a_database_that_is_away_is_unavailable_for_reads_writes_and_watches(
    stage: Stage,
) -> None:
    world, run = stage.world, await stage.world.new_run()
    put_away(stage.app, stage.monkeypatch)
    calls: dict[str, Call] = {
        "read": world.get(run),
        "list": world.listed(),
        "write": world.propose(run, RUNNING),
        "resume": world.resume(run),
        "wait": world.runs.WaitFlowRuns(pb.WaitFlowRunsRequest(flow_run_ids=[run.id])),
        "watch": world.watch(flow_run_ids=[run.id]).next(),
        "info": world.server.GetServerInfo(pb.GetServerInfoRequest()),
    }

    reasons = {
        name: str(the_error_info(await refusal(call)).reason) for name, call in calls.items()
    }

    assert reasons == dict.fromkeys(calls, "DATABASE_UNAVAILABLE")


async def test_a_watch_that_is_drained_holds_its_token(stage: Stage) -> None:
    watch = stage.world.watch(send_initial_state=True)
    await watch.settled()

    stage.app.operations.watching.drain()

    last = (await watch.next("progress")).resume_token
    info = the_error_info(await refusal(watch.next()))
    assert (info.reason, dict(info.metadata)) == ("SERVER_DRAINING", {"resume_token": last})
