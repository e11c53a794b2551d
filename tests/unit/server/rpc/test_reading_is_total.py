"""Whatever arrives, it is read or refused, and nothing else happens."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate import v1 as pb
from headgate_server.model.errors import InvalidRequestError
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert import (
    batches,
    concurrency_limits,
    deployment_runs,
    deployments,
    flow_runs,
    flows,
    graphs,
    history,
    inputs,
    schedules,
    task_runs,
    task_transitions,
    transitions,
    updates,
    variables,
    watching,
    work_pools,
    work_queues,
    workers,
)

LIMITS = Limits(name_characters=8, tags=2, ids=2, inputs=2, json_bytes=40)
ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ab"

Read = Callable[[Any, Limits], object]


def read_wait(request: pb.WaitFlowRunsRequest, limits: Limits) -> object:
    return watching.read_wait(request, limits, remaining_seconds=1)


READERS: dict[type[Message], Read] = {
    pb.CreateFlowRequest: flows.read_create_flow,
    pb.GetFlowRequest: flows.read_get_flow,
    pb.ListFlowsRequest: flows.read_list_flows,
    pb.CountFlowsRequest: flows.read_count_flows,
    pb.UpdateFlowRequest: flows.read_update_flow,
    pb.DeleteFlowRequest: flows.read_delete_flow,
    pb.CreateFlowRunRequest: flow_runs.read_create_flow_run,
    pb.GetFlowRunRequest: flow_runs.read_get_flow_run,
    pb.ListFlowRunsRequest: flow_runs.read_list_flow_runs,
    pb.CountFlowRunsRequest: flow_runs.read_count_flow_runs,
    pb.UpdateFlowRunRequest: updates.read_update_flow_run,
    pb.DeleteFlowRunRequest: flow_runs.read_delete_flow_run,
    pb.BatchCreateFlowRunsRequest: batches.read_batch_create,
    pb.BatchSetFlowRunStatesRequest: batches.read_batch_set_states,
    pb.BatchDeleteFlowRunsRequest: batches.read_batch_delete,
    pb.SetFlowRunStateRequest: transitions.read_proposal,
    pb.ResumeFlowRunRequest: transitions.read_resume,
    pb.ListFlowRunStatesRequest: transitions.read_list_states,
    pb.WaitFlowRunsRequest: read_wait,
    pb.WatchFlowRunsRequest: watching.read_watch_flow_runs,
    pb.GetFlowRunHistoryRequest: history.read_history,
    pb.GetTaskRunHistoryRequest: history.read_history,
    pb.GetFlowRunLatenessRequest: history.read_lateness,
    pb.GetFlowRunGraphRequest: graphs.read_get_graph,
    pb.ListFlowRunDependenciesRequest: graphs.read_list_dependencies,
    pb.CreateFlowRunInputRequest: inputs.read_create_input,
    pb.GetFlowRunInputRequest: inputs.read_get_input,
    pb.ListFlowRunInputsRequest: inputs.read_list_inputs,
    pb.DeleteFlowRunInputRequest: inputs.read_delete_input,
    pb.WatchFlowRunInputsRequest: watching.read_watch_inputs,
    pb.WatchTaskRunsRequest: watching.read_watch_task_runs,
    pb.CreateTaskRunRequest: task_runs.read_create_task_run,
    pb.GetTaskRunRequest: task_runs.read_get_task_run,
    pb.ListTaskRunsRequest: task_runs.read_list_task_runs,
    pb.CountTaskRunsRequest: task_runs.read_count_task_runs,
    pb.UpdateTaskRunRequest: task_runs.read_update_task_run,
    pb.DeleteTaskRunRequest: task_runs.read_delete_task_run,
    pb.SetTaskRunStateRequest: task_transitions.read_task_proposal,
    pb.ListTaskRunStatesRequest: task_transitions.read_list_task_states,
    pb.CreateConcurrencyLimitRequest: concurrency_limits.read_create_limit,
    pb.GetConcurrencyLimitRequest: concurrency_limits.read_get_limit,
    pb.ListConcurrencyLimitsRequest: concurrency_limits.read_list_limits,
    pb.ResetConcurrencyLimitRequest: concurrency_limits.read_reset_limit,
    pb.DeleteConcurrencyLimitRequest: concurrency_limits.read_delete_limit,
    pb.CreateDeploymentRequest: deployments.read_create_deployment,
    pb.GetDeploymentRequest: deployments.read_get_deployment,
    pb.ListDeploymentsRequest: deployments.read_list_deployments,
    pb.CountDeploymentsRequest: deployments.read_count_deployments,
    pb.UpdateDeploymentRequest: deployments.read_update_deployment,
    pb.DeleteDeploymentRequest: deployments.read_delete_deployment,
    pb.CreateDeploymentFlowRunRequest: deployment_runs.read_create_deployment_flow_run,
    pb.ScheduleDeploymentRequest: schedules.read_schedule_deployment,
    pb.CreateWorkPoolRequest: work_pools.read_create_work_pool,
    pb.GetWorkPoolRequest: work_pools.read_get_work_pool,
    pb.ListWorkPoolsRequest: work_pools.read_list_work_pools,
    pb.UpdateWorkPoolRequest: work_pools.read_update_work_pool,
    pb.DeleteWorkPoolRequest: work_pools.read_delete_work_pool,
    pb.CreateWorkQueueRequest: work_queues.read_create_work_queue,
    pb.GetWorkQueueRequest: work_queues.read_queue_key,
    pb.GetWorkQueueStatusRequest: work_queues.read_queue_key,
    pb.ListWorkQueuesRequest: work_queues.read_list_work_queues,
    pb.UpdateWorkQueueRequest: work_queues.read_update_work_queue,
    pb.DeleteWorkQueueRequest: work_queues.read_delete_work_queue,
    pb.HeartbeatWorkerRequest: workers.read_heartbeat,
    pb.ListWorkersRequest: workers.read_list_workers,
    pb.PollFlowRunsRequest: workers.read_poll,
    pb.WatchDueFlowRunsRequest: workers.read_watch_due,
    pb.CreateVariableRequest: variables.read_create_variable,
    pb.GetVariableRequest: variables.read_get_variable,
    pb.ListVariablesRequest: variables.read_list_variables,
    pb.UpdateVariableRequest: variables.read_update_variable,
    pb.DeleteVariableRequest: variables.read_delete_variable,
}

TEXT = st.sampled_from(
    [
        "",
        ID,
        ID.upper(),
        "{}",
        "[1]",
        "NaN",
        '{"a": "\\u0000"}',
        "a",
        "A b",
        "\0",
        "*",
        "name",
        "value",
    ]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(-1, 12) | st.integers(-(2**31), 2**31 - 1),
}


def value(draw: st.DrawFn, field: FieldDescriptor) -> object:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return draw(TEXT)
        case FieldDescriptor.CPPTYPE_BOOL:
            return draw(st.booleans())
        case number:
            return draw(st.sampled_from([0, 1, -1]) | NUMBERS[number])


def fill(draw: st.DrawFn, message: Any) -> None:
    """Give some of the fields of a message some value."""
    for field in message.DESCRIPTOR.fields:
        if not draw(st.booleans()):
            continue
        is_message = field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE
        content = getattr(message, field.name)
        if is_message and field.message_type.GetOptions().map_entry:
            for key in draw(st.lists(TEXT, max_size=3)):
                fill(draw, content[key])
        elif field.is_repeated:
            for _ in range(draw(st.integers(0, 3))):
                if is_message:
                    fill(draw, content.add())
                else:
                    content.append(value(draw, field))
        elif is_message:
            content.SetInParent()
            fill(draw, content)
        else:
            setattr(message, field.name, value(draw, field))


@pytest.mark.parametrize("kind", READERS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_request_of_the_right_form_is_read_or_refused(
    kind: type[Message], data: st.DataObject
) -> None:
    request = kind()
    fill(data.draw, request)  # type: ignore[arg-type]
    received = kind.FromString(request.SerializeToString())

    with suppress(InvalidRequestError):
        READERS[kind](received, LIMITS)


@pytest.mark.parametrize("kind", READERS, ids=lambda kind: kind.__name__)
@given(content=st.binary(max_size=60))
@settings(max_examples=25, deadline=None)
def test_bytes_of_any_form_are_read_or_refused(kind: type[Message], content: bytes) -> None:
    with suppress(DecodeError, InvalidRequestError):
        READERS[kind](kind.FromString(content), LIMITS)


def test_every_request_of_the_contract_with_fields_is_tried() -> None:
    requests = {
        getattr(pb, name)
        for name in dir(pb)
        if name.endswith("Request") and getattr(pb, name).DESCRIPTOR.fields
    }

    assert requests == set(READERS)
