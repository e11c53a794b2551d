"""What travels with the status of a refused call."""

from typing import cast

import grpc
import grpc.aio
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status


def status_of(error: grpc.aio.AioRpcError) -> Status:
    """Return the status that travels with an error."""
    status = rpc_status.from_call(cast("grpc.Call", error))  # it asks for no more than both have
    assert status is not None
    return status


def info_of(error: grpc.aio.AioRpcError) -> ErrorInfo:
    """Return the one `ErrorInfo` of a status."""
    status = status_of(error)
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    infos = [each for each in status.details if each.Is(ErrorInfo.DESCRIPTOR)]
    assert len(infos) == 1
    info = ErrorInfo()
    infos[0].Unpack(info)
    return info
