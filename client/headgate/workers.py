"""Workers, programs that run what waits in the queues of a work pool."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import datetime, timedelta

from headgate import v1 as pb
from headgate._convert import from_datetime, from_timedelta
from headgate._convert_filters import from_worker_filter
from headgate._convert_work import to_due_flow_run, to_worker
from headgate._due_stream import begun_anew
from headgate._paging import across_pages
from headgate._transport import Transport
from headgate.enums import FlowRunView
from headgate.filters import WorkerFilter
from headgate.models import Page
from headgate.work_models import DueFlowRun, Worker


class Workers:
    """Keeps workers, and hands them the runs that they may start.

    Nothing that hands out a run claims it: whoever wants to start it proposes PENDING for it, and
    was too late if that is answered by ABORT.

    Every method takes `timeout`, how long the call may take with its repeats (None: the client's
    default), and may raise what any call may: `InvalidRequestError`, `UnavailableError`,
    `OverloadedError`, `DeadlineExceededError`, `InternalError` and `ClientClosedError`.
    """

    def __init__(self, transport: Transport) -> None:
        """Use this way to the server."""
        self._transport = transport
        self._stub = pb.WorkPoolServiceStub(transport.calls)
        self._watch_stub = pb.WorkPoolServiceStub(transport.watches)

    async def heartbeat(
        self,
        work_pool_name: str,
        name: str,
        *,
        heartbeat_interval: timedelta | None = None,
        timeout: timedelta | None = None,
    ) -> Worker:
        """Report that a worker is there; the first report makes it known.

        Args:
            work_pool_name: The name of the work pool that it serves.
            name: The name of the worker, unique within the work pool.
            heartbeat_interval: How often it reports. None: as it said before.
            timeout: How long the call may take.

        Returns:
            The worker as it now stands.

        Raises:
            WorkPoolNotFoundError: There is no such work pool.
        """
        request = pb.HeartbeatWorkerRequest(
            work_pool_name=work_pool_name,
            name=name,
            heartbeat_interval=None
            if heartbeat_interval is None
            else from_timedelta(heartbeat_interval),
        )
        answer = await self._transport.call(self._stub.HeartbeatWorker, request, timeout)
        return to_worker(answer.worker)

    async def poll_flow_runs(
        self,
        work_pool_name: str,
        work_queue_names: Iterable[str] = (),
        *,
        scheduled_before: datetime | None = None,
        scheduled_after: datetime | None = None,
        limit: int = 0,
        view: FlowRunView = FlowRunView.BASIC,
        timeout: timedelta | None = None,
    ) -> tuple[DueFlowRun, ...]:
        """Read the runs that a worker may start, within the limits of the queues and the work pool.

        Args:
            work_pool_name: The name of the work pool.
            work_queue_names: The names of the queues to look into. None of them: all.
            scheduled_before: Only runs that are due at or before this time. None: all, however far
                ahead they are due.
            scheduled_after: Only runs that are due at or after this time. None: all.
            limit: How many to return at most; 0 means 200, at most 1,000.
            view: How much to read of each run.
            timeout: How long the call may take.

        Returns:
            The runs, by the priority of their queues, then by the times at which they are due.

        Raises:
            WorkPoolNotFoundError: There is no such work pool.
            WorkQueueNotFoundError: It has no queue with one of the names.
        """
        request = pb.PollFlowRunsRequest(
            work_pool_name=work_pool_name,
            work_queue_names=work_queue_names,
            scheduled_before=None
            if scheduled_before is None
            else from_datetime(scheduled_before, "scheduled_before"),
            scheduled_after=None
            if scheduled_after is None
            else from_datetime(scheduled_after, "scheduled_after"),
            limit=limit,
            view=pb.FlowRunView.Value(f"FLOW_RUN_VIEW_{view}"),
        )
        answer = await self._transport.call(self._stub.PollFlowRuns, request, timeout)
        return tuple(map(to_due_flow_run, answer.due_flow_runs))

    async def watch_due_flow_runs(
        self,
        work_pool_name: str,
        work_queue_names: Iterable[str] = (),
        *,
        prefetch: timedelta | None = None,
        view: FlowRunView = FlowRunView.BASIC,
    ) -> AsyncGenerator[DueFlowRun, None]:
        """Yield the runs that a worker may start, each as it becomes due.

        All that are due now come first. Each run comes once for each of its versions, and again
        after a connection was lost or the server ended the stream, if nobody has claimed it
        meanwhile.

        Args:
            work_pool_name: The name of the work pool.
            work_queue_names: The names of the queues to look into. None of them: all.
            prefetch: How long before it is due a run comes. None: not before.
            view: How much to read of each run.

        Yields:
            The runs. Use `contextlib.aclosing` to end the iteration at a certain point; by itself
            it never ends.

        Raises:
            WorkPoolNotFoundError: There is no such work pool, or no longer.
            WorkQueueNotFoundError: It has no queue with one of the names, or no longer.
            ServerUnreachableError: The server was never reached. A connection that is lost later
                is made again, for as long as it takes.

        Example:
            ```python
            async for due in client.workers.watch_due_flow_runs("my-pool"):
                claim = await client.flow_runs.set_state(due.flow_run.id, headgate.Pending())
                if claim.status is headgate.VerdictStatus.ACCEPT:
                    print("mine:", due.flow_run.name)
            ```
        """
        request = pb.WatchDueFlowRunsRequest(
            work_pool_name=work_pool_name,
            work_queue_names=work_queue_names,
            prefetch=None if prefetch is None else from_timedelta(prefetch),
            view=pb.FlowRunView.Value(f"FLOW_RUN_VIEW_{view}"),
        )
        messages = begun_anew(self._transport, self._watch_stub.WatchDueFlowRuns, request)
        async with aclosing(messages):
            async for message in messages:
                if message.HasField("due"):
                    yield to_due_flow_run(message.due)

    def iterate(
        self,
        work_pool_name: str,
        workers: WorkerFilter | None = None,
        *,
        page_size: int = 0,
        timeout: timedelta | None = None,
    ) -> AsyncGenerator[Worker, None]:
        """Yield all workers of a work pool that match, those that reported last first.

        Args:
            work_pool_name: The name of the work pool.
            workers: Conditions on the workers. None: every worker.
            page_size: How many to read at once; 0 means 200, at most 1,000.
            timeout: How long the reading of one page may take.
        """
        return across_pages(
            lambda token: self.list(
                work_pool_name, workers, page_size=page_size, page_token=token, timeout=timeout
            )
        )

    async def list(
        self,
        work_pool_name: str,
        workers: WorkerFilter | None = None,
        *,
        page_size: int = 0,
        page_token: str = "",
        offset: int = 0,
        timeout: timedelta | None = None,
    ) -> Page[Worker]:
        """Read one page of the workers of a work pool that match, those that reported last first.

        Args:
            work_pool_name: The name of the work pool.
            workers: Conditions on the workers. None: every worker.
            page_size: How many to return at most; 0 means 200, at most 1,000.
            page_token: The `next_page_token` of the page before. Empty: the first page.
            offset: How many to skip before the first page.
            timeout: How long the call may take.

        Raises:
            WorkPoolNotFoundError: There is no such work pool.
            PageTokenMismatchError: The token belongs to a list with other arguments.
        """
        request = pb.ListWorkersRequest(
            work_pool_name=work_pool_name,
            workers=from_worker_filter(workers),
            page_size=page_size,
            page_token=page_token,
            offset=offset,
        )
        answer = await self._transport.call(self._stub.ListWorkers, request, timeout)
        return Page(
            items=tuple(map(to_worker, answer.workers)), next_page_token=answer.next_page_token
        )
