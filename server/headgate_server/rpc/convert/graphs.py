"""Graphs and dependencies: requests read, answers written."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from headgate import v1 as pb
from headgate_server.model.errors import GraphTooLargeError
from headgate_server.model.graphs import FlowRunGraph, GraphNode, GraphNodeKind
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.model.task_runs import TaskInputKind, TaskRun
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.paging import read_page
from headgate_server.rpc.convert.run_times import estimated_run_time
from headgate_server.rpc.convert.states import STATE_TYPE_NUMBERS, write_state
from headgate_server.rpc.convert.times import read_time, write_span, write_time

_KINDS: Final[Mapping[GraphNodeKind, pb.GraphNodeKind.ValueType]] = {
    each: pb.GraphNodeKind.Value(f"GRAPH_NODE_KIND_{each}") for each in GraphNodeKind
}


def read_get_graph(
    request: pb.GetFlowRunGraphRequest, limits: Limits
) -> tuple[str, datetime | None]:
    """Read which graph to get: of which run, and since when.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    since = read_time(request.since, "since", checks) if request.HasField("since") else None
    return checks.passed((checks.id(request.flow_run_id, "flow_run_id"), since))


def answer_graph(graph: FlowRunGraph, limits: Limits) -> pb.GetFlowRunGraphResponse:
    """Answer with a graph.

    Raises:
        GraphTooLargeError: The answer is longer than a message may be.
    """
    response = pb.GetFlowRunGraphResponse()
    _write_graph(graph, response.graph)
    if response.ByteSize() > limits.message_bytes:
        raise GraphTooLargeError(graph.flow_run_id, limits.message_bytes, is_in_bytes=True)
    return response


def _write_graph(graph: FlowRunGraph, message: pb.FlowRunGraph) -> None:
    message.flow_run_id = graph.flow_run_id
    if graph.start_time is not None:
        write_time(graph.start_time, message.start_time)
    if graph.end_time is not None:
        write_time(graph.end_time, message.end_time)
    message.root_node_ids.extend(graph.root_node_ids)
    for node in graph.nodes:
        _write_node(node, message.nodes.add())
    for state in graph.states:
        written = message.states.add(
            id=state.id, type=STATE_TYPE_NUMBERS[state.type], name=state.name
        )
        write_time(state.timestamp, written.timestamp)


def _write_node(node: GraphNode, message: pb.GraphNode) -> None:
    message.kind = _KINDS[node.kind]
    message.id = node.id
    message.label = node.label
    if node.state_type is not None:
        message.state_type = STATE_TYPE_NUMBERS[node.state_type]
    write_time(node.start_time, message.start_time)
    if node.end_time is not None:
        write_time(node.end_time, message.end_time)
    message.parent_ids.extend(node.parent_ids)
    message.child_ids.extend(node.child_ids)


def read_list_dependencies(
    request: pb.ListFlowRunDependenciesRequest, limits: Limits
) -> tuple[str, PageRequest]:
    """Read of which run to list the dependencies, and which page of them.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    page = read_page(request.page_size, request.page_token, checks, offset=request.offset)
    return checks.passed((checks.id(request.flow_run_id, "flow_run_id"), page))


def write_dependencies_page(
    page: Page[TaskRun], message: pb.ListFlowRunDependenciesResponse, now: datetime
) -> None:
    """Write a page of task runs with what they depend on."""
    for task_run in page.items:
        _write_dependencies(task_run, message.task_runs.add(), now)
    message.next_page_token = page.next_token


def _write_dependencies(task_run: TaskRun, message: pb.TaskRunDependencies, now: datetime) -> None:
    message.task_run_id = task_run.id
    message.name = task_run.name
    state = task_run.state
    if state is not None:
        write_state(state, task_run.flow_run_id, message.state, task_run_id=task_run.id)
        message.untrackable_result = state.details.untrackable_result
    if task_run.expected_start_time is not None:
        write_time(task_run.expected_start_time, message.expected_start_time)
    if task_run.start_time is not None:
        write_time(task_run.start_time, message.start_time)
    if task_run.end_time is not None:
        write_time(task_run.end_time, message.end_time)
    write_span(task_run.total_run_time, message.total_run_time)
    write_span(estimated_run_time(task_run, now), message.estimated_run_time)
    message.upstream_task_run_ids.extend(_upstream_ids(task_run))


def _upstream_ids(task_run: TaskRun) -> list[str]:
    """Return the ids of the task runs whose results a task run was given, each once."""
    given = (each for inputs in task_run.task_inputs.values() for each in inputs)
    return sorted({each.value for each in given if each.kind is TaskInputKind.TASK_RUN})
