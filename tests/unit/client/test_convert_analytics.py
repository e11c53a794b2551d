from uuid import uuid4

from headgate import GraphNodeKind, StateType
from headgate import v1 as pb
from headgate._convert_analytics import to_graph, to_history_interval


def test_kinds_that_are_newer_than_the_client_are_unknown() -> None:
    node = pb.GraphNode(id=str(uuid4()), kind=99, state_type=99)  # type: ignore[arg-type]
    state = pb.GraphState(id=str(uuid4()), type=99)  # type: ignore[arg-type]

    graph = to_graph(pb.FlowRunGraph(flow_run_id=str(uuid4()), nodes=[node], states=[state]))

    assert graph.nodes[0].kind is GraphNodeKind.UNKNOWN
    assert graph.nodes[0].state_type is StateType.UNKNOWN
    assert graph.states[0].type is StateType.UNKNOWN
    assert (graph.start_time, graph.end_time, graph.nodes[0].end_time) == (None, None, None)


def test_runs_without_a_state_have_none_in_a_history() -> None:
    interval = to_history_interval(pb.HistoryInterval(states=[pb.HistoryState(count_runs=2)]))

    assert interval.states[0].state_type is None
    assert interval.states[0].count_runs == 2
