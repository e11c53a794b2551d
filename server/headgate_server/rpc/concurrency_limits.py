"""ConcurrencyLimitService: concurrency limits, as the contract tells of them."""

from typing_extensions import override

from headgate import v1 as pb
from headgate_server.model.server_info import Limits
from headgate_server.operations.concurrency_limits import ConcurrencyLimits
from headgate_server.rpc.access_log import Context
from headgate_server.rpc.convert.concurrency_limits import (
    read_create_limit,
    read_delete_limit,
    read_get_limit,
    read_list_limits,
    read_reset_limit,
    write_limit,
    write_limit_page,
)


class ConcurrencyLimitServicer(pb.ConcurrencyLimitServiceServicer):
    """Answers calls about concurrency limits."""

    def __init__(self, concurrency_limits: ConcurrencyLimits, *, limits: Limits) -> None:
        self._concurrency_limits = concurrency_limits
        self._limits = limits

    @override
    async def CreateConcurrencyLimit(
        self, request: pb.CreateConcurrencyLimitRequest, context: Context
    ) -> pb.CreateConcurrencyLimitResponse:
        command = read_create_limit(request, self._limits)
        limit, created = await self._concurrency_limits.create(command)
        response = pb.CreateConcurrencyLimitResponse(created=created)
        write_limit(limit, response.concurrency_limit)
        return response

    @override
    async def GetConcurrencyLimit(
        self, request: pb.GetConcurrencyLimitRequest, context: Context
    ) -> pb.GetConcurrencyLimitResponse:
        limit = await self._concurrency_limits.get(read_get_limit(request, self._limits))
        response = pb.GetConcurrencyLimitResponse()
        write_limit(limit, response.concurrency_limit)
        return response

    @override
    async def ListConcurrencyLimits(
        self, request: pb.ListConcurrencyLimitsRequest, context: Context
    ) -> pb.ListConcurrencyLimitsResponse:
        page = await self._concurrency_limits.list_page(read_list_limits(request, self._limits))
        response = pb.ListConcurrencyLimitsResponse()
        write_limit_page(page, response)
        return response

    @override
    async def ResetConcurrencyLimit(
        self, request: pb.ResetConcurrencyLimitRequest, context: Context
    ) -> pb.ResetConcurrencyLimitResponse:
        limit = await self._concurrency_limits.reset(read_reset_limit(request, self._limits))
        response = pb.ResetConcurrencyLimitResponse()
        write_limit(limit, response.concurrency_limit)
        return response

    @override
    async def DeleteConcurrencyLimit(
        self, request: pb.DeleteConcurrencyLimitRequest, context: Context
    ) -> pb.DeleteConcurrencyLimitResponse:
        await self._concurrency_limits.delete(read_delete_limit(request, self._limits))
        return pb.DeleteConcurrencyLimitResponse()
