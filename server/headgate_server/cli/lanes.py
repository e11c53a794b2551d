"""Lanes: the graph of a flow run as a tree of tasks, each with a bar on a common scale of time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from headgate import FlowRunGraph, GraphNode, GraphNodeKind, StateType
from headgate_server.cli import words
from headgate_server.cli.scale import Scale

Graphs = Mapping[UUID, FlowRunGraph]
"""Graphs by the id of their run."""

_GAP: Final = "  "
_TASK: Final = "TASK"
_OTHERS: Final = "ALSO AFTER"
_BAR_LEAST: Final = 16
_BAR_USUAL: Final = 48
_LABEL_LEAST: Final = 16
_OTHERS_MOST: Final = 32
_DEEPEST: Final = 36
"""Cells that the lines of the tree may take. What lies deeper is drawn there, so that a long chain stays readable."""
_WAITING: Final = frozenset({StateType.SCHEDULED, StateType.PENDING, StateType.PAUSED, None})
_SUBFLOW: Final = "▸ "


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """A node at its place in the tree."""

    tree: str
    """The lines of the tree before it."""
    node: GraphNode
    others: tuple[str, ...]
    """The labels of what it waited for besides the node that it hangs under."""

    @property
    def label(self) -> str:
        mark = _SUBFLOW if self.node.kind is GraphNodeKind.FLOW_RUN else ""
        return f"{self.tree}{mark}{_printable(self.node.label)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Branch:
    """A node with what hangs under it."""

    node: GraphNode
    others: tuple[str, ...]
    below: list["_Branch"]


def draw(graphs: Graphs, root: UUID, now: datetime, width: int | None) -> Iterator[Text]:
    """Yield the lines of a drawing; none if the graph has no nodes.

    Args:
        graphs: The graph, and those of the subflow runs that are drawn as well.
        root: The run that is drawn.
        now: Until when bars without an end go on.
        width: How wide a line may be. None: as wide as it takes.
    """
    lanes = list(_lanes(_branches(graphs, root)))
    if not lanes:
        return
    nodes = [lane.node for lane in lanes]
    begin = min(node.start_time for node in nodes)
    end = max(node.end_time or max(node.start_time, now) for node in nodes)
    labels = max(cell_len(lane.label) for lane in lanes)
    others = max(cell_len(_others(lane)) for lane in lanes)
    label, bar, other = _widths(labels, others, width)
    scale = Scale(begin, end, bar)
    heads = (_fit(_TASK, label), scale.ticks(), _fit("TOOK", 7), _fit("STATE", 10))
    yield _line(*heads, _OTHERS if other else "", style="bold")
    for lane in lanes:
        node = lane.node
        took = (node.end_time or max(now, node.start_time)) - node.start_time
        yield _line(
            _fit(lane.label, label),
            _bar(node, scale, now),
            _fit(words.span(took), 7),
            _state(node.state_type),
            _fit(_others(lane), other) if other else "",
        )


def _branches(graphs: Graphs, root: UUID) -> list[_Branch]:
    """Return the nodes of a graph as trees: each hangs under the last of those that it waited for."""
    graph = graphs[root]
    branches: dict[UUID, _Branch] = {}
    roots: list[_Branch] = []
    for node in graph.nodes:
        before = [branches[each] for each in node.parent_ids if each in branches]
        inner = _branches(graphs, node.id) if node.id in graphs else []
        branch = _Branch(
            node=node, others=tuple(each.node.label for each in before[:-1]), below=inner
        )
        (before[-1].below if before else roots).append(branch)
        branches[node.id] = branch
    return roots


def _lanes(roots: Sequence[_Branch]) -> Iterator[_Lane]:
    """Yield trees from top to bottom."""
    ahead = [(branch, "", "") for branch in reversed(roots)]
    while ahead:
        branch, tree, deeper = ahead.pop()
        yield _Lane(tree=tree, node=branch.node, others=branch.others)
        is_deepest = len(deeper) >= _DEEPEST
        for place, child in enumerate(reversed(branch.below)):
            lead, rest = ("└─ ", "   ") if place == 0 else ("├─ ", "│  ")
            ahead.append(
                (
                    child,
                    tree if is_deepest else deeper + lead,
                    deeper if is_deepest else deeper + rest,
                )
            )


def _widths(labels: int, others: int, width: int | None) -> tuple[int, int, int]:
    """Return how many cells there are for labels, bars and what else was waited for."""
    label, other = max(labels, len(_TASK)), max(others, len(_OTHERS)) if others else 0
    if width is None:
        return label, _BAR_USUAL, other
    room = width - len(_GAP) * 4 - 7 - 10
    other = min(other, _OTHERS_MOST, room // 4)
    other = other if other >= len(_OTHERS) else 0
    label = min(label, max(_LABEL_LEAST, (room - other) // 2))
    return label, max(_BAR_LEAST, room - other - label), other


def _bar(node: GraphNode, scale: Scale, now: datetime) -> Text:
    """Return the bar of a node, which begins and ends where it did."""
    first, last = scale.place(node.start_time), scale.place(node.end_time or now)
    block = "░" if node.state_type in _WAITING else "▓" if node.end_time is None else "█"
    drawn = block * (max(first, last) - first + 1)
    style = words.style(node.state_type)
    return Text.assemble(" " * first, (drawn, style)).append(
        " " * (scale.width - first - len(drawn))
    )


def _state(kind: StateType | None) -> Text:
    shown = words.state_type(kind)
    shown.append(" " * (10 - len(shown)))
    return shown


def _others(lane: _Lane) -> str:
    return ", ".join(map(_printable, lane.others))


def _line(*cells: str | Text, style: str = "") -> Text:
    line = Text(_GAP).join(cell if isinstance(cell, Text) else Text(cell) for cell in cells)
    line.rstrip()
    line.stylize(style)
    return line


def _fit(text: str, width: int) -> str:
    """Return a text in so many cells."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return f"{set_cell_size(text, max(width - 1, 0))}…"


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "·" for letter in text)
