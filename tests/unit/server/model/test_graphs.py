from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from headgate_server.model.graphs import FlowRunGraph, GraphNode, GraphNodeKind, Outline, assemble
from headgate_server.model.states import StateType
from tests.builders import NOW

SECOND = timedelta(seconds=1)


def a_task(task_id: str, *above: str, start: int = 0, **fields: Any) -> Outline:
    """Return a task run that starts so many seconds after the others, and that was given these results."""
    outline = Outline(
        kind=GraphNodeKind.TASK_RUN,
        id=task_id,
        task_run_id=task_id,
        label=task_id,
        state_type=StateType.RUNNING,
        start_time=NOW + start * SECOND,
        end_time=None,
        upstream_ids=above,
    )
    return replace(outline, **fields)


def a_subflow(run_id: str, wrapper: str, *above: str, start: int = 0, **fields: Any) -> Outline:
    """Return a subflow run that a task run stands for."""
    return a_task(
        run_id,
        *above,
        start=start,
        kind=GraphNodeKind.FLOW_RUN,
        task_run_id=wrapper,
        **fields,
    )


def edges(nodes: tuple[GraphNode, ...]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    return {node.id: (node.parent_ids, node.child_ids) for node in nodes}


def ids(nodes: tuple[GraphNode, ...]) -> list[str]:
    return [node.id for node in nodes]


def test_a_run_without_task_runs_has_no_nodes() -> None:
    assert assemble([]) == ()


def test_an_edge_stands_at_both_of_its_ends() -> None:
    nodes = assemble([a_task("a"), a_task("b", "a", start=1)])

    assert edges(nodes) == {"a": ((), ("b",)), "b": (("a",), ())}


def test_an_edge_is_told_once_however_often_a_result_was_given() -> None:
    nodes = assemble([a_task("a"), a_task("b", "a", "a", "a", start=1)])

    assert edges(nodes) == {"a": ((), ("b",)), "b": (("a",), ())}


def test_what_is_no_node_has_no_edges() -> None:
    nodes = assemble([a_task("a", "pending", "deleted")])

    assert edges(nodes) == {"a": ((), ())}


def test_neighbours_come_in_the_order_of_their_start() -> None:
    nodes = assemble(
        [
            a_task("last", "b", "c", "a", start=9),
            a_task("c", "first", start=3),
            a_task("a", "first", start=2),
            a_task("b", "first", start=1),
            a_task("first"),
        ]
    )

    assert edges(nodes)["first"] == ((), ("b", "a", "c"))
    assert edges(nodes)["last"] == (("b", "a", "c"), ())


def test_nodes_are_ordered_by_start_then_by_end_with_none_last_then_by_id() -> None:
    nodes = assemble(
        [
            a_task("d", start=1),
            a_task("c"),
            a_task("z", end_time=NOW + SECOND),
            a_task("b"),
            a_task("y", end_time=NOW + 2 * SECOND),
        ]
    )

    assert ids(nodes) == ["z", "y", "b", "c", "d"]


def test_who_waits_for_the_task_run_of_a_subflow_waits_for_the_subflow() -> None:
    nodes = assemble(
        [
            a_task("a"),
            a_subflow("run", "wrapper", "a", start=1),
            a_task("b", "wrapper", start=2),
            a_task("c", "run", start=3),
            a_task("d", "run", "wrapper", start=4),
        ]
    )

    assert edges(nodes)["run"] == (("a",), ("b", "c", "d"))
    assert edges(nodes)["d"] == (("run",), ())


def test_subflow_runs_of_one_task_run_are_nodes_each() -> None:
    nodes = assemble(
        [
            a_subflow("run-1", "wrapper"),
            a_subflow("run-2", "wrapper", start=1),
            a_task("a", "wrapper", start=2),
        ]
    )

    assert edges(nodes)["a"] == (("run-1", "run-2"), ())


def test_since_leaves_out_what_ended_before_and_keeps_the_edges_to_it() -> None:
    nodes = assemble(
        [
            a_task("before", end_time=NOW + SECOND - timedelta(microseconds=1)),
            a_task("then", end_time=NOW + SECOND),
            a_task("going on", "before", start=-5),
            a_task("later", "before", "then", start=1, end_time=NOW + 2 * SECOND),
        ],
        since=NOW + SECOND,
    )

    assert ids(nodes) == ["going on", "then", "later"]
    assert edges(nodes)["later"] == (("before", "then"), ())


def test_roots_have_no_parents_not_even_such_as_are_left_out() -> None:
    nodes = assemble(
        [
            a_task("before", end_time=NOW),
            a_task("b", "before", start=1),
            a_task("c", start=3),
            a_task("a", start=2),
        ],
        since=NOW + SECOND,
    )

    graph = FlowRunGraph(flow_run_id="run", start_time=None, end_time=None, nodes=nodes, states=())

    assert graph.root_node_ids == ("a", "c")


def test_a_circle_does_no_harm() -> None:
    nodes = assemble([a_task("a", "b"), a_task("b", "a", start=1), a_task("c", "c", start=2)])

    assert edges(nodes) == {"a": (("b",), ("b",)), "b": (("a",), ("a",)), "c": (("c",), ("c",))}
