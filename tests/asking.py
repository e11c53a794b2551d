"""Queries as a client would write them into a request."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec
from google.protobuf.message import Message

from headgate import v1 as pb
from headgate_server.model.filters import Operator, RunQuery
from headgate_server.rpc.convert.states import STATE_TYPE_NUMBERS

MessageT = TypeVar("MessageT", bound=Message)

_NUMBERS: Final[dict[Any, int]] = {
    Operator.AND: pb.OPERATOR_AND,
    Operator.OR: pb.OPERATOR_OR,
    **STATE_TYPE_NUMBERS,
}


def asking(kind: type[MessageT], query: RunQuery, **fields: Any) -> MessageT:
    """Return a request with the filters of a query."""
    request = kind(**fields)
    write_filters(query, request)
    return request


def write_filters(conditions: msgspec.Struct, message: Any) -> None:
    """Write conditions as a client would: what was given is set, what was not is left out."""
    message.SetInParent()
    for name in conditions.__struct_fields__:
        value = getattr(conditions, name)
        match value:
            case None:
                pass
            case msgspec.Struct():
                write_filters(value, getattr(message, name))
            case tuple():
                getattr(message, name).SetInParent()
                getattr(message, name).values.extend(map(_on_the_wire, value))
            case datetime():
                getattr(message, name).FromDatetime(value)
            case _:
                setattr(message, name, _on_the_wire(value))


def _on_the_wire(value: Any) -> Any:
    return _NUMBERS[value] if isinstance(value, StrEnum) else value
