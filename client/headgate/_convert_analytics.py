"""Graphs and histories from stubs. Pure and total, as `headgate._convert`."""

from typing import Final
from uuid import UUID

from headgate import v1 as pb
from headgate._convert import to_datetime, to_state, to_state_type
from headgate.enums import GraphNodeKind
from headgate.graphs import FlowRunGraph, GraphNode, GraphState, TaskRunDependencies
from headgate.history import HistoryInterval, HistoryState
from headgate.states import StateType

_NODE_KINDS: Final = {
    pb.GRAPH_NODE_KIND_TASK_RUN: GraphNodeKind.TASK_RUN,
    pb.GRAPH_NODE_KIND_FLOW_RUN: GraphNodeKind.FLOW_RUN,
}


def to_history_interval(interval: pb.HistoryInterval) -> HistoryInterval:
    """Return an interval of a history."""
    return HistoryInterval(
        start_time=to_datetime(interval.start_time),
        end_time=to_datetime(interval.end_time),
        states=tuple(
            HistoryState(
                state_type=to_state_type(state.state_type),
                state_name=state.state_name,
                count_runs=state.count_runs,
                sum_estimated_run_time=state.sum_estimated_run_time.ToTimedelta(),
                sum_estimated_lateness=state.sum_estimated_lateness.ToTimedelta(),
            )
            for state in interval.states
        ),
    )


def to_graph(graph: pb.FlowRunGraph) -> FlowRunGraph:
    """Return a graph."""
    return FlowRunGraph(
        flow_run_id=UUID(graph.flow_run_id),
        start_time=to_datetime(graph.start_time) if graph.HasField("start_time") else None,
        end_time=to_datetime(graph.end_time) if graph.HasField("end_time") else None,
        root_node_ids=tuple(map(UUID, graph.root_node_ids)),
        nodes=tuple(map(_to_node, graph.nodes)),
        states=tuple(
            GraphState(
                id=UUID(state.id),
                type=to_state_type(state.type) or StateType.UNKNOWN,
                name=state.name,
                timestamp=to_datetime(state.timestamp),
            )
            for state in graph.states
        ),
    )


def _to_node(node: pb.GraphNode) -> GraphNode:
    return GraphNode(
        kind=_NODE_KINDS.get(node.kind, GraphNodeKind.UNKNOWN),
        id=UUID(node.id),
        label=node.label,
        state_type=to_state_type(node.state_type),
        start_time=to_datetime(node.start_time),
        end_time=to_datetime(node.end_time) if node.HasField("end_time") else None,
        parent_ids=tuple(map(UUID, node.parent_ids)),
        child_ids=tuple(map(UUID, node.child_ids)),
    )


def to_dependencies(task_run: pb.TaskRunDependencies) -> TaskRunDependencies:
    """Return a task run with what it depends on."""
    has = task_run.HasField
    return TaskRunDependencies(
        task_run_id=UUID(task_run.task_run_id),
        name=task_run.name,
        state=to_state(task_run.state) if has("state") else None,
        expected_start_time=(
            to_datetime(task_run.expected_start_time) if has("expected_start_time") else None
        ),
        start_time=to_datetime(task_run.start_time) if has("start_time") else None,
        end_time=to_datetime(task_run.end_time) if has("end_time") else None,
        total_run_time=task_run.total_run_time.ToTimedelta(),
        estimated_run_time=task_run.estimated_run_time.ToTimedelta(),
        untrackable_result=task_run.untrackable_result,
        upstream_task_run_ids=tuple(map(UUID, task_run.upstream_task_run_ids)),
    )
