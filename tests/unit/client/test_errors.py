"""Errors: each reason of the contract has its class, and each class survives the trip."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Final

import grpc_testing
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc import RpcError, StatusCode
from grpc_status import rpc_status

from headgate import errors
from headgate import v1 as pb
from headgate._rpc_errors import BY_CODE, BY_REASON, from_rpc_error
from headgate.errors import CallError
from tests.client.faults import rich_status

SERVICE: Final = pb.GetServerInfoRequest.DESCRIPTOR.file.services_by_name["ServerService"]
REASONS: Final = sorted(
    name.removeprefix("ERROR_REASON_")
    for name, number in pb.ErrorReason.items()
    if number != pb.ERROR_REASON_UNSPECIFIED
)


def failed_call(
    code: StatusCode, message: str, *details: Message, retry_delay: timedelta | None = None
) -> RpcError:
    """Return what grpc raises when a call ends so."""
    channel = grpc_testing.channel([SERVICE], grpc_testing.strict_fake_time(0))
    stub = pb.ServerServiceStub(channel)
    status = rpc_status.to_status(rich_status(code, message, *details, retry_delay=retry_delay))
    with ThreadPoolExecutor(1) as caller:
        call = caller.submit(stub.GetServerInfo, pb.GetServerInfoRequest())
        _, _, server = channel.take_unary_unary(SERVICE.methods_by_name["GetServerInfo"])
        server.terminate(None, status.trailing_metadata if details else (), code, message)
        error = call.exception()
    assert isinstance(error, RpcError)
    return error


def refused(reason: str, domain: str = "headgate", **metadata: str) -> ErrorInfo:
    return ErrorInfo(reason=reason, domain=domain, metadata=metadata)


def leaves(kind: type[CallError]) -> Iterator[type[CallError]]:
    below = kind.__subclasses__()
    if not below:
        yield kind
    for each in below:
        yield from leaves(each)


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_has_the_class_of_its_name(reason: str) -> None:
    name = "".join(word.capitalize() for word in reason.split("_")) + "Error"

    error = from_rpc_error(failed_call(StatusCode.UNKNOWN, "Refused.", refused(reason)))

    assert type(error).__name__ == name
    assert error.reason == reason
    assert str(error) == "Refused."


@pytest.mark.parametrize("kind", list(leaves(CallError)))
def test_each_class_is_for_a_reason_or_for_a_status(kind: type[CallError]) -> None:
    assert kind in {*BY_REASON.values(), *BY_CODE.values(), errors.ServerUnreachableError}


def test_the_table_names_no_reason_that_the_contract_does_not_know() -> None:
    assert sorted(BY_REASON) == REASONS


@pytest.mark.parametrize("reason", REASONS)
def test_a_class_for_a_reason_stands_below_the_class_for_its_status(reason: str) -> None:
    comment = documented_status(reason)

    assert issubclass(BY_REASON[reason], BY_CODE[comment])


def documented_status(reason: str) -> StatusCode:
    """Return the status that the contract documents for a reason: the first word of its comment."""
    source = (Path(__file__).parents[3] / "protos/headgate/v1/error_reason.proto").read_text()
    comment = source.split(f"  ERROR_REASON_{reason} = ")[0].rsplit(";\n", 1)[1]
    return StatusCode[comment.split("// ", 1)[1].split(".", 1)[0]]


@pytest.mark.parametrize(
    ("code", "kind"),
    [(code, kind) for code, kind in BY_CODE.items() if code is not StatusCode.UNAVAILABLE],
    ids=lambda value: value.name if isinstance(value, StatusCode) else "",
)
def test_an_unknown_reason_falls_back_to_the_class_for_the_status(
    code: StatusCode, kind: type[CallError]
) -> None:
    error = from_rpc_error(failed_call(code, "Refused.", refused("MADE_UP_LATER")))

    assert type(error) is kind
    assert error.reason == "MADE_UP_LATER"


def test_a_reason_of_somebody_else_is_not_ours() -> None:
    info = refused("FLOW_RUN_NOT_FOUND", domain="elsewhere.example")

    error = from_rpc_error(failed_call(StatusCode.NOT_FOUND, "No route.", info))

    assert type(error) is errors.NotFoundError
    assert error.reason is None


def test_unavailable_without_a_reason_is_an_unreachable_server() -> None:
    error = from_rpc_error(failed_call(StatusCode.UNAVAILABLE, "failed to connect"))

    assert type(error) is errors.ServerUnreachableError


def test_a_status_without_any_class_is_a_plain_call_error() -> None:
    error = from_rpc_error(failed_call(StatusCode.DATA_LOSS, "?"))

    assert type(error) is CallError
    assert error.code is StatusCode.DATA_LOSS


def test_the_facts_of_a_refusal_are_kept() -> None:
    info = refused("VERSION_MISMATCH", expected_version="3", current_version="5")

    error = from_rpc_error(failed_call(StatusCode.ABORTED, "Moved on.", info))

    assert isinstance(error, errors.VersionMismatchError)
    assert error.current_version == 5
    assert dict(error.metadata) == {"expected_version": "3", "current_version": "5"}


def test_facts_that_the_server_left_out_are_none() -> None:
    mismatch = from_rpc_error(failed_call(StatusCode.ABORTED, "", refused("VERSION_MISMATCH")))
    compacted = from_rpc_error(
        failed_call(StatusCode.OUT_OF_RANGE, "", refused("REVISION_COMPACTED"))
    )
    internal = from_rpc_error(failed_call(StatusCode.INTERNAL, "RST_STREAM"))

    assert isinstance(mismatch, errors.VersionMismatchError)
    assert isinstance(compacted, errors.RevisionCompactedError)
    assert isinstance(internal, errors.InternalError)
    assert mismatch.current_version is None
    assert compacted.oldest_revision is None
    assert internal.error_id is None


def test_every_wrong_field_of_a_request_is_listed() -> None:
    wrong = BadRequest(
        field_violations=[
            BadRequest.FieldViolation(field="name", description="too long"),
            BadRequest.FieldViolation(field="tags[3]", description="empty"),
        ]
    )
    info = refused("INVALID_REQUEST")

    error = from_rpc_error(failed_call(StatusCode.INVALID_ARGUMENT, "Wrong.", info, wrong))

    assert [(each.field, each.description) for each in error.violations] == [
        ("name", "too long"),
        ("tags[3]", "empty"),
    ]
    assert error.__notes__ == ["name: too long", "tags[3]: empty"]


def test_the_wish_of_the_server_when_to_try_again_is_kept() -> None:
    error = from_rpc_error(
        failed_call(
            StatusCode.RESOURCE_EXHAUSTED,
            "Full.",
            refused("OVERLOADED"),
            retry_delay=timedelta(milliseconds=250),
        )
    )

    assert error.retry_delay == timedelta(milliseconds=250)


def test_details_that_contradict_the_status_are_not_believed() -> None:
    class ChangedError(RpcError):
        """A status that something on the way has changed."""

        def code(self) -> StatusCode:
            return StatusCode.UNAVAILABLE

        def details(self) -> str:
            return "upstream reset"

        def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:  # type: ignore[override]
            status = rich_status(StatusCode.NOT_FOUND, "Gone.", refused("FLOW_NOT_FOUND"))
            return (("grpc-status-details-bin", status.SerializeToString()),)

    assert type(from_rpc_error(ChangedError())) is errors.ServerUnreachableError


def test_the_tree_drawn_on_top_names_every_class() -> None:
    kinds = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.HeadgateError)
    }

    drawn = {word for word in (errors.__doc__ or "").split() if word.endswith("Error")}

    assert kinds <= drawn


def test_errors_of_time_are_timeouts_to_python_too() -> None:
    for kind in (
        errors.FlowRunWaitTimeoutError,
        errors.FlowPauseTimeoutError,
        errors.ReceiveTimeoutError,
    ):
        assert issubclass(kind, TimeoutError)
