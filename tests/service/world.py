"""The service as its callers see it: the stubs, and shorthands for what most tests do first."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import grpc.aio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from headgate import v1 as pb

SCHEDULED = pb.STATE_TYPE_SCHEDULED
PENDING = pb.STATE_TYPE_PENDING
RUNNING = pb.STATE_TYPE_RUNNING
COMPLETED = pb.STATE_TYPE_COMPLETED
FAILED = pb.STATE_TYPE_FAILED
CANCELLED = pb.STATE_TYPE_CANCELLED
CRASHED = pb.STATE_TYPE_CRASHED
PAUSED = pb.STATE_TYPE_PAUSED
CANCELLING = pb.STATE_TYPE_CANCELLING

ACCEPT = pb.VERDICT_STATUS_ACCEPT
REJECT = pb.VERDICT_STATUS_REJECT
ABORT = pb.VERDICT_STATUS_ABORT
WAIT = pb.VERDICT_STATUS_WAIT


class World:
    """A connection to the service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.flows = pb.FlowServiceStub(channel)
        self.runs = pb.FlowRunServiceStub(channel)
        self.inputs = pb.FlowRunInputServiceStub(channel)
        self.variables = pb.VariableServiceStub(channel)
        self.deployments = pb.DeploymentServiceStub(channel)
        self.task_runs = pb.TaskRunServiceStub(channel)
        self.limits = pb.ConcurrencyLimitServiceStub(channel)
        self.work = pb.WorkPoolServiceStub(channel)
        self.server = pb.ServerServiceStub(channel)

    async def new_flow(self, name: str | None = None, **fields: Any) -> pb.Flow:
        """Create a flow with a name of its own."""
        given = str(uuid4()) if name is None else name
        request = pb.CreateFlowRequest(name=given, **fields)
        return (await self.flows.CreateFlow(request)).flow

    async def new_run(
        self, state: "pb.StateType.ValueType | pb.ProposedState" = PENDING, **fields: Any
    ) -> pb.FlowRun:
        """Create a run, of a flow of its own if none is named."""
        proposed = state if isinstance(state, pb.ProposedState) else pb.ProposedState(type=state)
        if "flow_id" not in fields:
            fields["flow_id"] = (await self.new_flow()).id
        request = pb.CreateFlowRunRequest(state=proposed, **fields)
        return (await self.runs.CreateFlowRun(request)).flow_run

    async def propose(
        self,
        run: pb.FlowRun | str,
        state: "pb.StateType.ValueType | pb.ProposedState",
        **fields: Any,
    ) -> pb.SetFlowRunStateResponse:
        """Propose a state."""
        proposed = state if isinstance(state, pb.ProposedState) else pb.ProposedState(type=state)
        run_id = run if isinstance(run, str) else run.id
        request = pb.SetFlowRunStateRequest(flow_run_id=run_id, state=proposed, **fields)
        return await self.runs.SetFlowRunState(request)

    async def get(self, run: pb.FlowRun | str) -> pb.FlowRun:
        """Read a run whole."""
        run_id = run if isinstance(run, str) else run.id
        return (await self.runs.GetFlowRun(pb.GetFlowRunRequest(flow_run_id=run_id))).flow_run

    async def states(self, run: pb.FlowRun | str) -> list[pb.State]:
        """Read the whole history of a run."""
        request = pb.ListFlowRunStatesRequest(
            flow_run_id=run if isinstance(run, str) else run.id, page_size=1000
        )
        return list((await self.runs.ListFlowRunStates(request)).states)

    async def resume(
        self, run: pb.FlowRun | str, answer: object = None, **fields: Any
    ) -> pb.ResumeFlowRunResponse:
        """Resume a run with an answer, as a Python value."""
        if answer is not None:
            fields["run_input_json"] = json.dumps(answer)
        run_id = run if isinstance(run, str) else run.id
        return await self.runs.ResumeFlowRun(pb.ResumeFlowRunRequest(flow_run_id=run_id, **fields))

    async def update(
        self,
        run: pb.FlowRun | str,
        paths: list[str],
        expected_version: int | None = None,
        **fields: Any,
    ) -> pb.FlowRun:
        """Replace the fields of a run that the paths name."""
        run_id = run if isinstance(run, str) else run.id
        request = pb.UpdateFlowRunRequest(
            flow_run=pb.FlowRun(id=run_id, **fields), expected_version=expected_version
        )
        request.update_mask.paths.extend(paths)
        return (await self.runs.UpdateFlowRun(request)).flow_run

    async def delete(self, run: pb.FlowRun | str, **fields: Any) -> pb.DeleteFlowRunResponse:
        """Delete a run."""
        run_id = run if isinstance(run, str) else run.id
        return await self.runs.DeleteFlowRun(pb.DeleteFlowRunRequest(flow_run_id=run_id, **fields))

    async def listed(self, **fields: Any) -> list[pb.FlowRun]:
        """List runs on one page."""
        return list((await self.runs.ListFlowRuns(pb.ListFlowRunsRequest(**fields))).flow_runs)

    async def leave(
        self, run: pb.FlowRun | str, key: str, value: object = None, **fields: Any
    ) -> pb.FlowRunInput:
        """Leave an input with a run, as a Python value."""
        run_id = run if isinstance(run, str) else run.id
        request = pb.CreateFlowRunInputRequest(
            flow_run_id=run_id, input=new_input(key, value), **fields
        )
        return (await self.inputs.CreateFlowRunInput(request)).input

    async def input_values(self, run: pb.FlowRun | str) -> dict[str, object]:
        """Read the inputs of a run, as Python values by key."""
        run_id = run if isinstance(run, str) else run.id
        request = pb.ListFlowRunInputsRequest(flow_run_id=run_id)
        found = (await self.inputs.ListFlowRunInputs(request)).inputs
        return {each.key: json.loads(each.value_json) for each in found}

    def watch(self, **fields: Any) -> "Watch":
        """Watch runs."""
        return Watch(self.runs.WatchFlowRuns(pb.WatchFlowRunsRequest(**fields)))

    def watch_inputs(self, **fields: Any) -> "Watch":
        """Watch the inputs of a run."""
        return Watch(self.inputs.WatchFlowRunInputs(pb.WatchFlowRunInputsRequest(**fields)))


