"""FlowRunService: flow runs and their states, as the contract tells of them."""

from collections.abc import Callable
from datetime import datetime

from typing_extensions import override

from headgate import v1 as pb
from headgate_server.model.server_info import Limits
from headgate_server.operations.analytics import Analytics
from headgate_server.operations.flow_runs import FlowRuns
from headgate_server.operations.resume import Resuming
from headgate_server.operations.transitions import Transitions
from headgate_server.operations.waiting import Waiting
from headgate_server.rpc.access_log import Context
from headgate_server.rpc.analytics import FlowRunAnalytics
from headgate_server.rpc.batches import FlowRunBatches
from headgate_server.rpc.convert.flow_runs import (
    read_count_flow_runs,
    read_create_flow_run,
    read_delete_flow_run,
    read_get_flow_run,
    read_list_flow_runs,
    write_flow_run,
    write_flow_run_page,
)
from headgate_server.rpc.convert.transitions import (
    answer_proposal,
    answer_resume,
    read_list_states,
    read_proposal,
    read_resume,
    write_state_page,
)
from headgate_server.rpc.convert.updates import read_update_flow_run
from headgate_server.rpc.convert.watching import read_wait
from headgate_server.rpc.watch import FlowRunWatches


class FlowRunServicer(FlowRunAnalytics):
    """Answers calls about flow runs."""

    def __init__(
        self,
        flow_runs: FlowRuns,
        transitions: Transitions,
        resuming: Resuming,
        waiting: Waiting,
        watches: FlowRunWatches,
        analytics: Analytics,
        batches: FlowRunBatches,
        *,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        """Make a servicer.

        Args:
            flow_runs: Creates, reads, changes and deletes runs.
            transitions: Judges proposals.
            resuming: Resumes paused runs.
            waiting: Waits for runs.
            watches: Sends what happens to runs.
            analytics: Answers questions about many runs at once.
            batches: Changes many runs at once.
            limits: What a request may hold.
            clock: Tells the time, for estimates.
        """
        super().__init__(analytics, limits=limits, clock=clock)
        self._flow_runs = flow_runs
        self._transitions = transitions
        self._resuming = resuming
        self._waiting = waiting
        self._watches = watches
        self._batches = batches

    @override
    async def CreateFlowRun(
        self, request: pb.CreateFlowRunRequest, context: Context
    ) -> pb.CreateFlowRunResponse:
        answer = await self._flow_runs.create(read_create_flow_run(request, self._limits))
        response = pb.CreateFlowRunResponse(created=answer.created, revision=answer.revision)
        write_flow_run(answer.run, response.flow_run, self._clock())
        return response

    @override
    async def GetFlowRun(
        self, request: pb.GetFlowRunRequest, context: Context
    ) -> pb.GetFlowRunResponse:
        flow_run_id, is_full, revision = read_get_flow_run(request, self._limits)
        run = await self._flow_runs.get(flow_run_id, is_full=is_full, min_revision=revision)
        response = pb.GetFlowRunResponse()
        write_flow_run(run, response.flow_run, self._clock())
        return response

    @override
    async def ListFlowRuns(
        self, request: pb.ListFlowRunsRequest, context: Context
    ) -> pb.ListFlowRunsResponse:
        query, sort, page, is_full, revision = read_list_flow_runs(request, self._limits)
        runs = await self._flow_runs.list_page(
            query, sort, page, is_full=is_full, min_revision=revision
        )
        response = pb.ListFlowRunsResponse()
        write_flow_run_page(runs, response, self._clock())
        return response

    @override
    async def CountFlowRuns(
        self, request: pb.CountFlowRunsRequest, context: Context
    ) -> pb.CountFlowRunsResponse:
        count = await self._flow_runs.count(read_count_flow_runs(request, self._limits))
        return pb.CountFlowRunsResponse(count=count)

    @override
    async def UpdateFlowRun(
        self, request: pb.UpdateFlowRunRequest, context: Context
    ) -> pb.UpdateFlowRunResponse:
        answer = await self._flow_runs.update(read_update_flow_run(request, self._limits))
        response = pb.UpdateFlowRunResponse(revision=answer.revision)
        write_flow_run(answer.run, response.flow_run, self._clock())
        return response

    @override
    async def DeleteFlowRun(
        self, request: pb.DeleteFlowRunRequest, context: Context
    ) -> pb.DeleteFlowRunResponse:
        revision = await self._flow_runs.delete(read_delete_flow_run(request, self._limits))
        return pb.DeleteFlowRunResponse(revision=revision)

    @override
    async def SetFlowRunState(
        self, request: pb.SetFlowRunStateRequest, context: Context
    ) -> pb.SetFlowRunStateResponse:
        return answer_proposal(
            await self._transitions.propose(read_proposal(request, self._limits))
        )

    @override
    async def ResumeFlowRun(
        self, request: pb.ResumeFlowRunRequest, context: Context
    ) -> pb.ResumeFlowRunResponse:
        return answer_resume(await self._resuming.resume(read_resume(request, self._limits)))

    @override
    async def ListFlowRunStates(
        self, request: pb.ListFlowRunStatesRequest, context: Context
    ) -> pb.ListFlowRunStatesResponse:
        flow_run_id, page = read_list_states(request, self._limits)
        response = pb.ListFlowRunStatesResponse()
        states = await self._flow_runs.list_states(flow_run_id, page)
        write_state_page(states, flow_run_id, response)
        return response

    @override
    async def WaitFlowRuns(
        self, request: pb.WaitFlowRunsRequest, context: Context
    ) -> pb.WaitFlowRunsResponse:
        remaining_seconds: float | None = context.time_remaining()
        outcome = await self._waiting.wait(*read_wait(request, self._limits, remaining_seconds))
        response = pb.WaitFlowRunsResponse(done=outcome.done)
        now = self._clock()
        for run in outcome.runs:
            write_flow_run(run, response.flow_runs.add(), now)
        return response

    @override
    async def WatchFlowRuns(  # type: ignore[override]  # writes to the context instead of yielding
        self, request: pb.WatchFlowRunsRequest, context: Context
    ) -> None:
        await self._watches.send(request, context)

    @override
    async def BatchCreateFlowRuns(
        self, request: pb.BatchCreateFlowRunsRequest, context: Context
    ) -> pb.BatchCreateFlowRunsResponse:
        return await self._batches.create(request)

    @override
    async def BatchSetFlowRunStates(
        self, request: pb.BatchSetFlowRunStatesRequest, context: Context
    ) -> pb.BatchSetFlowRunStatesResponse:
        return await self._batches.set_states(request)

    @override
    async def BatchDeleteFlowRuns(
        self, request: pb.BatchDeleteFlowRunsRequest, context: Context
    ) -> pb.BatchDeleteFlowRunsResponse:
        return await self._batches.delete(request)
