"""Stubs to models and back. Pure and total: whatever a server may send becomes a value.

Arguments that cannot be sent raise ValueError and name the field.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from headgate import v1 as pb
from headgate._json import from_object_text, from_text, to_text
from headgate.enums import DatabaseKind, RetryType, VerdictStatus
from headgate.models import (
    ConcurrencyLimit,
    Flow,
    FlowRun,
    FlowRunInput,
    FlowRunPolicy,
    NewFlowRunInput,
    ServerInfo,
    ServerLimits,
    Variable,
    Verdict,
)
from headgate.states import ProposedState, RunInputKeyset, State, StateDetails, StateType

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# fmt: off
_STATE_TYPES: Final = {
    pb.STATE_TYPE_SCHEDULED:  StateType.SCHEDULED,
    pb.STATE_TYPE_PENDING:    StateType.PENDING,
    pb.STATE_TYPE_RUNNING:    StateType.RUNNING,
    pb.STATE_TYPE_COMPLETED:  StateType.COMPLETED,
    pb.STATE_TYPE_FAILED:     StateType.FAILED,
    pb.STATE_TYPE_CANCELLED:  StateType.CANCELLED,
    pb.STATE_TYPE_CRASHED:    StateType.CRASHED,
    pb.STATE_TYPE_PAUSED:     StateType.PAUSED,
    pb.STATE_TYPE_CANCELLING: StateType.CANCELLING,
}
_STATE_NUMBERS: Final = {kind: number for number, kind in _STATE_TYPES.items()}

_VERDICT_STATUSES: Final = {
    pb.VERDICT_STATUS_ACCEPT: VerdictStatus.ACCEPT,
    pb.VERDICT_STATUS_REJECT: VerdictStatus.REJECT,
    pb.VERDICT_STATUS_ABORT:  VerdictStatus.ABORT,
    pb.VERDICT_STATUS_WAIT:   VerdictStatus.WAIT,
}

_RETRY_TYPES: Final = {
    pb.RETRY_TYPE_UNSPECIFIED: None,
    pb.RETRY_TYPE_IN_PROCESS:  RetryType.IN_PROCESS,
    pb.RETRY_TYPE_RESCHEDULE:  RetryType.RESCHEDULE,
}

_DATABASE_KINDS: Final = {
    pb.DATABASE_KIND_SQLITE:     DatabaseKind.SQLITE,
    pb.DATABASE_KIND_POSTGRESQL: DatabaseKind.POSTGRESQL,
}
# fmt: on


def to_datetime(timestamp: Timestamp) -> datetime:
    """Return the time that a timestamp means, in UTC."""
    return _EPOCH + timedelta(seconds=timestamp.seconds, microseconds=timestamp.nanos // 1000)


def from_datetime(time: datetime, field: str) -> Timestamp:
    """Return the timestamp of a time.

    Args:
        time: The time, aware.
        field: How the caller calls the time.

    Raises:
        ValueError: The time has no time zone.
    """
    if time.tzinfo is None:
        message = f"{field} has no time zone: {time}."
        raise ValueError(message)
    since = time - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)


def from_timedelta(span: timedelta) -> Duration:
    """Return the duration of a span."""
    duration = Duration()
    duration.FromTimedelta(span)
    return duration


def to_state_type(number: pb.StateType.ValueType) -> StateType | None:
    """Return the state type of a number; None if the server left it out."""
    return _STATE_TYPES.get(number, StateType.UNKNOWN) if number else None


def from_state_type(kind: StateType, field: str) -> pb.StateType.ValueType:
    """Return the number of a state type.

    Args:
        kind: The type.
        field: How the caller calls the type.

    Raises:
        ValueError: The type is UNKNOWN, which is only for reading.
    """
    if kind not in _STATE_NUMBERS:
        message = f"{field} cannot be {kind}."
        raise ValueError(message)
    return _STATE_NUMBERS[kind]


def to_state(state: pb.State) -> State:
    """Return a state."""
    return State(
        id=UUID(state.id),
        type=to_state_type(state.type) or StateType.UNKNOWN,
        name=state.name,
        timestamp=to_datetime(state.timestamp),
        version=state.version,
        is_terminal=state.is_terminal,
        message=state.message if state.HasField("message") else None,
        data=from_text(state.data_json) if state.HasField("data_json") else None,
        details=_to_state_details(state.details),
    )


def _to_state_details(details: pb.StateDetails) -> StateDetails:
    return StateDetails(
        flow_run_id=_to_uuid(details.flow_run_id),
        task_run_id=_to_uuid(details.task_run_id),
        scheduled_time=(
            to_datetime(details.scheduled_time) if details.HasField("scheduled_time") else None
        ),
        pause_expire_time=(
            to_datetime(details.pause_expire_time)
            if details.HasField("pause_expire_time")
            else None
        ),
        pause_reschedule=details.pause_reschedule,
        pause_key=details.pause_key,
        run_input_keyset=(
            RunInputKeyset(
                schema=details.run_input_keyset.schema,
                response=details.run_input_keyset.response,
                description=details.run_input_keyset.description,
            )
            if details.HasField("run_input_keyset")
            else None
        ),
        transition_id=_to_uuid(details.transition_id),
        child_flow_run_id=_to_uuid(details.child_flow_run_id),
        cache_key=details.cache_key,
        cache_expire_time=(
            to_datetime(details.cache_expire_time)
            if details.HasField("cache_expire_time")
            else None
        ),
        refresh_cache=details.refresh_cache,
        retriable=details.retriable if details.HasField("retriable") else None,
        untrackable_result=details.untrackable_result,
    )


def from_proposed_state(state: ProposedState) -> pb.ProposedState:
    """Return the message of a proposed state.

    Raises:
        ValueError: The data is not JSON, a time has no time zone, or the type is UNKNOWN.
    """
    return pb.ProposedState(
        type=from_state_type(state.type, "state.type"),
        name=state.name,
        message=state.message,
        data_json=None if state.data is None else to_text(state.data, "state.data"),
        details=_from_state_details(state.details),
    )


def _from_state_details(details: StateDetails) -> pb.StateDetails:
    message = pb.StateDetails(
        flow_run_id=str(details.flow_run_id or ""),
        task_run_id=str(details.task_run_id or ""),
        pause_reschedule=details.pause_reschedule,
        pause_key=details.pause_key,
        transition_id=str(details.transition_id or ""),
        child_flow_run_id=str(details.child_flow_run_id or ""),
        cache_key=details.cache_key,
        refresh_cache=details.refresh_cache,
        retriable=details.retriable,
        untrackable_result=details.untrackable_result,
    )
    if (time := details.scheduled_time) is not None:
        message.scheduled_time.CopyFrom(from_datetime(time, "state.details.scheduled_time"))
    if (time := details.pause_expire_time) is not None:
        message.pause_expire_time.CopyFrom(from_datetime(time, "state.details.pause_expire_time"))
    if (time := details.cache_expire_time) is not None:
        message.cache_expire_time.CopyFrom(from_datetime(time, "state.details.cache_expire_time"))
    if (keyset := details.run_input_keyset) is not None:
        message.run_input_keyset.SetInParent()
        message.run_input_keyset.schema = keyset.schema
        message.run_input_keyset.response = keyset.response
        message.run_input_keyset.description = keyset.description
    return message


def to_flow(flow: pb.Flow) -> Flow:
    """Return a flow."""
    return Flow(
        id=UUID(flow.id),
        name=flow.name,
        tags=tuple(flow.tags),
        create_time=to_datetime(flow.create_time),
        update_time=to_datetime(flow.update_time),
    )


def to_flow_run(run: pb.FlowRun) -> FlowRun:
    """Return a flow run in the view that was sent."""
    return FlowRun(
        id=UUID(run.id),
        flow_id=UUID(run.flow_id),
        name=run.name,
        create_time=to_datetime(run.create_time),
        update_time=to_datetime(run.update_time),
        version=run.version,
        state=to_state(run.state) if run.HasField("state") else None,
        flow_version=run.flow_version if run.HasField("flow_version") else None,
        deployment_id=_to_uuid(run.deployment_id),
        deployment_version=run.deployment_version if run.HasField("deployment_version") else None,
        work_queue_name=run.work_queue_name if run.HasField("work_queue_name") else None,
        work_queue_id=_to_uuid(run.work_queue_id),
        work_pool_name=run.work_pool_name if run.HasField("work_pool_name") else None,
        parent_task_run_id=_to_uuid(run.parent_task_run_id),
        idempotency_key=run.idempotency_key if run.HasField("idempotency_key") else None,
        tags=tuple(run.tags),
        policy=_to_policy(run.policy),
        run_count=run.run_count,
        expected_start_time=(
            to_datetime(run.expected_start_time) if run.HasField("expected_start_time") else None
        ),
        next_scheduled_start_time=(
            to_datetime(run.next_scheduled_start_time)
            if run.HasField("next_scheduled_start_time")
            else None
        ),
        start_time=to_datetime(run.start_time) if run.HasField("start_time") else None,
        end_time=to_datetime(run.end_time) if run.HasField("end_time") else None,
        total_run_time=run.total_run_time.ToTimedelta(),
        estimated_run_time=run.estimated_run_time.ToTimedelta(),
        estimated_start_time_delta=run.estimated_start_time_delta.ToTimedelta(),
        auto_scheduled=run.auto_scheduled,
        infrastructure_pid=run.infrastructure_pid if run.HasField("infrastructure_pid") else None,
        parameters=(
            from_object_text(run.parameters_json) if run.HasField("parameters_json") else None
        ),
        context=from_object_text(run.context_json) if run.HasField("context_json") else None,
        job_variables=(
            from_object_text(run.job_variables_json) if run.HasField("job_variables_json") else None
        ),
    )


def _to_policy(policy: pb.FlowRunPolicy) -> FlowRunPolicy:
    return FlowRunPolicy(
        retries=policy.retries if policy.HasField("retries") else None,
        retry_delay=policy.retry_delay.ToTimedelta() if policy.HasField("retry_delay") else None,
        pause_keys=tuple(policy.pause_keys),
        resuming=policy.resuming,
        retry_type=_RETRY_TYPES.get(policy.retry_type, RetryType.UNKNOWN),
    )


def to_verdict(
    answer: pb.SetFlowRunStateResponse
    | pb.SetFlowRunStateResult
    | pb.SetTaskRunStateResponse
    | pb.ResumeFlowRunResponse,
) -> Verdict:
    """Return what the rules said to a proposal, or to a wish to resume."""
    reason, delay = "", None
    if answer.HasField("reject"):
        reason = answer.reject.reason
    elif answer.HasField("abort"):
        reason = answer.abort.reason
    elif not isinstance(answer, pb.ResumeFlowRunResponse) and answer.HasField("wait"):
        reason, delay = answer.wait.reason, answer.wait.delay.ToTimedelta()
    return Verdict(
        status=_VERDICT_STATUSES[answer.status],
        state=to_state(answer.state) if answer.HasField("state") else None,
        version=answer.version,
        reason=reason,
        delay=delay,
        created=answer.created,
        revision=answer.revision,
    )


def to_concurrency_limit(limit: pb.ConcurrencyLimit) -> ConcurrencyLimit:
    """Return a concurrency limit."""
    return ConcurrencyLimit(
        id=UUID(limit.id),
        tag=limit.tag,
        concurrency_limit=limit.concurrency_limit,
        create_time=to_datetime(limit.create_time),
        update_time=to_datetime(limit.update_time),
        active_slots=tuple(map(UUID, limit.active_slots)),
    )


def to_input(value: pb.FlowRunInput) -> FlowRunInput:
    """Return an input."""
    return FlowRunInput(
        id=UUID(value.id),
        flow_run_id=UUID(value.flow_run_id),
        key=value.key,
        value=from_text(value.value_json),
        create_time=to_datetime(value.create_time),
        sender=value.sender if value.HasField("sender") else None,
    )


def from_new_input(value: NewFlowRunInput) -> pb.NewFlowRunInput:
    """Return the message of an input that is to be created.

    Raises:
        ValueError: The value is not JSON.
    """
    text = to_text(value.value, f"the value of input {value.key!r}")
    return pb.NewFlowRunInput(key=value.key, value_json=text, sender=value.sender)


def to_variable(variable: pb.Variable) -> Variable:
    """Return a variable."""
    return Variable(
        id=UUID(variable.id),
        name=variable.name,
        value=variable.value,
        tags=tuple(variable.tags),
        create_time=to_datetime(variable.create_time),
        update_time=to_datetime(variable.update_time),
    )


def to_server_info(info: pb.GetServerInfoResponse) -> ServerInfo:
    """Return what a server is."""
    return ServerInfo(
        version=info.version,
        capabilities=tuple(info.capabilities),
        limits=_to_limits(info.limits),
        database_kind=_DATABASE_KINDS.get(info.database_kind, DatabaseKind.UNKNOWN),
        head_revision=info.head_revision,
        oldest_revision=info.oldest_revision,
        epoch=info.epoch,
        schema_revision=info.schema_revision,
        watch_count=info.watch_count,
    )


def _to_limits(limits: pb.ServerLimits) -> ServerLimits:
    return ServerLimits(
        max_message_bytes=limits.max_message_bytes,
        max_json_bytes=limits.max_json_bytes,
        max_name_characters=limits.max_name_characters,
        max_tags=limits.max_tags,
        max_ids=limits.max_ids,
        max_page_size=limits.max_page_size,
        max_inputs=limits.max_inputs,
        max_state_message_bytes=limits.max_state_message_bytes,
        max_waiting_writes=limits.max_waiting_writes,
        request_id_window=limits.request_id_window.ToTimedelta(),
        history_retention=limits.history_retention.ToTimedelta(),
        max_wait=limits.max_wait.ToTimedelta(),
        max_call=limits.max_call.ToTimedelta(),
    )


def _to_uuid(text: str) -> UUID | None:
    return UUID(text) if text else None
