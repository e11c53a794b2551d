"""Work queues, in which runs wait for the workers of a work pool."""

from collections.abc import AsyncGenerator
from datetime import timedelta

from google.protobuf.field_mask_pb2 import FieldMask

from headgate import v1 as pb
from headgate._convert_filters import from_work_queue_filter
from headgate._convert_work import from_queue_key, to_health, to_work_queue
from headgate._paging import across_pages
from headgate._transport import Transport
from headgate.filters import WorkQueueFilter
from headgate.models import UNSET, Page, Unset
from headgate.work_models import QueueKey, WorkQueue, WorkQueueWithHealth


class WorkQueues:
    """Keeps work queues, in which runs wait for the workers of a work pool.

    Every method takes `timeout`, how long the call may take with its repeats (None: the client's
    default), and may raise what any call may: `InvalidRequestError`, `UnavailableError`,
    `OverloadedError`, `DeadlineExceededError`, `InternalError` and `ClientClosedError`.
    """

    def __init__(self, transport: Transport) -> None:
        """Use this way to the server."""
        self._transport = transport
        self._stub = pb.WorkPoolServiceStub(transport.calls)

    async def create(
        self,
        work_pool_name: str,
        name: str,
        *,
        description: str = "",
        paused: bool = False,
        concurrency_limit: int | None = None,
        priority: int | None = None,
        timeout: timedelta | None = None,
    ) -> WorkQueue:
        """Create a queue in a work pool.

        Args:
            work_pool_name: The name of the work pool.
            name: The name of the queue, unique within the work pool.
            description: What it is for, in words.
            paused: Whether nothing is handed out at first.
            concurrency_limit: How many of its runs may be RUNNING or PENDING at once. None: any
                number.
            priority: Its place within the work pool, 1 first; queues that stand there move back.
                None: the lowest that is free.
            timeout: How long the call may take.

        Raises:
            WorkPoolNotFoundError: There is no such work pool.
            WorkQueueExistsError: The work pool has a queue with this name.
        """
        request = pb.CreateWorkQueueRequest(
            work_pool_name=work_pool_name,
            name=name,
            description=description,
            paused=paused,
            concurrency_limit=concurrency_limit,
            priority=priority,
        )
        answer = await self._transport.call(self._stub.CreateWorkQueue, request, timeout)
        return to_work_queue(answer.work_queue)

    async def get(self, work_queue: QueueKey, *, timeout: timedelta | None = None) -> WorkQueue:
        """Read one queue.

        Args:
            work_queue: Its id, or the names of its work pool and of itself.
            timeout: How long the call may take.

        Raises:
            WorkPoolNotFoundError: There is no such work pool.
            WorkQueueNotFoundError: There is no such queue.
        """
        request = pb.GetWorkQueueRequest(work_queue=from_queue_key(work_queue))
        answer = await self._transport.call(self._stub.GetWorkQueue, request, timeout)
        return to_work_queue(answer.work_queue)

    async def get_status(
        self, work_queue: QueueKey, *, timeout: timedelta | None = None
    ) -> WorkQueueWithHealth:
        """Read one queue and how well it is served.

        Args:
            work_queue: Its id, or the names of its work pool and of itself.
            timeout: How long the call may take.

        Raises:
            WorkPoolNotFoundError: There is no such work pool.
            WorkQueueNotFoundError: There is no such queue.
        """
        request = pb.GetWorkQueueStatusRequest(work_queue=from_queue_key(work_queue))
        answer = await self._transport.call(self._stub.GetWorkQueueStatus, request, timeout)
        return WorkQueueWithHealth(
            work_queue=to_work_queue(answer.work_queue), health=to_health(answer.health)
        )

    async def update(
        self,
        work_queue: QueueKey,
        *,
        name: str | Unset = UNSET,
        description: str | Unset = UNSET,
        paused: bool | Unset = UNSET,
        concurrency_limit: int | Unset | None = UNSET,
        priority: int | Unset = UNSET,
        timeout: timedelta | None = None,
    ) -> WorkQueue:
        """Change fields of a queue. What is not given stays.

        Args:
            work_queue: Its id, or the names of its work pool and of itself.
            name: The new name.
            description: What it is for, in words.
            paused: Whether nothing is handed out.
            concurrency_limit: How many of its runs may be RUNNING or PENDING at once. None: any
                number.
            priority: Its place within the work pool, 1 first; queues that stand there move back.
            timeout: How long the call may take.

        Returns:
            The queue as it now stands.

        Raises:
            WorkPoolNotFoundError: There is no such work pool.
            WorkQueueNotFoundError: There is no such queue.
            WorkQueueExistsError: Another queue of the work pool has the new name.
            InvalidRequestError: Nothing is to be changed, or a value is not allowed.
        """
        request = pb.UpdateWorkQueueRequest(
            work_queue=from_queue_key(work_queue), update_mask=FieldMask()
        )
        for field, value in (
            ("name", name),
            ("description", description),
            ("paused", paused),
            ("concurrency_limit", concurrency_limit),
            ("priority", priority),
        ):
            if not isinstance(value, Unset):
                request.update_mask.paths.append(field)
                if value is not None:
                    setattr(request, field, value)
        answer = await self._transport.call(self._stub.UpdateWorkQueue, request, timeout)
        return to_work_queue(answer.work_queue)

    async def delete(self, work_queue: QueueKey, *, timeout: timedelta | None = None) -> None:
        """Delete a queue. Runs and deployments stay, without a queue.

        Args:
            work_queue: Its id, or the names of its work pool and of itself.
            timeout: How long the call may take.

        Raises:
            WorkPoolNotFoundError: There is no such work pool.
            WorkQueueNotFoundError: There is no such queue.
            WorkQueueIsDefaultError: It is the default queue of its work pool.
        """
        request = pb.DeleteWorkQueueRequest(work_queue=from_queue_key(work_queue))
        await self._transport.call(self._stub.DeleteWorkQueue, request, timeout)

    def iterate(
        self,
        work_pool_name: str = "",
        work_queues: WorkQueueFilter | None = None,
        *,
        page_size: int = 0,
        timeout: timedelta | None = None,
    ) -> AsyncGenerator[WorkQueue, None]:
        """Yield all queues that match, reading page after page.

        Args:
            work_pool_name: The work pool whose queues to read, by priority. Empty: those of all,
                by name.
            work_queues: Conditions on the queues. None: every queue.
            page_size: How many to read at once; 0 means 200, at most 1,000.
            timeout: How long the reading of one page may take.
        """
        return across_pages(
            lambda token: self.list(
                work_pool_name,
                work_queues,
                page_size=page_size,
                page_token=token,
                timeout=timeout,
            )
        )

    async def list(
        self,
        work_pool_name: str = "",
        work_queues: WorkQueueFilter | None = None,
        *,
        page_size: int = 0,
        page_token: str = "",
        offset: int = 0,
        timeout: timedelta | None = None,
    ) -> Page[WorkQueue]:
        """Read one page of the queues that match.

        Args:
            work_pool_name: The work pool whose queues to read, by priority. Empty: those of all,
                by name.
            work_queues: Conditions on the queues. None: every queue.
            page_size: How many to return at most; 0 means 200, at most 1,000.
            page_token: The `next_page_token` of the page before. Empty: the first page.
            offset: How many to skip before the first page.
            timeout: How long the call may take.

        Raises:
            WorkPoolNotFoundError: There is no such work pool.
            PageTokenMismatchError: The token belongs to a list with other arguments.
        """
        request = pb.ListWorkQueuesRequest(
            work_pool_name=work_pool_name,
            work_queues=from_work_queue_filter(work_queues),
            page_size=page_size,
            page_token=page_token,
            offset=offset,
        )
        answer = await self._transport.call(self._stub.ListWorkQueues, request, timeout)
        return Page(
            items=tuple(map(to_work_queue, answer.work_queues)),
            next_page_token=answer.next_page_token,
        )
