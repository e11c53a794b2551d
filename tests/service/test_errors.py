"""Refusals: each carries one ErrorInfo, and is what the comments of the contract say."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, cast

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from grpc_status import rpc_status
from structlog.testing import capture_logs

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.rpc.assemble import SERVICES
from tests.fakes import FakeClock
from tests.service.contract import promised_reasons, promised_refusals
from tests.service.refusals import Call, Stage, put_away
from tests.service.world import RUNNING, World, refusal, the_error_info


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
