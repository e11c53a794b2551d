from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from rich.cells import cell_len

from headgate import FlowRunGraph, GraphNode, GraphNodeKind, StateType
from headgate_server.cli.lanes import draw
from tests.builders import NOW

SECOND = timedelta(seconds=1)
RUN = uuid4()


def a_node(
    label: str, start: float, end: float | None, *parents: GraphNode, **fields: Any
) -> GraphNode:
    """Return a task run that began and ended so many seconds after the beginning."""
    usual: dict[str, Any] = {
        "kind": GraphNodeKind.TASK_RUN,
        "id": uuid4(),
        "state_type": StateType.RUNNING if end is None else StateType.COMPLETED,
        "parent_ids": tuple(each.id for each in parents),
    }
    return GraphNode(
        label=label,
        start_time=NOW + start * SECOND,
        end_time=None if end is None else NOW + end * SECOND,
        **(usual | fields),
    )


def a_graph(nodes: Sequence[GraphNode], run_id: UUID = RUN) -> FlowRunGraph:
    return FlowRunGraph(
        flow_run_id=run_id,
        start_time=NOW,
        end_time=None,
        root_node_ids=(),
        nodes=tuple(nodes),
        states=(),
    )


def drawn(*nodes: GraphNode, width: int | None = None, **inner: FlowRunGraph) -> list[str]:
    """Return the lines of a drawing eight seconds after the beginning."""
    graphs = {RUN: a_graph(nodes)} | {each.flow_run_id: each for each in inner.values()}
    return [line.plain for line in draw(graphs, RUN, NOW + 8 * SECOND, width)]


def test_a_graph_without_nodes_is_not_drawn() -> None:
    assert drawn() == []


def test_nodes_hang_under_the_last_of_those_they_waited_for_and_tell_the_others() -> None:
    first = a_node("first", 0, 2)
    other = a_node("other", 0, 4)
    child = a_node("child", 2, 3, first)
    last = a_node("last", 4, None, first, other, state_type=StateType.SCHEDULED)
    after = a_node("after", 6, None, last)

    assert drawn(first, other, child, last, after) == [
        "TASK         0 s         2 s         4 s         6 s           TOOK     STATE       ALSO AFTER",
        "first        █████████████                                     2 s      COMPLETED",
        "└─ child                 ███████                               1 s      COMPLETED",
        "other        █████████████████████████                         4 s      COMPLETED",
        "└─ last                              ░░░░░░░░░░░░░░░░░░░░░░░░  4 s      SCHEDULED   first",
        "   └─ after                                      ▓▓▓▓▓▓▓▓▓▓▓▓  2 s      RUNNING",
    ]


def test_a_subflow_run_is_marked_and_what_it_did_hangs_under_it() -> None:
    sub = a_node("etl / child", 0, 8, kind=GraphNodeKind.FLOW_RUN)
    after = a_node("after", 8, 8, sub)
    inner = a_graph([a_node("inner", 1, 2), a_node("inner-2", 2, 3)], sub.id)

    labels = [line[:15].rstrip() for line in drawn(sub, after, inner=inner)]

    assert labels == ["TASK", "▸ etl / child", "├─ inner", "├─ inner-2", "└─ after"]


def test_what_is_left_out_or_comes_later_holds_nothing_up() -> None:
    later = a_node("later", 1, 2)
    first = a_node("first", 0, 1, parent_ids=(uuid4(), later.id))

    assert [line.split()[0] for line in drawn(first, later)] == ["TASK", "first", "later"]


def test_a_node_that_took_no_time_is_seen() -> None:
    [_, line] = drawn(a_node("cached", 0, 0))

    assert line.split() == ["cached", "█", "0", "ms", "COMPLETED"]


def test_names_are_drawn_without_what_would_move_the_cursor() -> None:
    [_, line] = drawn(a_node("a\n\x1b[31mb", 0, 1))

    assert line.startswith("a··[31mb ")


def test_a_long_chain_stays_readable() -> None:
    chain = [a_node("0", 0, 1)]
    for number in range(1, 2000):
        chain.append(a_node(str(number), 0, 1, chain[-1]))

    lines = drawn(*chain)

    assert len(lines) == 2001
    assert max(line.index("└─") for line in lines[2:]) < 40
    assert [line.split("█")[0].split()[-1] for line in lines[1:]] == [
        str(number) for number in range(2000)
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_are_as_wide_as_the_terminal_at_most(width: int) -> None:
    before = [a_node(f"before-{number}", 0, 1) for number in range(9)]
    lines = drawn(*before, a_node("日本" * 40, 1, 2, *before), width=width)

    assert max(map(cell_len, lines)) <= width
    assert "…" in lines[-1]
