"""States: read those that are proposed, write those that are."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from headgate import v1 as pb
from headgate_server.model.states import (
    TERMINAL,
    ProposedState,
    RunInputKeyset,
    State,
    StateDetails,
    StateType,
)
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.times import read_time, write_time

STATE_TYPE_NUMBERS: Final[Mapping[StateType, pb.StateType.ValueType]] = {
    each: pb.StateType.Value(f"STATE_TYPE_{each}") for each in StateType
}
"""The number on the wire of each state type."""
STATE_TYPES: Final[Mapping[int, StateType]] = {
    number: each for each, number in STATE_TYPE_NUMBERS.items()
}
"""What the numbers on the wire mean."""

Proposing: TypeAlias = (
    pb.SetFlowRunStateRequest
    | pb.SetTaskRunStateRequest
    | pb.FlowRunProposal
    | pb.BatchSetFlowRunStatesRequest
)
"""The messages that propose a state."""

_PENDING: Final = ProposedState(type=StateType.PENDING)
_NO_DETAILS: Final = StateDetails()


def read_first_state(
    request: pb.CreateFlowRunRequest
    | pb.NewFlowRun
    | pb.CreateTaskRunRequest
    | pb.CreateDeploymentFlowRunRequest,
    checks: Checks,
) -> ProposedState:
    """Read the first state of a new run, which is PENDING unless it is given."""
    return _read_state(request.state, checks) if request.HasField("state") else _PENDING


def read_proposed_state(request: Proposing, checks: Checks) -> ProposedState:
    """Read the state that is proposed for a run."""
    if request.HasField("state"):
        return _read_state(request.state, checks)
    checks.wrong("state", "is required")
    return _PENDING


def _read_state(message: pb.ProposedState, checks: Checks) -> ProposedState:
    has = message.HasField
    return ProposedState(
        type=checks.choice(message.type, STATE_TYPES, "state.type"),
        name=checks.text(message.name, "state.name") if has("name") else None,
        message=checks.message(message.message, "state.message") if has("message") else None,
        data_json=checks.json(message.data_json, "state.data_json") if has("data_json") else None,
        details=_read_details(message.details, checks) if has("details") else _NO_DETAILS,
    )


def _read_details(message: pb.StateDetails, checks: Checks) -> StateDetails:
    """Read the details of a proposed state; what the server sets itself is passed over."""
    path = "state.details"
    has = message.HasField
    return StateDetails(
        scheduled_time=read_time(message.scheduled_time, f"{path}.scheduled_time", checks)
        if has("scheduled_time")
        else None,
        pause_expire_time=read_time(message.pause_expire_time, f"{path}.pause_expire_time", checks)
        if has("pause_expire_time")
        else None,
        pause_reschedule=message.pause_reschedule,
        pause_key=checks.text(message.pause_key, f"{path}.pause_key") or None,
        run_input_keyset=_read_keyset(message.run_input_keyset, checks)
        if has("run_input_keyset")
        else None,
        transition_id=checks.id_if_given(message.transition_id, f"{path}.transition_id"),
        cache_key=checks.cache_key(message.cache_key, f"{path}.cache_key") or None,
        cache_expire_time=read_time(message.cache_expire_time, f"{path}.cache_expire_time", checks)
        if has("cache_expire_time")
        else None,
        refresh_cache=message.refresh_cache,
        retriable=message.retriable if has("retriable") else None,
        untrackable_result=message.untrackable_result,
    )


def _read_keyset(message: pb.RunInputKeyset, checks: Checks) -> RunInputKeyset:
    path = "state.details.run_input_keyset"
    return RunInputKeyset(
        schema=checks.input_key(message.schema, f"{path}.schema") or None,
        response=checks.input_key(message.response, f"{path}.response") or None,
        description=checks.input_key(message.description, f"{path}.description") or None,
    )


def write_state(
    state: State, flow_run_id: str, message: pb.State, *, task_run_id: str | None = None
) -> None:
    """Write a state of a run; its data where it was read.

    Args:
        state: The state.
        flow_run_id: The flow run that it belongs to.
        message: Where to write it.
        task_run_id: The task run whose state it is; None for a state of the flow run itself.
    """
    message.id = state.id
    message.type = STATE_TYPE_NUMBERS[state.type]
    message.name = state.name
    write_time(state.timestamp, message.timestamp)
    message.version = state.version
    if state.message is not None:
        message.message = state.message
    if state.data_json is not None:
        message.data_json = state.data_json
    _write_details(state.details, flow_run_id, message.details)
    if task_run_id is not None:
        message.details.task_run_id = task_run_id
    if state.type in TERMINAL:
        message.is_terminal = True


def _write_details(details: StateDetails, flow_run_id: str, message: pb.StateDetails) -> None:
    message.flow_run_id = flow_run_id
    if details.task_run_id is not None:
        message.task_run_id = details.task_run_id
    if details.scheduled_time is not None:
        write_time(details.scheduled_time, message.scheduled_time)
    if details.pause_expire_time is not None:
        write_time(details.pause_expire_time, message.pause_expire_time)
    if details.pause_reschedule:
        message.pause_reschedule = True
    if details.pause_key is not None:
        message.pause_key = details.pause_key
    if details.run_input_keyset is not None:
        _write_keyset(details.run_input_keyset, message.run_input_keyset)
    if details.transition_id is not None:
        message.transition_id = details.transition_id
    _write_task_details(details, message)


def _write_task_details(details: StateDetails, message: pb.StateDetails) -> None:
    """Write what only states of task runs need to say."""
    if details.child_flow_run_id is not None:
        message.child_flow_run_id = details.child_flow_run_id
    if details.cache_key is not None:
        message.cache_key = details.cache_key
    if details.cache_expire_time is not None:
        write_time(details.cache_expire_time, message.cache_expire_time)
    if details.refresh_cache:
        message.refresh_cache = True
    if details.retriable is not None:
        message.retriable = details.retriable
    if details.untrackable_result:
        message.untrackable_result = True


def _write_keyset(keyset: RunInputKeyset, message: pb.RunInputKeyset) -> None:
    message.SetInParent()
    message.schema = keyset.schema or ""
    message.response = keyset.response or ""
    message.description = keyset.description or ""
