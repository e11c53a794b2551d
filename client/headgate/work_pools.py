"""Work pools, infrastructure that runs flow runs."""

from collections.abc import AsyncGenerator
from datetime import timedelta

from google.protobuf.field_mask_pb2 import FieldMask

from headgate import v1 as pb
from headgate._convert_filters import from_work_pool_filter
from headgate._convert_work import to_work_pool
from headgate._json import to_object_text
from headgate._paging import across_pages
from headgate._transport import Transport
from headgate.filters import WorkPoolFilter
from headgate.models import UNSET, Page, Unset
from headgate.states import JsonObject
from headgate.work_models import WorkPool


class WorkPools:
    """Keeps work pools, infrastructure that runs flow runs.

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
        name: str,
        *,
        type: str = "",
        description: str | None = None,
        base_job_template: JsonObject | None = None,
        paused: bool = False,
        concurrency_limit: int | None = None,
        timeout: timedelta | None = None,
    ) -> WorkPool:
        """Create a work pool with its default queue.

        Args:
            name: The name, unique; none of `/`, `%`, `&`, `<` and `>`, and not beginning with
                `prefect`.
            type: What kind of infrastructure it is. Empty: `prefect-agent`, whose work nobody
                reports.
            description: What it is for, in words.
            base_job_template: How its workers make a job of a run, with `job_configuration` and
                `variables`. None: nothing.
            paused: Whether nothing is handed out at first.
            concurrency_limit: How many of its runs may be RUNNING or PENDING at once. None: any
                number.
            timeout: How long the call may take.

        Raises:
            WorkPoolExistsError: The name is taken.
            WorkPoolNameReservedError: The name is not for callers.
        """
        request = pb.CreateWorkPoolRequest(
            name=name,
            type=type,
            description=description,
            base_job_template_json=None
            if base_job_template is None
            else to_object_text(base_job_template, "base_job_template"),
            paused=paused,
            concurrency_limit=concurrency_limit,
        )
        answer = await self._transport.call(self._stub.CreateWorkPool, request, timeout)
        return to_work_pool(answer.work_pool)

    async def get(self, name: str, *, timeout: timedelta | None = None) -> WorkPool:
        """Read one work pool.

        Args:
            name: The name of the work pool.
            timeout: How long the call may take.

        Raises:
            WorkPoolNotFoundError: There is none.
        """
        request = pb.GetWorkPoolRequest(name=name)
        answer = await self._transport.call(self._stub.GetWorkPool, request, timeout)
        return to_work_pool(answer.work_pool)

    async def update(
        self,
        name: str,
        *,
        description: str | Unset | None = UNSET,
        base_job_template: JsonObject | Unset | None = UNSET,
        paused: bool | Unset = UNSET,
        concurrency_limit: int | Unset | None = UNSET,
        timeout: timedelta | None = None,
    ) -> WorkPool:
        """Change fields of a work pool. What is not given stays.

        Args:
            name: The name of the work pool.
            description: What it is for, in words.
            base_job_template: How its workers make a job of a run. None: nothing.
            paused: Whether nothing is handed out.
            concurrency_limit: How many of its runs may be RUNNING or PENDING at once. None: any
                number.
            timeout: How long the call may take.

        Returns:
            The work pool as it now stands.

        Raises:
            WorkPoolNotFoundError: There is none.
            InvalidRequestError: Nothing is to be changed, or a value is not allowed.
        """
        request = pb.UpdateWorkPoolRequest(name=name, update_mask=FieldMask())
        paths = request.update_mask.paths
        if not isinstance(description, Unset):
            paths.append("description")
            if description is not None:
                request.description = description
        if not isinstance(base_job_template, Unset):
            paths.append("base_job_template_json")
            if base_job_template is not None:
                request.base_job_template_json = to_object_text(
                    base_job_template, "base_job_template"
                )
        if not isinstance(paused, Unset):
            paths.append("paused")
            request.paused = paused
        if not isinstance(concurrency_limit, Unset):
            paths.append("concurrency_limit")
            if concurrency_limit is not None:
                request.concurrency_limit = concurrency_limit
        answer = await self._transport.call(self._stub.UpdateWorkPool, request, timeout)
        return to_work_pool(answer.work_pool)

    async def delete(self, name: str, *, timeout: timedelta | None = None) -> None:
        """Delete a work pool with its queues and workers. Runs and deployments stay, without a queue.

        Args:
            name: The name of the work pool.
            timeout: How long the call may take.

        Raises:
            WorkPoolNotFoundError: There is none.
        """
        request = pb.DeleteWorkPoolRequest(name=name)
        await self._transport.call(self._stub.DeleteWorkPool, request, timeout)

    def iterate(
        self,
        work_pools: WorkPoolFilter | None = None,
        *,
        page_size: int = 0,
        timeout: timedelta | None = None,
    ) -> AsyncGenerator[WorkPool, None]:
        """Yield all work pools that match by name, reading page after page.

        Args:
            work_pools: Conditions on the work pools. None: every work pool.
            page_size: How many to read at once; 0 means 200, at most 1,000.
            timeout: How long the reading of one page may take.
        """
        return across_pages(
            lambda token: self.list(
                work_pools, page_size=page_size, page_token=token, timeout=timeout
            )
        )

    async def list(
        self,
        work_pools: WorkPoolFilter | None = None,
        *,
        page_size: int = 0,
        page_token: str = "",
        offset: int = 0,
        timeout: timedelta | None = None,
    ) -> Page[WorkPool]:
        """Read one page of the work pools that match, by name.

        Args:
            work_pools: Conditions on the work pools. None: every work pool.
            page_size: How many to return at most; 0 means 200, at most 1,000.
            page_token: The `next_page_token` of the page before. Empty: the first page.
            offset: How many to skip before the first page.
            timeout: How long the call may take.

        Raises:
            PageTokenMismatchError: The token belongs to a list with other arguments.
        """
        request = pb.ListWorkPoolsRequest(
            work_pools=from_work_pool_filter(work_pools),
            page_size=page_size,
            page_token=page_token,
            offset=offset,
        )
        answer = await self._transport.call(self._stub.ListWorkPools, request, timeout)
        return Page(
            items=tuple(map(to_work_pool, answer.work_pools)),
            next_page_token=answer.next_page_token,
        )
