"""Concurrency limits, which say how many task runs with a tag are RUNNING at once."""

from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta

from headgate import v1 as pb
from headgate._convert import to_concurrency_limit
from headgate._paging import across_pages
from headgate._transport import Transport
from headgate.models import ConcurrencyLimit, CreatedConcurrencyLimit, Id, Page


class ConcurrencyLimits:
    """Keeps concurrency limits, which say how many task runs with a tag are RUNNING at once.

    Every method takes `timeout`, how long the call may take with its repeats (None: the client's
    default), and may raise what any call may: `InvalidRequestError`, `UnavailableError`,
    `OverloadedError`, `DeadlineExceededError`, `InternalError` and `ClientClosedError`.
    """

    def __init__(self, transport: Transport) -> None:
        """Use this way to the server."""
        self._transport = transport
        self._stub = pb.ConcurrencyLimitServiceStub(transport.calls)

    async def create(
        self, tag: str, concurrency_limit: int, *, timeout: timedelta | None = None
    ) -> CreatedConcurrencyLimit:
        """Set the limit of a tag, and create it if the tag has none. Slots that are held stay held.

        Args:
            tag: The tag, 1 to 255 characters.
            concurrency_limit: How many task runs with the tag may be RUNNING at once; 0: none.
            timeout: How long the call may take.

        Returns:
            The limit, and whether it is new.
        """
        request = pb.CreateConcurrencyLimitRequest(tag=tag, concurrency_limit=concurrency_limit)
        answer = await self._transport.call(self._stub.CreateConcurrencyLimit, request, timeout)
        return CreatedConcurrencyLimit(
            concurrency_limit=to_concurrency_limit(answer.concurrency_limit),
            created=answer.created,
        )

    async def get(self, limit_id: Id, *, timeout: timedelta | None = None) -> ConcurrencyLimit:
        """Read one limit by id.

        Args:
            limit_id: The limit.
            timeout: How long the call may take.

        Raises:
            ConcurrencyLimitNotFoundError: There is none.
        """
        request = pb.GetConcurrencyLimitRequest(concurrency_limit_id=str(limit_id))
        answer = await self._transport.call(self._stub.GetConcurrencyLimit, request, timeout)
        return to_concurrency_limit(answer.concurrency_limit)

    async def get_by_tag(self, tag: str, *, timeout: timedelta | None = None) -> ConcurrencyLimit:
        """Read one limit by its tag.

        Args:
            tag: The tag.
            timeout: How long the call may take.

        Raises:
            ConcurrencyLimitNotFoundError: The tag has none.
        """
        request = pb.GetConcurrencyLimitRequest(tag=tag)
        answer = await self._transport.call(self._stub.GetConcurrencyLimit, request, timeout)
        return to_concurrency_limit(answer.concurrency_limit)

    async def reset(
        self, tag: str, *, active_slots: Iterable[Id] = (), timeout: timedelta | None = None
    ) -> ConcurrencyLimit:
        """Take the slots of a limit from who holds them, for repairs.

        Args:
            tag: The tag of the limit.
            active_slots: The task runs that hold a slot from then on.
            timeout: How long the call may take.

        Returns:
            The limit as it now stands.

        Raises:
            ConcurrencyLimitNotFoundError: The tag has none.
            TaskRunNotFoundError: A slot is to be given to a task run that does not exist.
        """
        request = pb.ResetConcurrencyLimitRequest(tag=tag, active_slots=map(str, active_slots))
        answer = await self._transport.call(self._stub.ResetConcurrencyLimit, request, timeout)
        return to_concurrency_limit(answer.concurrency_limit)

    async def delete(self, limit_id: Id, *, timeout: timedelta | None = None) -> None:
        """Delete a limit by id. Task runs with the tag then run without it.

        Args:
            limit_id: The limit.
            timeout: How long the call may take.

        Raises:
            ConcurrencyLimitNotFoundError: There is none.
        """
        request = pb.DeleteConcurrencyLimitRequest(concurrency_limit_id=str(limit_id))
        await self._transport.call(self._stub.DeleteConcurrencyLimit, request, timeout)

    async def delete_by_tag(self, tag: str, *, timeout: timedelta | None = None) -> None:
        """Delete a limit by its tag. Task runs with the tag then run without it.

        Args:
            tag: The tag.
            timeout: How long the call may take.

        Raises:
            ConcurrencyLimitNotFoundError: The tag has none.
        """
        request = pb.DeleteConcurrencyLimitRequest(tag=tag)
        await self._transport.call(self._stub.DeleteConcurrencyLimit, request, timeout)

    def iterate(
        self, *, page_size: int = 0, offset: int = 0, timeout: timedelta | None = None
    ) -> AsyncGenerator[ConcurrencyLimit, None]:
        """Yield all limits by tag, reading page after page.

        Args:
            page_size: How many to read at once; 0 means 200, at most 1,000.
            offset: How many to skip.
            timeout: How long the reading of one page may take.
        """
        return across_pages(
            lambda token: self.list(
                page_size=page_size, page_token=token, offset=offset, timeout=timeout
            )
        )

    async def list(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        offset: int = 0,
        timeout: timedelta | None = None,
    ) -> Page[ConcurrencyLimit]:
        """Read one page of the limits by tag.

        Args:
            page_size: How many to return at most; 0 means 200, at most 1,000.
            page_token: The `next_page_token` of the page before. Empty: the first page.
            offset: How many to skip before the first page.
            timeout: How long the call may take.

        Raises:
            PageTokenMismatchError: The token belongs to another list.
        """
        request = pb.ListConcurrencyLimitsRequest(
            page_size=page_size, page_token=page_token, offset=offset
        )
        answer = await self._transport.call(self._stub.ListConcurrencyLimits, request, timeout)
        return Page(
            items=tuple(to_concurrency_limit(each) for each in answer.concurrency_limits),
            next_page_token=answer.next_page_token,
        )
