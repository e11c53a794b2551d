"""When a failed call may be tried again: only where trying twice does a thing once."""

from datetime import timedelta
from uuid import uuid4

import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from headgate import errors
from headgate import v1 as pb
from headgate._retry import Backoff, may_repeat, may_retry
from headgate._transport import _name_request
from headgate.errors import CallError

UNARY = {
    method.name: GetMessageClass(method.input_type)
    for message in (
        pb.GetFlowRequest,
        pb.GetFlowRunRequest,
        pb.GetFlowRunInputRequest,
        pb.GetTaskRunRequest,
        pb.GetConcurrencyLimitRequest,
        pb.GetVariableRequest,
        pb.GetServerInfoRequest,
    )
    for service in message.DESCRIPTOR.file.services_by_name.values()
    for method in service.methods
    if not method.server_streaming
}


@pytest.mark.parametrize("name", sorted(UNARY))
def test_each_call_as_the_client_makes_it_can_be_repeated(name: str) -> None:
    request = UNARY[name]()
    _name_request(request)
    if isinstance(request, pb.SetFlowRunStateRequest | pb.SetTaskRunStateRequest):
        request.state.details.transition_id = str(uuid4())

    assert may_repeat(request)


@pytest.mark.parametrize(
    "request_",
    [
        pb.CreateFlowRunRequest(),
        pb.SetFlowRunStateRequest(),
        pb.SetTaskRunStateRequest(),
        pb.DeleteFlowRequest(),
    ],
)
def test_a_change_without_a_name_cannot_be_repeated(request_: Message) -> None:
    assert not may_repeat(request_)


def test_a_request_keeps_the_name_it_has() -> None:
    request = pb.CreateFlowRunRequest(request_id="mine")

    _name_request(request)

    assert request.request_id == "mine"


NAMED = pb.CreateFlowRunRequest(request_id="x")
NAMELESS = pb.CreateFlowRunRequest()
READ = pb.GetFlowRunRequest()


# fmt: off
WHAT_MAY_BE_TRIED_AGAIN = [
    (errors.ServerUnreachableError,   READ,     True),
    (errors.ServerUnreachableError,   NAMED,    True),
    (errors.ServerUnreachableError,   NAMELESS, False),
    (errors.DatabaseUnavailableError, NAMED,    True),
    (errors.DatabaseUnavailableError, NAMELESS, False),
    (errors.RevisionNotReachedError,  READ,     True),
    (errors.OverloadedError,          NAMELESS, True),
    (errors.ServerDrainingError,      NAMELESS, True),
    (errors.ResourceExhaustedError,   READ,     False),
    (errors.DeadlineExceededError,    READ,     False),
    (errors.InternalError,            READ,     False),
    (errors.VersionMismatchError,     NAMED,    False),
    (errors.FlowRunNotFoundError,     READ,     False),
]
# fmt: on


@pytest.mark.parametrize(("error", "request_", "is_allowed"), WHAT_MAY_BE_TRIED_AGAIN)
def test_what_may_be_tried_again(
    error: type[CallError],
    request_: Message,
    is_allowed: bool,  # noqa: FBT001
) -> None:
    assert may_retry(error("refused"), request_) is is_allowed


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (99, 10)]
)
def test_waits_grow_up_to_a_limit_and_are_never_quite_the_same(attempt: int, longest: int) -> None:
    backoff = Backoff(first_seconds=1, factor=2, max_seconds=10)

    waits = {backoff.seconds(attempt) for _ in range(50)}

    assert len(waits) > 1
    assert longest / 2 <= min(waits)
    assert max(waits) <= longest


def test_the_server_may_ask_for_a_longer_wait() -> None:
    waits = [Backoff().seconds(1, timedelta(seconds=30)) for _ in range(50)]

    assert min(waits) >= 30
