"""The units: a server of the same stack that does nothing. Part of the benchmarks, never of the product.

Run `python -m benchmarks.noop HOST:PORT`. It serves:

- `/headgate.v1.FlowRunService/SetFlowRunState` behind the border of the real service, which decodes the request, meters, logs
  and encodes the answer; the answer is a constant of the size of a real one. This is *the no-op call*.
- `/benchmarks.Bare/Call`, which answers bytes with the same bytes as that constant, without the border.
- `/benchmarks.Bare/Watch`, a stream that sends nothing but what `/benchmarks.Bare/Poke` hands it: *the bare fan-out*.
"""

import asyncio
import signal
import sys
from datetime import timedelta
from typing import Any, Final

import grpc
import grpc.aio
import uvloop
from google.protobuf import descriptor_pool

from headgate import v1 as pb
from headgate_server import logs
from headgate_server.cli.serve import collect_seldom
from headgate_server.metrics import Metrics
from headgate_server.rpc.access_log import Context
from headgate_server.rpc.border import Behavior, Border

SET_STATE: Final = "/headgate.v1.FlowRunService/SetFlowRunState"
CALL: Final = "/benchmarks.Bare/Call"
WATCH: Final = "/benchmarks.Bare/Watch"
POKE: Final = "/benchmarks.Bare/Poke"

HELLO: Final = b""
"""The first message of a bare stream, which tells that it is open."""

_UUID: Final = "01890a5d-ac96-774b-bcce-b302099a8057"


def constant_answer() -> pb.SetFlowRunStateResponse:
    """Return an answer that is like a real one."""
    state = pb.State(
        id=_UUID,
        type=pb.STATE_TYPE_RUNNING,
        name="Running",
        version=123,
        details=pb.StateDetails(flow_run_id=_UUID, transition_id=_UUID),
    )
    state.timestamp.GetCurrentTime()
    return pb.SetFlowRunStateResponse(
        status=pb.VERDICT_STATUS_ACCEPT,
        state=state,
        version=123,
        accept=pb.AcceptDetails(),
        created=True,
        revision=12345,
    )


class _NoopServicer:
    """Answers every method, of which only SetFlowRunState is called, with a constant."""

    def __init__(self) -> None:
        self._constant = constant_answer()

    def __getattr__(self, _method: str) -> Behavior:
        return self._answer

    async def _answer(self, _request: object, _context: Context) -> pb.SetFlowRunStateResponse:
        return self._constant


class _Bare:
    """Methods without any border, which take and give bytes."""

    def __init__(self) -> None:
        self._answer = constant_answer().SerializeToString()
        self._queues: set[asyncio.Queue[bytes]] = set()

    def handlers(self) -> grpc.GenericRpcHandler:
        """Return what answers them."""
        methods: dict[str, Any] = {
            CALL: grpc.unary_unary_rpc_method_handler(self._call),
            POKE: grpc.unary_unary_rpc_method_handler(self._poke),
            WATCH: grpc.unary_stream_rpc_method_handler(self._watch),
        }
        return _ByName(methods)

    async def _call(self, _request: bytes, _context: Context) -> bytes:
        return self._answer

    async def _poke(self, request: bytes, _context: Context) -> bytes:
        for queue in self._queues:
            queue.put_nowait(request)
        return b""

    async def _watch(self, _request: bytes, context: Context) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._queues.add(queue)
        try:
            await context.write(HELLO)
            while True:
                await context.write(await queue.get())
        finally:
            self._queues.discard(queue)


class _ByName(grpc.GenericRpcHandler):
    """Finds handlers by the full name of the method."""

    def __init__(self, methods: dict[str, Any]) -> None:
        self._methods = methods

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._methods.get(handler_call_details.method)


async def _serve(address: str) -> None:
    logs.configure("info", "auto")
    border = Border(metrics=Metrics(), is_draining=lambda: False, call_limit=timedelta(seconds=60))
    service = descriptor_pool.Default().FindServiceByName("headgate.v1.FlowRunService")
    border.add_service(service, _NoopServicer())
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_Bare().handlers(), border))
    server.add_insecure_port(address)
    await server.start()
    collect_seldom()
    told_to_stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told_to_stop.set)
    await told_to_stop.wait()
    await server.stop(0)


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
