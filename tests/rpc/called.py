"""Calls as tests tell of them, and what they are about."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from headgate import v1 as pb
from headgate_server.model.history import HistorySpan
from headgate_server.model.paging import PageRequest
from headgate_server.model.server_info import DatabaseKind, Limits, ServerInfo
from headgate_server.model.states import StateType
from headgate_server.model.verdicts import Verdict, VerdictStatus
from tests.builders import a_flow, a_flow_run, a_state, a_variable, an_input
from tests.fakes_operations import Door, Scripted

FLOW = a_flow()
RUN = a_flow_run(FLOW, a_state(StateType.RUNNING, timestamp=a_state(StateType.RUNNING).timestamp))
INPUT = an_input(RUN, "key")
VARIABLE = a_variable("name")
A_SECOND = Duration(seconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SPAN = HistorySpan(start=EPOCH, end=EPOCH + timedelta(seconds=9), interval=timedelta(seconds=1))
NEXT = "next"
FIRST_PAGE = PageRequest()
INFO = ServerInfo(
    version="0.1.0",
    capabilities=("a",),
    limits=Limits(),
    database_kind=DatabaseKind.SQLITE,
    head_revision=9,
    oldest_revision=1,
    epoch="epoch",
    schema_revision="0003",
    watch_count=0,
)
RUNNING = pb.ProposedState(type=pb.STATE_TYPE_RUNNING)
ACCEPTED = Verdict(status=VerdictStatus.ACCEPT, run=RUN, is_written=True, revision=5)


class Call(NamedTuple):
    """A call, what its operation is to be asked and to answer, and what of it must reach the caller."""

    service: type
    request: Message
    room: Callable[[Door], Scripted]
    operation: str
    asked: tuple[object, ...]
    answer: object
    seen: Callable[[Any], object]
    expected: object
