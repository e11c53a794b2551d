"""Batches of flow runs, as the contract tells of them: the part of FlowRunService that changes many runs at once."""

from collections.abc import Callable
from datetime import datetime

from headgate import v1 as pb
from headgate_server.model.server_info import Limits
from headgate_server.operations.batches import Batches
from headgate_server.rpc.convert.batch_results import (
    answer_batch_create,
    answer_batch_delete,
    answer_batch_set_states,
)
from headgate_server.rpc.convert.batches import (
    read_batch_create,
    read_batch_delete,
    read_batch_set_states,
)


class FlowRunBatches:
    """Answers calls that change many flow runs."""

    def __init__(self, batches: Batches, *, limits: Limits, clock: Callable[[], datetime]) -> None:
        """Make what answers.

        Args:
            batches: Changes many runs.
            limits: What a request and an answer may hold.
            clock: Tells the time, for estimates.
        """
        self._batches = batches
        self._limits = limits
        self._clock = clock

    async def create(
        self, request: pb.BatchCreateFlowRunsRequest
    ) -> pb.BatchCreateFlowRunsResponse:
        """Create runs.

        Raises:
            HeadgateError: The call as a whole is refused.
        """
        outcomes = await self._batches.create(read_batch_create(request, self._limits))
        return answer_batch_create(outcomes, self._limits, self._clock())

    async def set_states(
        self, request: pb.BatchSetFlowRunStatesRequest
    ) -> pb.BatchSetFlowRunStatesResponse:
        """Propose states.

        Raises:
            HeadgateError: The call as a whole is refused.
        """
        changed = await self._batches.set_states(read_batch_set_states(request, self._limits))
        return answer_batch_set_states(changed, self._limits, self._clock())

    async def delete(
        self, request: pb.BatchDeleteFlowRunsRequest
    ) -> pb.BatchDeleteFlowRunsResponse:
        """Delete runs.

        Raises:
            HeadgateError: The call as a whole is refused.
        """
        changed = await self._batches.delete(read_batch_delete(request, self._limits))
        return answer_batch_delete(changed, self._limits, self._clock())
