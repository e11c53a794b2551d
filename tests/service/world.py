"""The service as its callers see it: the stubs, and shorthands for what most tests do first."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import grpc.aio
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
        self.server = pb.ServerServiceStub(channel)

    async def new_flow(self, name: str | None = None, **fields: object) -> pb.Flow:
        """Create a flow with a name of its own."""
        request = pb.CreateFlowRequest(name=name or str(uuid4()), **fields)
        return (await self.flows.CreateFlow(request)).flow

    async def new_run(
        self, state: "pb.StateType.ValueType | pb.ProposedState" = PENDING, **fields: object
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
        **fields: object,
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

    def watch(self, **fields: object) -> "Watch":
        """Watch runs."""
        return Watch(self.runs.WatchFlowRuns(pb.WatchFlowRunsRequest(**fields)))

    def watch_inputs(self, **fields: object) -> "Watch":
        """Watch the inputs of a run."""
        return Watch(self.inputs.WatchFlowRunInputs(pb.WatchFlowRunInputsRequest(**fields)))


class Watch:
    """A stream that is read message by message."""

    def __init__(self, call: grpc.aio.UnaryStreamCall) -> None:
        self.call = call
        self._messages: AsyncIterator = aiter(call)

    async def next(self, kind: str | None = None):
        """Return the next message, which must be of that kind if one is named."""
        message = await asyncio.wait_for(anext(self._messages), 10)
        assert kind is None or message.WhichOneof("event") == kind, message
        return message

    async def take(self, count: int) -> list:
        """Return the next messages."""
        return [await self.next() for _ in range(count)]

    async def rest(self) -> list:
        """Return everything up to the end, which must be an orderly one."""
        async with asyncio.timeout(10):
            return [message async for message in self._messages]

    async def settled(self) -> str:
        """Wait until the watch has begun, and return where it stands."""
        return (await self.next()).resume_token

    def cancel(self) -> None:
        """Stop watching."""
        self.call.cancel()


def paused(key: str = "1", *, suspended: bool = False, **details: object) -> pb.ProposedState:
    """Return the state of a pause."""
    return pb.ProposedState(
        type=PAUSED,
        name="Suspended" if suspended else "Paused",
        details=pb.StateDetails(pause_key=key, pause_reschedule=suspended, **details),
    )


def keyset(key: str = "1") -> pb.RunInputKeyset:
    """Return the input keys of a pause."""
    return pb.RunInputKeyset(
        schema=f"paused-{key}-schema",
        response=f"paused-{key}-response",
        description=f"paused-{key}-description",
    )


async def refused(call) -> tuple[grpc.StatusCode, ErrorInfo]:
    """Return the code and the one ErrorInfo that a call is refused with."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code(), the_error_info(error)
    message = "the call was not refused"
    raise AssertionError(message)


def the_error_info(error: grpc.aio.AioRpcError) -> ErrorInfo:
    """Return the one ErrorInfo of an error."""
    status = rpc_status.from_call(error)
    assert status is not None, error
    infos = [each for each in status.details if each.Is(ErrorInfo.DESCRIPTOR)]
    assert len(infos) == 1, status
    info = ErrorInfo()
    infos[0].Unpack(info)
    assert info.domain == "headgate"
    return info


def violated_fields(error: grpc.aio.AioRpcError) -> list[str]:
    """Return the fields that a bad request names."""
    status = rpc_status.from_call(error)
    assert status is not None
    bad = BadRequest()
    for each in status.details:
        if each.Is(BadRequest.DESCRIPTOR):
            each.Unpack(bad)
    return [violation.field for violation in bad.field_violations]