class Watch:
    """A stream that is read message by message."""

    def __init__(self, call: grpc.aio.UnaryStreamCall[Any, Any]) -> None:
        self.call = call
        self._messages: AsyncIterator[Any] = aiter(call)

    async def next(self, kind: str | None = None) -> Any:
        """Return the next message, which must be of that kind if one is named."""
        message = await asyncio.wait_for(anext(self._messages), 10)
        assert kind is None or message.WhichOneof("event") == kind, message
        return message

    async def take(self, count: int) -> list[Any]:
        """Return the next messages."""
        return [await self.next() for _ in range(count)]

    async def rest(self) -> list[Any]:
        """Return everything up to the end, which must be an orderly one."""
        async with asyncio.timeout(10):
            return [message async for message in self._messages]

    async def settled(self) -> str:
        """Wait until the watch has begun, and return where it stands."""
        return str((await self.next()).resume_token)

    def cancel(self) -> None:
        """Stop watching."""
        self.call.cancel()


def paused(key: str = "1", *, suspended: bool = False, **details: Any) -> pb.ProposedState:
    """Return the state of a pause."""
    return pb.ProposedState(
        type=PAUSED,
        name="Suspended" if suspended else "Paused",
        details=pb.StateDetails(pause_key=key, pause_reschedule=suspended, **details),
    )


def scheduled_for(time: datetime, name: str | None = None) -> pb.ProposedState:
    """Return the state of a run that is due."""
    details = pb.StateDetails(scheduled_time=at(time))
    return pb.ProposedState(type=SCHEDULED, name=name, details=details)


def keyset(key: str = "1") -> pb.RunInputKeyset:
    """Return the input keys of a pause."""
    return pb.RunInputKeyset(
        schema=f"paused-{key}-schema",
        response=f"paused-{key}-response",
        description=f"paused-{key}-description",
    )


def new_input(key: str, value: object = None, sender: str | None = None) -> pb.NewFlowRunInput:
    """Return an input that is to be created, from a Python value."""
    return pb.NewFlowRunInput(key=key, value_json=json.dumps(value), sender=sender)


def text_of(size: int) -> str:
    """Return a JSON object of so many bytes, with letters of two bytes in it."""
    letters, rest = divmod(size - len('{"a":""}'), 2)
    return f'{{"a":"{"é" * letters}{"x" * rest}"}}'


def texts(*values: str) -> pb.StringList:
    """Return the list of a filter, which may be empty."""
    return pb.StringList(values=values)


def types(*values: "pb.StateType.ValueType") -> pb.StateTypeList:
    """Return the list of state types of a filter, which may be empty."""
    return pb.StateTypeList(values=values)


def at(time: datetime) -> Timestamp:
    """Return a time as it is sent."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


def when(message: Timestamp) -> datetime:
    """Return a time that was sent."""
    return datetime.fromtimestamp(message.seconds, UTC) + timedelta(
        microseconds=message.nanos // 1000
    )


def lasting(span: timedelta) -> Duration:
    """Return a span of time as it is sent."""
    message = Duration()
    message.FromTimedelta(span)
    return message


async def refused(call: Awaitable[Any]) -> tuple[grpc.StatusCode, ErrorInfo]:
    """Return the code and the one ErrorInfo that a call is refused with."""
    error = await refusal(call)
    return error.code(), the_error_info(error)


async def refusal(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    """Return the error that a call is refused with."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error
    message = "the call was not refused"
    raise AssertionError(message)


async def reason(call: Awaitable[Any]) -> str:
    """Return the reason that a call is refused with."""
    return str((await refused(call))[1].reason)


async def violations(call: Awaitable[Any]) -> list[str]:
    """Return the fields that a call is refused for."""
    error = await refusal(call)
    assert the_error_info(error).reason == "INVALID_REQUEST", error
    return violated_fields(error)


def the_error_info(error: grpc.aio.AioRpcError) -> ErrorInfo:
    """Return the one ErrorInfo of an error."""
    status = rpc_status.from_call(cast("grpc.Call", error))
    assert status is not None, error
    infos = [each for each in status.details if each.Is(ErrorInfo.DESCRIPTOR)]
    assert len(infos) == 1, status
    info = ErrorInfo()
    infos[0].Unpack(info)
    assert info.domain == "headgate"
    return info


def violated_fields(error: grpc.aio.AioRpcError) -> list[str]:
    """Return the fields that a bad request names."""
    status = rpc_status.from_call(cast("grpc.Call", error))
    assert status is not None
    bad = BadRequest()
    for each in status.details:
        if each.Is(BadRequest.DESCRIPTOR):
            each.Unpack(bad)
    return [violation.field for violation in bad.field_violations]
