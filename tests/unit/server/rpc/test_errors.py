from collections.abc import Iterator
from typing import TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status

from headgate import v1 as pb
from headgate_server.model import errors
from headgate_server.model.conflicts import VersionMismatchError
from headgate_server.model.errors import (
    DatabaseUnavailableError,
    FieldViolation,
    FlowRunInputNotFoundError,
    FlowRunNotFoundError,
    HeadgateError,
    InvalidRequestError,
    OverloadedError,
    WatchAgedError,
)
from headgate_server.rpc.errors import STATUS, InternalError, ServiceUnknownError, refusal_for

D = TypeVar("D", bound=Message)

TRAILERS_BYTES = 8192
"""What common proxies and clients take."""


def leaves(kind: type[HeadgateError]) -> Iterator[type[HeadgateError]]:
    """Return the classes of errors of the server that have no further kinds."""
    kinds = [
        each for each in kind.__subclasses__() if each.__module__.startswith("headgate_server")
    ]
    if not kinds:
        yield kind
    for each in kinds:
        yield from leaves(each)


def details(error: HeadgateError, kind: type[D]) -> list[D]:
    """Return the details of a kind that are sent with an error."""
    found = []
    for packed in Status.FromString(refusal_for(error).details).details:
        content = kind()
        if packed.Unpack(content):
            found.append(content)
    return found


@pytest.mark.parametrize("kind", list(leaves(HeadgateError)))
def test_every_error_is_in_the_table(kind: type[HeadgateError]) -> None:
    assert kind in STATUS


def test_the_tree_drawn_over_the_errors_names_every_one() -> None:
    names = {each.__name__ for each in leaves(HeadgateError) if ".model." in each.__module__}

    assert names <= set((errors.__doc__ or "").split())


def test_every_reason_of_the_contract_belongs_to_one_error() -> None:
    reasons = [mapped.reason for mapped in STATUS.values() if mapped.reason is not None]

    assert sorted(reasons) == sorted(set(pb.ErrorReason.values()) - {0})


def test_a_version_that_moved_names_the_kind_of_run() -> None:
    of_task_run = VersionMismatchError("run", 1, 2, is_task_run=True)

    (info,) = details(of_task_run, ErrorInfo)

    assert dict(info.metadata) == {
        "task_run_id": "run",
        "expected_version": "1",
        "current_version": "2",
    }
    assert str(of_task_run) == "The task run is at version 2, not at version 1"


def test_every_error_is_called_by_its_reason() -> None:
    for kind, mapped in STATUS.items():
        if mapped.reason is not None:
            reason = pb.ErrorReason.Name(mapped.reason).removeprefix("ERROR_REASON_")
            assert kind.__name__ == "".join(map(str.capitalize, reason.split("_"))) + "Error"


def test_a_refusal_says_why_in_a_form_for_machines() -> None:
    refusal = refusal_for(VersionMismatchError("run", expected=1, current=2))

    assert refusal.code is grpc.StatusCode.ABORTED
    assert refusal.reason == "VERSION_MISMATCH"
    assert refusal.message == "The flow run is at version 2, not at version 1"
    status = Status.FromString(refusal.details)
    assert status.code == grpc.StatusCode.ABORTED.value[0]
    assert status.message == refusal.message
    assert details(VersionMismatchError("run", expected=1, current=2), ErrorInfo) == [
        ErrorInfo(
            reason="VERSION_MISMATCH",
            domain="headgate",
            metadata={"flow_run_id": "run", "expected_version": "1", "current_version": "2"},
        )
    ]


def test_a_wrong_request_lists_its_violations() -> None:
    error = InvalidRequestError([FieldViolation("a", "must be x"), FieldViolation("b[1]", "no")])

    [listed] = details(error, BadRequest)

    assert [(each.field, each.description) for each in listed.field_violations] == [
        ("a", "must be x"),
        ("b[1]", "no"),
    ]


@pytest.mark.parametrize(
    ("error", "kind", "name"),
    [
        (FlowRunNotFoundError("run"), "headgate.v1.FlowRun", "run"),
        (FlowRunInputNotFoundError("run", "key"), "headgate.v1.FlowRunInput", "run/key"),
    ],
)
def test_what_is_not_found_is_named(error: HeadgateError, kind: str, name: str) -> None:
    [resource] = details(error, ResourceInfo)

    assert (resource.resource_type, resource.resource_name) == (kind, name)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(OverloadedError(), 1), (DatabaseUnavailableError(), 1), (WatchAgedError("token"), 0)],
)
def test_where_trying_again_helps_it_is_said_when(error: HeadgateError, seconds: int) -> None:
    [retry] = details(error, RetryInfo)

    assert retry.retry_delay.seconds == seconds


@pytest.mark.parametrize("kind", [BadRequest, ResourceInfo, RetryInfo])
def test_an_error_has_no_details_that_do_not_belong_to_it(kind: type[Message]) -> None:
    assert details(VersionMismatchError("run", 1, 2), kind) == []


def test_an_internal_error_is_found_by_its_id() -> None:
    assert refusal_for(InternalError("id")).error_id == "id"


def test_what_another_protocol_prescribes_has_no_reason() -> None:
    assert details(ServiceUnknownError(), ErrorInfo) == []


def test_a_long_list_of_violations_is_cut_and_says_so() -> None:
    violations = [FieldViolation(f"ids[{index}]", "must be a UUID") for index in range(1000)]

    [listed] = details(InvalidRequestError(violations), BadRequest)

    *told, rest = listed.field_violations
    assert [each.field for each in told] == [f"ids[{index}]" for index in range(len(told))]
    assert (rest.field, rest.description) == ("", f"and {1000 - len(told)} more")


@pytest.mark.parametrize("letter", ["x", "é", "😀"], ids=["one byte", "two bytes", "four bytes"])
def test_the_trailers_stay_short_whatever_is_wrong(letter: str) -> None:
    violations = [FieldViolation(letter * 100, letter * 100) for _ in range(1000)]

    refusal = refusal_for(InvalidRequestError(violations))

    in_base64 = len(refusal.details) * 4 / 3
    percent_encoded = len(refusal.message.encode()) * 3
    assert in_base64 + percent_encoded < TRAILERS_BYTES
    assert refusal.message.endswith("…")
