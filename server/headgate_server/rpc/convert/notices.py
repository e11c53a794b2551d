"""Notices: what watchers are sent, in bytes.

An event goes to many watchers, so it is turned into bytes once and shared; what differs from watcher to watcher is put behind it.
Protobuf reads messages that stand one behind the other as one.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from headgate import v1 as pb
from headgate_server.model.events import Change, Event, EventKind
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.inputs import FlowRunInput
from headgate_server.model.states import State
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.watching import Notice, NoticeKind
from headgate_server.rpc.convert.flow_runs import write_flow_run
from headgate_server.rpc.convert.inputs import write_input
from headgate_server.rpc.convert.states import STATE_TYPE_NUMBERS, write_state
from headgate_server.rpc.convert.task_runs import write_task_run
from headgate_server.rpc.convert.times import write_time

M = TypeVar("M", pb.WatchFlowRunsResponse, pb.WatchTaskRunsResponse, pb.WatchFlowRunInputsResponse)

SHARED_MAX: Final = 1024
"""Events whose bytes are kept at once: the newest, which most watchers are about to be sent."""


class NoticeEncoder(Generic[M]):
    """Turns notices into bytes. One serves all streams of a method."""

    def __init__(
        self,
        message: type[M],
        write_event: Callable[[Event, NoticeKind, M], None],
        write_own: Callable[[Notice, M], None],
    ) -> None:
        """Make an encoder; `for_flow_runs` and its likes know how.

        Args:
            message: What a notice becomes.
            write_event: Writes the part that all watchers share.
            write_own: Writes the part that is of one watcher, besides its token.
        """
        self._message: type[M] = message
        self._write_event: Callable[[Event, NoticeKind, M], None] = write_event
        self._write_own: Callable[[Notice, M], None] = write_own
        self._shared: dict[tuple[int, NoticeKind], bytes] = {}

    def encode(self, notice: Notice) -> bytes:
        """Return the bytes of one message."""
        own = self._message(resume_token=notice.resume_token, fragment=notice.is_fragment)
        self._write_own(notice, own)
        if notice.event is None:
            return own.SerializeToString()
        return self._share(notice.event, notice.kind) + own.SerializeToString()

    def _share(self, event: Event, kind: NoticeKind) -> bytes:
        key = (event.revision, kind)
        shared = self._shared.get(key)
        if shared is None:
            if len(self._shared) >= SHARED_MAX:
                del self._shared[next(iter(self._shared))]
            message = self._message(revision=event.revision)
            write_time(event.commit_time, message.commit_time)
            self._write_event(event, kind, message)
            shared = self._shared[key] = message.SerializeToString()
        return shared


def for_flow_runs() -> NoticeEncoder[pb.WatchFlowRunsResponse]:
    """Make the encoder for watches of flow runs."""
    return NoticeEncoder(pb.WatchFlowRunsResponse, _write_run_event, _write_own_of_runs)


def for_task_runs() -> NoticeEncoder[pb.WatchTaskRunsResponse]:
    """Make the encoder for watches of task runs."""
    return NoticeEncoder(pb.WatchTaskRunsResponse, _write_task_run_event, _write_own_of_task_runs)


def for_inputs() -> NoticeEncoder[pb.WatchFlowRunInputsResponse]:
    """Make the encoder for watches of inputs."""
    return NoticeEncoder(pb.WatchFlowRunInputsResponse, _write_input_event, _write_own_of_inputs)


def _write_run_event(event: Event, kind: NoticeKind, message: pb.WatchFlowRunsResponse) -> None:
    now = event.commit_time
    match event.change:
        case Change(after=FlowRun() as run) if kind is NoticeKind.LEFT:
            write_flow_run(run, message.left_filter.flow_run, now)
        case Change(
            kind=EventKind.STATE_CHANGE,
            before=before,
            after=FlowRun(state=State() as state) as run,
        ):
            _write_previous(before, message.state_change)
            write_state(state, run.id, message.state_change.state)
            write_flow_run(run, message.state_change.flow_run, now)
        case Change(kind=EventKind.RUN_UPDATE, after=FlowRun() as run):
            write_flow_run(run, message.run_update.flow_run, now)
        case Change(kind=EventKind.RUN_DELETED, before=FlowRun() as run):
            write_flow_run(run, message.deleted.flow_run, now)
        case change:
            raise ValueError(f"{change.kind} as {kind} is nothing that a watcher of runs is sent")


def _write_previous(
    before: FlowRun | TaskRun | None, message: pb.StateChange | pb.TaskStateChange
) -> None:
    if before is not None and before.state is not None:
        message.previous_state_type = STATE_TYPE_NUMBERS[before.state.type]
        message.previous_state_name = before.state.name


def _write_own_of_runs(notice: Notice, message: pb.WatchFlowRunsResponse) -> None:
    message.coalesced = notice.is_coalesced
    if notice.event is not None:
        return
    if notice.time is not None:
        write_time(notice.time, message.commit_time)
    match notice:
        case Notice(kind=NoticeKind.SNAPSHOT, flow_run=FlowRun() as run):
            write_flow_run(run, message.snapshot.flow_run, notice.time or run.update_time)
        case Notice(kind=NoticeKind.SNAPSHOT_COMPLETE):
            message.snapshot_complete.revision = notice.revision
        case Notice(kind=NoticeKind.PROGRESS):
            message.progress.revision = notice.revision


def _write_task_run_event(
    event: Event, kind: NoticeKind, message: pb.WatchTaskRunsResponse
) -> None:
    now = event.commit_time
    match event.change:
        case Change(task_after=TaskRun() as task_run) if kind is NoticeKind.LEFT:
            write_task_run(task_run, message.left_filter.task_run, now)
        case Change(
            kind=EventKind.TASK_STATE_CHANGE,
            task_before=before,
            task_after=TaskRun(state=State() as state) as task_run,
        ):
            change = message.task_state_change
            _write_previous(before, change)
            write_state(state, task_run.flow_run_id, change.state, task_run_id=task_run.id)
            write_task_run(task_run, change.task_run, now)
        case Change(kind=EventKind.TASK_UPDATE, task_after=TaskRun() as task_run):
            write_task_run(task_run, message.task_update.task_run, now)
        case Change(kind=EventKind.TASK_DELETED, task_before=TaskRun() as task_run):
            write_task_run(task_run, message.deleted.task_run, now)
        case change:
            raise ValueError(
                f"{change.kind} as {kind} is nothing that a watcher of task runs is sent"
            )


def _write_own_of_task_runs(notice: Notice, message: pb.WatchTaskRunsResponse) -> None:
    message.coalesced = notice.is_coalesced
    if notice.event is not None:
        return
    if notice.time is not None:
        write_time(notice.time, message.commit_time)
    match notice:
        case Notice(kind=NoticeKind.SNAPSHOT, task_run=TaskRun() as task_run):
            now = notice.time or task_run.update_time
            write_task_run(task_run, message.snapshot.task_run, now)
        case Notice(kind=NoticeKind.SNAPSHOT_COMPLETE):
            message.snapshot_complete.revision = notice.revision
        case Notice(kind=NoticeKind.PROGRESS):
            message.progress.revision = notice.revision


def _write_input_event(
    event: Event, _kind: NoticeKind, message: pb.WatchFlowRunInputsResponse
) -> None:
    match event.change:
        case Change(kind=EventKind.INPUT_CREATED, input=FlowRunInput() as content):
            write_input(content, message.created)
        case Change(kind=EventKind.INPUT_DELETED, input=FlowRunInput() as content):
            write_input(content, message.deleted)
        case change:
            raise ValueError(f"{change.kind} is nothing that a watcher of inputs is sent")


def _write_own_of_inputs(notice: Notice, message: pb.WatchFlowRunInputsResponse) -> None:
    if notice.event is not None:
        return
    if notice.time is not None:
        write_time(notice.time, message.commit_time)
    match notice:
        case Notice(kind=NoticeKind.SNAPSHOT, input=FlowRunInput() as content):
            write_input(content, message.snapshot)
        case Notice(kind=NoticeKind.SNAPSHOT_COMPLETE):
            message.snapshot_complete.revision = notice.revision
        case Notice(kind=NoticeKind.PROGRESS):
            message.progress.revision = notice.revision
