"""The reflection service of gRPC: what services there are, for tools without the contract.

There are two versions of its protocol that differ in name only. Newer tools ask for v1 first and older ones know v1alpha only, so
both are served; the library at hand knows the older one.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Final, cast

from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message
from grpc_reflection.v1alpha import reflection, reflection_pb2

from headgate_server.rpc.access_log import Context

V1ALPHA: Final = "grpc.reflection.v1alpha.ServerReflection"
V1: Final = "grpc.reflection.v1.ServerReflection"


class Reflection:
    """Describes services."""

    def __init__(self, services: Iterable[str]) -> None:
        """Describe the services with these full names, and reflection itself."""
        _describe_v1()
        self._servicer = reflection.aio.ReflectionServicer([*services, V1, V1ALPHA])

    async def ServerReflectionInfo(  # noqa: N802 - the protocol names it
        self,
        requests: AsyncIterator[reflection_pb2.ServerReflectionRequest],
        context: Context,
    ) -> None:
        """Answer questions until there are no more."""
        answers = self._servicer.ServerReflectionInfo(_resolvable(requests), context)
        async for answer in cast(
            "AsyncIterator[Message]", answers
        ):  # typed as a coroutine, is none
            await context.write(answer)


async def _resolvable(
    requests: AsyncIterator[reflection_pb2.ServerReflectionRequest],
) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    """Ask for the service where a method is asked for: the library finds no file for a method."""
    async for request in requests:
        try:
            descriptor_pool.Default().FindMethodByName(request.file_containing_symbol)
        except KeyError:
            pass
        else:
            service, _, _ = request.file_containing_symbol.rpartition(".")
            request.file_containing_symbol = service
        yield request


def _describe_v1() -> None:
    """Let v1 be described too, which is v1alpha by another name."""
    pool = descriptor_pool.Default()
    try:
        pool.FindServiceByName(V1)
    except KeyError:
        v1alpha = FileDescriptorProto()
        reflection_pb2.DESCRIPTOR.CopyToProto(v1alpha)
        text = text_format.MessageToString(v1alpha).replace("v1alpha", "v1")
        v1 = text_format.Parse(text, FileDescriptorProto())
        pool.AddSerializedFile(v1.SerializeToString())
