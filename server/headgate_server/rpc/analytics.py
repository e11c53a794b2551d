"""The methods of the services of runs that tell what many runs say together, and what one run did."""

from collections.abc import Callable
from datetime import datetime

from typing_extensions import override

from headgate import v1 as pb
from headgate_server.model.server_info import Limits
from headgate_server.operations.analytics import Analytics
from headgate_server.rpc.access_log import Context
from headgate_server.rpc.convert.graphs import (
    answer_graph,
    read_get_graph,
    read_list_dependencies,
    write_dependencies_page,
)
from headgate_server.rpc.convert.history import (
    answer_lateness,
    read_history,
    read_lateness,
    write_history,
)


class FlowRunAnalytics(pb.FlowRunServiceServicer):
    """Answers questions about flow runs; a part of the servicer of flow runs."""

    def __init__(
        self, analytics: Analytics, *, limits: Limits, clock: Callable[[], datetime]
    ) -> None:
        self._analytics = analytics
        self._limits = limits
        self._clock = clock

    @override
    async def GetFlowRunHistory(
        self, request: pb.GetFlowRunHistoryRequest, context: Context
    ) -> pb.GetFlowRunHistoryResponse:
        response = pb.GetFlowRunHistoryResponse()
        history = await self._analytics.flow_run_history(*read_history(request, self._limits))
        write_history(history, response)
        return response

    @override
    async def GetFlowRunLateness(
        self, request: pb.GetFlowRunLatenessRequest, context: Context
    ) -> pb.GetFlowRunLatenessResponse:
        query = read_lateness(request, self._limits)
        return answer_lateness(await self._analytics.average_lateness(query))

    @override
    async def GetFlowRunGraph(
        self, request: pb.GetFlowRunGraphRequest, context: Context
    ) -> pb.GetFlowRunGraphResponse:
        graph = await self._analytics.graph(*read_get_graph(request, self._limits))
        return answer_graph(graph, self._limits)

    @override
    async def ListFlowRunDependencies(
        self, request: pb.ListFlowRunDependenciesRequest, context: Context
    ) -> pb.ListFlowRunDependenciesResponse:
        response = pb.ListFlowRunDependenciesResponse()
        flow_run_id, page = read_list_dependencies(request, self._limits)
        listed = await self._analytics.list_dependencies(flow_run_id, page)
        write_dependencies_page(listed, response, self._clock())
        return response


class TaskRunAnalytics(pb.TaskRunServiceServicer):
    """Answers questions about task runs; a part of the servicer of task runs."""

    def __init__(self, analytics: Analytics, *, limits: Limits) -> None:
        self._analytics = analytics
        self._limits = limits

    @override
    async def GetTaskRunHistory(
        self, request: pb.GetTaskRunHistoryRequest, context: Context
    ) -> pb.GetTaskRunHistoryResponse:
        response = pb.GetTaskRunHistoryResponse()
        history = await self._analytics.task_run_history(*read_history(request, self._limits))
        write_history(history, response)
        return response
