"""Waiting for the end of a pause, and for the answer it was resumed with.

What ended a pause is read from the history of the run, in which every state stands: a run that is
paused again at once is no riddle.
"""

import asyncio
from contextlib import aclosing
from typing import Final, TypeVar, overload

from headgate import v1 as pb
from headgate._schemas import Form, from_answer
from headgate._spans import Span, to_seconds
from headgate._transport import Transport
from headgate._waiting import LOST_POSITION, FlowRunWaiting
from headgate.errors import (
    FlowPauseTimeoutError,
    FlowRunCancelledError,
    FlowRunInputNotFoundError,
    NotPausedError,
    PauseEndedError,
)
from headgate.events import Deleted, Progress, SnapshotComplete
from headgate.inputs import FlowRunInputs
from headgate.models import Id
from headgate.states import Json, JsonObject, RunInputKeyset, State, StateType

AnswerT = TypeVar("AnswerT")

_RESUMED: Final = (StateType.RUNNING, StateType.SCHEDULED, StateType.PENDING)
_CANCELLED: Final = (StateType.CANCELLING, StateType.CANCELLED)


class FlowRunAnswers(FlowRunWaiting):
    """Waits for the answers that pauses ask for."""

    def __init__(self, transport: Transport, inputs: FlowRunInputs) -> None:
        """Use this way to the server, and these inputs."""
        super().__init__(transport)
        self._inputs = inputs

    @overload
    async def wait_for_resume(
        self,
        flow_run_id: Id,
        *,
        schema: type[AnswerT],
        key: str | None = None,
        timeout: Span | None = None,
    ) -> AnswerT: ...

    @overload
    async def wait_for_resume(
        self,
        flow_run_id: Id,
        *,
        schema: JsonObject | None = None,
        key: str | None = None,
        timeout: Span | None = None,
    ) -> Json: ...

    async def wait_for_resume(
        self,
        flow_run_id: Id,
        *,
        schema: Form = None,
        key: str | None = None,
        timeout: Span | None = None,
    ) -> Json:
        """Wait until a pause or suspension is over, and return the answer it was resumed with.

        A pause that is over already is not waited for. Whatever ends it ends the wait.

        Args:
            flow_run_id: The run.
            schema: The type of the answer, as given to the pause. None, or a JSON schema: a dict.
            key: Which pause. None: the last one of the run.
            timeout: How long to wait at most, in seconds or as a timedelta. None: until the pause
                expires. The pause itself goes on.

        Returns:
            The answer; empty if the run was resumed without one. None if none was asked for.

        Raises:
            NotPausedError: The run was never paused, or not with this key.
            FlowPauseTimeoutError: The pause has expired, or was not over in time.
            FlowRunCancelledError: The run was cancelled instead.
            PauseEndedError: The run went into another state instead.
            FlowRunNotFoundError: There is no such run, or it was deleted meanwhile.
            ValueError: The type refuses the answer, or the timeout is negative.

        Example:
            ```python
            answer = await client.flow_runs.wait_for_resume(paused_run_id, timeout=60)
            print(answer["approved"])
            ```
        """
        seconds = None if timeout is None else to_seconds(timeout, "timeout")
        pause, after = await self._find_pause(flow_run_id, key)
        try:
            async with asyncio.timeout(seconds if after is None else None):
                while after is None:
                    await self._pass_version(flow_run_id, pause.version)
                    pause, after = await self._patiently(lambda: self._find_pause(flow_run_id, key))
        except TimeoutError:
            raise FlowPauseTimeoutError(
                _never_resumed(pause), flow_run_id=flow_run_id, state=pause
            ) from None
        if after.type not in _RESUMED:
            raise _ended_otherwise(flow_run_id, pause, after)
        keyset = pause.details.run_input_keyset
        if keyset is None:
            return None
        return from_answer(schema, await self._answer(flow_run_id, keyset))

    async def _find_pause(self, flow_run_id: Id, key: str | None) -> tuple[State, State | None]:
        """Return the last pause with this key, and the state that ended it."""
        pause = after = None
        async for state in self.iterate_states(flow_run_id):
            if state.is_paused and key in (None, state.details.pause_key):
                pause, after = state, None
            elif pause is not None and after is None:
                after = state
        if pause is None:
            await self.get(flow_run_id)
            message = "The flow run was never paused, or not with this key."
            raise NotPausedError(message, flow_run_id=flow_run_id)
        return pause, after

    async def _pass_version(self, flow_run_id: Id, version: int) -> None:
        """Wait until a run has a newer version, or is gone."""
        while True:
            request = pb.WatchFlowRunsRequest(
                flow_run_ids=[str(flow_run_id)], send_initial_state=True
            )
            events = self._watch(request, has_progress=False, is_patient=True)
            try:
                async with aclosing(events):
                    async for event in events:
                        if isinstance(event, SnapshotComplete | Progress):
                            continue
                        if event.flow_run.version > version or isinstance(event, Deleted):
                            return
            except LOST_POSITION:
                continue

    async def _answer(self, flow_run_id: Id, keyset: RunInputKeyset) -> JsonObject:
        try:
            answer: JsonObject = (await self._inputs.get(flow_run_id, keyset.response)).value
        except FlowRunInputNotFoundError:  # an empty answer is not stored
            return {}
        return answer


def _never_resumed(pause: State) -> str:
    how = "suspended" if pause.details.pause_reschedule else "paused"
    return f"Flow run was {how} and never resumed."


def _ended_otherwise(flow_run_id: Id, pause: State, after: State) -> PauseEndedError:
    expiry = pause.details.pause_expire_time
    if after.is_failed and expiry is not None and expiry <= after.timestamp:
        return FlowPauseTimeoutError(_never_resumed(pause), flow_run_id=flow_run_id, state=after)
    kind = FlowRunCancelledError if after.type in _CANCELLED else PauseEndedError
    return kind(f"The pause ended in {after}.", flow_run_id=flow_run_id, state=after)
