"""WorkPoolService: work pools, their queues and their workers, as the contract tells of them."""

from collections.abc import Callable
from datetime import datetime

from typing_extensions import override

from headgate import v1 as pb
from headgate_server.model.server_info import Limits
from headgate_server.operations.polling import Polling
from headgate_server.operations.work_pools import WorkPools
from headgate_server.operations.work_queues import WorkQueues
from headgate_server.operations.workers import Workers
from headgate_server.rpc.access_log import Context
from headgate_server.rpc.convert.work_pools import (
    read_create_work_pool,
    read_delete_work_pool,
    read_get_work_pool,
    read_list_work_pools,
    read_update_work_pool,
    write_work_pool,
    write_work_pool_page,
)
from headgate_server.rpc.convert.work_queues import (
    read_create_work_queue,
    read_delete_work_queue,
    read_list_work_queues,
    read_queue_key,
    read_update_work_queue,
    write_health,
    write_work_queue,
    write_work_queue_page,
)
from headgate_server.rpc.convert.workers import (
    read_heartbeat,
    read_list_workers,
    read_poll,
    write_due_run,
    write_worker,
    write_worker_page,
)
from headgate_server.rpc.due import DueRunWatches


class WorkPoolServicer(pb.WorkPoolServiceServicer):
    """Answers calls about work pools, queues and workers."""

    def __init__(
        self,
        pools: WorkPools,
        queues: WorkQueues,
        workers: Workers,
        polling: Polling,
        due: DueRunWatches,
        *,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        """Make the servicer.

        Args:
            pools: Work pools.
            queues: Their queues.
            workers: Their workers.
            polling: Hands runs to workers that ask.
            due: Sends runs to workers that wait.
            limits: What a request may hold.
            clock: Tells the time, for estimates.
        """
        self._pools = pools
        self._queues = queues
        self._workers = workers
        self._polling = polling
        self._due = due
        self._limits = limits
        self._clock = clock

    @override
    async def CreateWorkPool(
        self, request: pb.CreateWorkPoolRequest, context: Context
    ) -> pb.CreateWorkPoolResponse:
        found = await self._pools.create(read_create_work_pool(request, self._limits))
        response = pb.CreateWorkPoolResponse()
        write_work_pool(found, response.work_pool)
        return response

    @override
    async def GetWorkPool(
        self, request: pb.GetWorkPoolRequest, context: Context
    ) -> pb.GetWorkPoolResponse:
        found = await self._pools.get(read_get_work_pool(request, self._limits))
        response = pb.GetWorkPoolResponse()
        write_work_pool(found, response.work_pool)
        return response

    @override
    async def ListWorkPools(
        self, request: pb.ListWorkPoolsRequest, context: Context
    ) -> pb.ListWorkPoolsResponse:
        response = pb.ListWorkPoolsResponse()
        page = await self._pools.list_page(*read_list_work_pools(request, self._limits))
        write_work_pool_page(page, response)
        return response

    @override
    async def UpdateWorkPool(
        self, request: pb.UpdateWorkPoolRequest, context: Context
    ) -> pb.UpdateWorkPoolResponse:
        found = await self._pools.update(read_update_work_pool(request, self._limits))
        response = pb.UpdateWorkPoolResponse()
        write_work_pool(found, response.work_pool)
        return response

    @override
    async def DeleteWorkPool(
        self, request: pb.DeleteWorkPoolRequest, context: Context
    ) -> pb.DeleteWorkPoolResponse:
        await self._pools.delete(read_delete_work_pool(request, self._limits))
        return pb.DeleteWorkPoolResponse()

    @override
    async def CreateWorkQueue(
        self, request: pb.CreateWorkQueueRequest, context: Context
    ) -> pb.CreateWorkQueueResponse:
        found = await self._queues.create(read_create_work_queue(request, self._limits))
        response = pb.CreateWorkQueueResponse()
        write_work_queue(found, response.work_queue)
        return response

    @override
    async def GetWorkQueue(
        self, request: pb.GetWorkQueueRequest, context: Context
    ) -> pb.GetWorkQueueResponse:
        found = await self._queues.get(read_queue_key(request, self._limits))
        response = pb.GetWorkQueueResponse()
        write_work_queue(found, response.work_queue)
        return response

    @override
    async def ListWorkQueues(
        self, request: pb.ListWorkQueuesRequest, context: Context
    ) -> pb.ListWorkQueuesResponse:
        response = pb.ListWorkQueuesResponse()
        page = await self._queues.list_page(*read_list_work_queues(request, self._limits))
        write_work_queue_page(page, response)
        return response

    @override
    async def UpdateWorkQueue(
        self, request: pb.UpdateWorkQueueRequest, context: Context
    ) -> pb.UpdateWorkQueueResponse:
        found = await self._queues.update(read_update_work_queue(request, self._limits))
        response = pb.UpdateWorkQueueResponse()
        write_work_queue(found, response.work_queue)
        return response

    @override
    async def DeleteWorkQueue(
        self, request: pb.DeleteWorkQueueRequest, context: Context
    ) -> pb.DeleteWorkQueueResponse:
        await self._queues.delete(read_delete_work_queue(request, self._limits))
        return pb.DeleteWorkQueueResponse()

    @override
    async def GetWorkQueueStatus(
        self, request: pb.GetWorkQueueStatusRequest, context: Context
    ) -> pb.GetWorkQueueStatusResponse:
        queue, health = await self._queues.health(read_queue_key(request, self._limits))
        response = pb.GetWorkQueueStatusResponse()
        write_work_queue(queue, response.work_queue)
        write_health(health, response.health)
        return response

    @override
    async def HeartbeatWorker(
        self, request: pb.HeartbeatWorkerRequest, context: Context
    ) -> pb.HeartbeatWorkerResponse:
        found = await self._workers.heartbeat(read_heartbeat(request, self._limits))
        response = pb.HeartbeatWorkerResponse()
        write_worker(found, response.worker)
        return response

    @override
    async def ListWorkers(
        self, request: pb.ListWorkersRequest, context: Context
    ) -> pb.ListWorkersResponse:
        response = pb.ListWorkersResponse()
        page = await self._workers.list_page(*read_list_workers(request, self._limits))
        write_worker_page(page, response)
        return response

    @override
    async def PollFlowRuns(
        self, request: pb.PollFlowRunsRequest, context: Context
    ) -> pb.PollFlowRunsResponse:
        due = await self._polling.poll(read_poll(request, self._limits))
        response, now = pb.PollFlowRunsResponse(), self._clock()
        for each in due:
            write_due_run(each, response.due_flow_runs.add(), now)
        return response

    @override
    async def WatchDueFlowRuns(  # type: ignore[override]  # writes to the context instead of yielding
        self, request: pb.WatchDueFlowRunsRequest, context: Context
    ) -> None:
        await self._due.send(request, context)
