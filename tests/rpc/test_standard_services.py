"""Health and reflection, which every server has."""

from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from headgate_server.rpc.assemble import HEALTH, SERVICES
from headgate_server.rpc.reflection import V1, V1ALPHA
from tests.fakes_operations import Door
from tests.statuses import info_of

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


async def health_of(door: Door, service: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(door.channel)
    response = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    return int(response.status)


def watch_health(door: Door, service: str) -> Any:
    stub: Any = health_pb2_grpc.HealthStub(door.channel)
    return stub.Watch(health_pb2.HealthCheckRequest(service=service))


async def ask(door: Door, protocol: str, **question: Any) -> Any:
    call: Any = door.channel.stream_stream(
        f"/{protocol}/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    [answer] = [
        answer async for answer in call(iter([reflection_pb2.ServerReflectionRequest(**question)]))
    ]
    return answer


@pytest.mark.parametrize("service", ["", *SERVICES])
async def test_a_service_is_well_once_the_server_says_so(door: Door, service: str) -> None:
    before = await health_of(door, service)

    door.health.set(is_serving=True)

    assert (before, await health_of(door, service)) == (NOT_SERVING, SERVING)


async def test_the_health_of_an_unknown_service_is_not_found(door: Door) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health_of(door, "no.such.Service")

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_every_watcher_of_health_is_told_of_every_change(door: Door) -> None:
    watches = [watch_health(door, "") for _ in range(3)]
    told = [[(await watch.read()).status] for watch in watches]
    watches.pop().cancel()

    for is_serving in (True, False):
        door.health.set(is_serving=is_serving)
        for watch, statuses in zip(watches, told, strict=False):
            statuses.append((await watch.read()).status)

    assert told[:2] == [[NOT_SERVING, SERVING, NOT_SERVING]] * 2


async def test_a_watcher_of_health_is_not_told_twice_of_the_same(door: Door) -> None:
    door.health.set(is_serving=True)
    watch = watch_health(door, "")
    told = [(await watch.read()).status]

    door.health.set(is_serving=True)
    door.health.set(is_serving=False)
    told.append((await watch.read()).status)

    assert told == [SERVING, NOT_SERVING]


async def test_an_unknown_service_may_be_watched_for(door: Door) -> None:
    assert (await watch_health(door, "no.such.Service").read()).status == SERVICE_UNKNOWN


async def test_a_draining_server_tells_that_it_is_not_well_and_ends_the_watch(door: Door) -> None:
    door.health.set(is_serving=True)
    watch = watch_health(door, "")
    await watch.read()

    door.is_draining = True
    door.health.drain()

    assert (await watch.read()).status == NOT_SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await watch.read()
    assert info_of(caught.value).reason == "SERVER_DRAINING"


async def test_health_is_told_while_the_server_drains_and_never_gets_better(door: Door) -> None:
    door.is_draining = True
    door.health.drain()
    door.health.set(is_serving=True)

    assert await health_of(door, "") == NOT_SERVING


@pytest.mark.parametrize("protocol", [V1, V1ALPHA])
async def test_reflection_lists_every_service(door: Door, protocol: str) -> None:
    answer = await ask(door, protocol, list_services="")

    listed = {service.name for service in answer.list_services_response.service}
    assert listed == {*SERVICES, HEALTH, V1, V1ALPHA}


@pytest.mark.parametrize("protocol", [V1, V1ALPHA])
@pytest.mark.parametrize("service", [*SERVICES, HEALTH, V1, V1ALPHA])
async def test_reflection_describes_every_service(door: Door, protocol: str, service: str) -> None:
    answer = await ask(door, protocol, file_containing_symbol=service)

    files = [
        FileDescriptorProto.FromString(content)
        for content in answer.file_descriptor_response.file_descriptor_proto
    ]
    described = {f"{file.package}.{each.name}" for file in files for each in file.service}
    assert service in described


async def test_reflection_answers_while_the_server_drains(door: Door) -> None:
    door.is_draining = True

    answer = await ask(door, V1, list_services="")

    assert answer.list_services_response.service
