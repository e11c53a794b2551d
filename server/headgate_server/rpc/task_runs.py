"""TaskRunService: task runs and their states, as the contract tells of them."""

from collections.abc import Callable
from datetime import datetime

from typing_extensions import override

from headgate import v1 as pb
from headgate_server.model.server_info import Limits
from headgate_server.operations.analytics import Analytics
from headgate_server.operations.task_runs import TaskRuns
from headgate_server.operations.task_transitions import TaskTransitions
from headgate_server.rpc.access_log import Context
from headgate_server.rpc.analytics import TaskRunAnalytics
from headgate_server.rpc.convert.task_runs import (
    read_count_task_runs,
    read_create_task_run,
    read_delete_task_run,
    read_get_task_run,
    read_list_task_runs,
    read_update_task_run,
    write_task_run,
    write_task_run_page,
)
from headgate_server.rpc.convert.task_transitions import (
    answer_task_proposal,
    read_list_task_states,
    read_task_proposal,
    write_task_state_page,
)
from headgate_server.rpc.watch import TaskRunWatches


class TaskRunServicer(TaskRunAnalytics):
    """Answers calls about task runs."""

    def __init__(
        self,
        task_runs: TaskRuns,
        transitions: TaskTransitions,
        watches: TaskRunWatches,
        analytics: Analytics,
        *,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        """Make a servicer.

        Args:
            task_runs: Creates, reads, changes and deletes task runs.
            transitions: Judges proposals.
            watches: Sends what happens to task runs.
            analytics: Answers questions about many task runs at once.
            limits: What a request may hold.
            clock: Tells the time, for estimates.
        """
        super().__init__(analytics, limits=limits)
        self._task_runs = task_runs
        self._transitions = transitions
        self._watches = watches
        self._clock = clock

    @override
    async def CreateTaskRun(
        self, request: pb.CreateTaskRunRequest, context: Context
    ) -> pb.CreateTaskRunResponse:
        answer = await self._task_runs.create(read_create_task_run(request, self._limits))
        response = pb.CreateTaskRunResponse(created=answer.created, revision=answer.revision)
        write_task_run(answer.task_run, response.task_run, self._clock())
        return response

    @override
    async def GetTaskRun(
        self, request: pb.GetTaskRunRequest, context: Context
    ) -> pb.GetTaskRunResponse:
        task_run_id, is_full, revision = read_get_task_run(request, self._limits)
        task_run = await self._task_runs.get(task_run_id, is_full=is_full, min_revision=revision)
        response = pb.GetTaskRunResponse()
        write_task_run(task_run, response.task_run, self._clock())
        return response

    @override
    async def ListTaskRuns(
        self, request: pb.ListTaskRunsRequest, context: Context
    ) -> pb.ListTaskRunsResponse:
        query, sort, page, is_full, revision = read_list_task_runs(request, self._limits)
        task_runs = await self._task_runs.list_page(
            query, sort, page, is_full=is_full, min_revision=revision
        )
        response = pb.ListTaskRunsResponse()
        write_task_run_page(task_runs, response, self._clock())
        return response

    @override
    async def CountTaskRuns(
        self, request: pb.CountTaskRunsRequest, context: Context
    ) -> pb.CountTaskRunsResponse:
        count = await self._task_runs.count(read_count_task_runs(request, self._limits))
        return pb.CountTaskRunsResponse(count=count)

    @override
    async def UpdateTaskRun(
        self, request: pb.UpdateTaskRunRequest, context: Context
    ) -> pb.UpdateTaskRunResponse:
        answer = await self._task_runs.update(read_update_task_run(request, self._limits))
        response = pb.UpdateTaskRunResponse(revision=answer.revision)
        write_task_run(answer.task_run, response.task_run, self._clock())
        return response

    @override
    async def DeleteTaskRun(
        self, request: pb.DeleteTaskRunRequest, context: Context
    ) -> pb.DeleteTaskRunResponse:
        revision = await self._task_runs.delete(read_delete_task_run(request, self._limits))
        return pb.DeleteTaskRunResponse(revision=revision)

    @override
    async def SetTaskRunState(
        self, request: pb.SetTaskRunStateRequest, context: Context
    ) -> pb.SetTaskRunStateResponse:
        proposal = read_task_proposal(request, self._limits)
        return answer_task_proposal(await self._transitions.propose(proposal))

    @override
    async def ListTaskRunStates(
        self, request: pb.ListTaskRunStatesRequest, context: Context
    ) -> pb.ListTaskRunStatesResponse:
        task_run_id, page = read_list_task_states(request, self._limits)
        flow_run_id, states = await self._task_runs.list_states(task_run_id, page)
        response = pb.ListTaskRunStatesResponse()
        write_task_state_page(states, flow_run_id, task_run_id, response)
        return response

    @override
    async def WatchTaskRuns(  # type: ignore[override]  # writes to the context instead of yielding
        self, request: pb.WatchTaskRunsRequest, context: Context
    ) -> None:
        await self._watches.send(request, context)
