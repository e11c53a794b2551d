"""Callers that write as fast as they are answered, and repeat what was not answered until it is.

Every change carries what makes it safe to repeat: a transition id, a request id, an idempotency key. So a call that was cut off by
the death of the server is sent again as it was, and nothing may happen twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, Final, TypeVar
from uuid import uuid4

import grpc.aio

from headgate import v1 as pb
from tests.acceptance.ledger import Asked, Ledger
from tests.service.world import (
    ACCEPT,
    COMPLETED,
    PAUSED,
    RUNNING,
    keyset,
    the_error_info,
)

R = TypeVar("R")

SHARED_RUNS: Final = 4
"""Runs that several callers write to at once."""
SHARERS: Final = 12
CREATORS: Final = 8
PAUSERS: Final = 6
_CALL_SECONDS: Final = 20
_SCHEMA: Final = (
    '{"type": "object", "properties": {"approve": {"type": "integer"}}, "required": ["approve"]}'
)
_DELETE_EVERY: Final = 5
"""One of so many runs is deleted when it has ended."""

IMPATIENT: Final = [
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 100),
]
"""Options of a channel that looks for its server again and again."""


class Traffic:
    """All the callers. They stop between two changes when they are told to."""

    def __init__(self, channel: grpc.aio.Channel, ledger: Ledger) -> None:
        self.ledger = ledger
        self.shared: list[str] = []
        """The runs that several callers write to."""
        self.flow_id = ""
        """The flow of the runs that callers create."""
        self._flows = pb.FlowServiceStub(channel)
        self._runs = pb.FlowRunServiceStub(channel)
        self._is_over = False

    async def prepare(self) -> None:
        """Create what the callers share."""
        request = pb.CreateFlowRequest(name="busy")
        self.flow_id = (await self._answered(self._flows.CreateFlow, request)).flow.id
        self.shared = [await self._create(str(uuid4())) for _ in range(SHARED_RUNS)]

    async def flow(self) -> None:
        """Let the callers write until `stop`; each finishes what it has begun."""
        async with asyncio.TaskGroup() as callers:
            for place in range(SHARERS):
                callers.create_task(self._share(self.shared[place % SHARED_RUNS]))
            for _ in range(CREATORS):
                callers.create_task(self._live_and_die())
            for _ in range(PAUSERS):
                callers.create_task(self._pause_and_resume())

    def stop(self) -> None:
        """Tell the callers to begin nothing new."""
        self._is_over = True

    async def _share(self, run_id: str) -> None:
        """Race others for the versions of one run; every third state brings an input."""
        version = 1
        for turn in count():
            if self._is_over:
                return
            key = str(uuid4()) if turn % 3 == 0 else ""
            try:
                version = await self._propose(run_id, RUNNING, key, expected_version=version)
            except grpc.aio.AioRpcError as error:
                info = the_error_info(error)
                assert info.reason == "VERSION_MISMATCH", info
                version = int(info.metadata["current_version"])

    async def _live_and_die(self) -> None:
        """Create runs, run them to their end, and delete some."""
        for turn in count():
            if self._is_over:
                return
            run_id = await self._create(str(uuid4()))
            await self._propose(run_id, RUNNING)
            await self._propose(run_id, COMPLETED, str(uuid4()))
            if turn % _DELETE_EVERY == 0:
                request = pb.DeleteFlowRunRequest(flow_run_id=run_id, request_id=str(uuid4()))
                self.ledger.doomed.add(run_id)
                await self._answered(self._runs.DeleteFlowRun, request)
                self.ledger.count()

    async def _pause_and_resume(self) -> None:
        """Pause one run for an answer, and answer, again and again."""
        run_id = await self._create(str(uuid4()))
        await self._propose(run_id, RUNNING)
        for turn in count():
            if self._is_over:
                return
            keys = keyset(str(turn))
            state = pb.ProposedState(
                type=PAUSED,
                details=pb.StateDetails(pause_key=str(turn), run_input_keyset=keys),
            )
            await self._propose(run_id, state, keys.schema, input_json=_SCHEMA)
            request = pb.ResumeFlowRunRequest(
                flow_run_id=run_id, run_input_json='{"approve": 1}', request_id=str(uuid4())
            )
            resumed = await self._answered(self._runs.ResumeFlowRun, request)
            assert resumed.status == ACCEPT, resumed
            self.ledger.note_state(run_id, resumed.version, resumed.state.id)
            self.ledger.answers[run_id].add(keys.response)

    async def _create(self, request_id: str) -> str:
        request = pb.CreateFlowRunRequest(flow_id=self.flow_id, request_id=request_id)
        created = (await self._answered(self._runs.CreateFlowRun, request)).flow_run
        self.ledger.created[request_id].add(created.id)
        self.ledger.note_state(created.id, 1, created.state.id)
        return str(created.id)

    async def _propose(
        self,
        run_id: str,
        proposed: "pb.StateType.ValueType | pb.ProposedState",
        input_key: str = "",
        *,
        input_json: str = "true",
        expected_version: int | None = None,
    ) -> int:
        """Propose a state, with an input if a key is given; return the version of the run."""
        state = pb.ProposedState(type=proposed) if isinstance(proposed, int) else proposed
        state.details.transition_id = str(uuid4())
        inputs = [pb.NewFlowRunInput(key=input_key, value_json=input_json)] if input_key else []
        asked = Asked(flow_run_id=run_id, input_key=input_key)
        self.ledger.asked[state.details.transition_id] = asked
        request = pb.SetFlowRunStateRequest(
            flow_run_id=run_id, state=state, inputs=inputs, expected_version=expected_version
        )
        answer = await self._answered(self._runs.SetFlowRunState, request)
        if answer.status == ACCEPT:
            self.ledger.note_state(run_id, answer.version, answer.state.id)
        else:
            # It had been written when the server died.
            assert answer.reject.reason == "This run has already made this state transition.", (
                answer
            )
        return int(answer.version)

    async def _answered(self, method: Callable[..., Awaitable[R]], request: Any) -> R:
        """Send a request until it is answered."""
        while True:
            try:
                return await method(request, wait_for_ready=True, timeout=_CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
