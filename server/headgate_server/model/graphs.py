"""Graphs: what a flow run did, as nodes and which of them waited for which. Knows nothing of storage or the wire."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from headgate_server.model.states import State, StateType

__all__ = ["FlowRunGraph", "GraphNode", "GraphNodeKind", "Outline", "assemble"]


class GraphNodeKind(StrEnum):
    """What stands behind a node."""

    TASK_RUN = "TASK_RUN"
    FLOW_RUN = "FLOW_RUN"
    """A subflow run, in the place of the task run that stands for it."""


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a node before its neighbours are."""

    kind: GraphNodeKind
    id: str
    task_run_id: str
    """The task run: the node itself, or the one that stands for the subflow run."""
    label: str
    state_type: StateType | None
    start_time: datetime
    end_time: datetime | None
    upstream_ids: Collection[str]
    """What the task run was given the results of: ids of task runs or of subflow runs, which need not be nodes."""


class GraphNode(msgspec.Struct, frozen=True, kw_only=True):
    """A task run or a subflow run in a graph."""

    kind: GraphNodeKind
    id: str
    label: str
    state_type: StateType | None
    start_time: datetime
    end_time: datetime | None
    parent_ids: tuple[str, ...] = ()
    """Each once, in the order of the nodes of the whole graph."""
    child_ids: tuple[str, ...] = ()
    """Each once, in the order of the nodes of the whole graph."""


class FlowRunGraph(msgspec.Struct, frozen=True, kw_only=True):
    """The graph of a flow run."""

    flow_run_id: str
    start_time: datetime | None
    end_time: datetime | None
    nodes: tuple[GraphNode, ...]
    states: tuple[State, ...]
    """The states of the flow run without their data, the first one first."""

    @property
    def root_node_ids(self) -> tuple[str, ...]:
        """The ids of the nodes without parents."""
        return tuple(node.id for node in self.nodes if not node.parent_ids)


def assemble(outlines: Collection[Outline], since: datetime | None = None) -> tuple[GraphNode, ...]:
    """Return the nodes of a graph in order, joined by edges.

    Args:
        outlines: All nodes of the graph.
        since: Leave out nodes that ended before this time; edges to them are kept.
    """
    ordered = sorted(outlines, key=_place)
    parents = _parents(ordered)
    children: list[list[int]] = [[] for _ in ordered]
    for place, above in enumerate(parents):
        for parent in above:
            children[parent].append(place)
    ids = [each.id for each in ordered]
    return tuple(
        GraphNode(
            kind=each.kind,
            id=each.id,
            label=each.label,
            state_type=each.state_type,
            start_time=each.start_time,
            end_time=each.end_time,
            parent_ids=tuple(ids[parent] for parent in parents[place]),
            child_ids=tuple(ids[child] for child in children[place]),
        )
        for place, each in enumerate(ordered)
        if since is None or each.end_time is None or each.end_time >= since
    )


def _place(outline: Outline) -> tuple[datetime, bool, datetime, str]:
    """Return what nodes are sorted by: start, end with those that have none last, id."""
    end = outline.end_time
    return outline.start_time, end is None, end or outline.start_time, outline.id


def _parents(ordered: Sequence[Outline]) -> list[list[int]]:
    """Return the places of the parents of each node, ascending.

    A task run that stands for a subflow run is no node; who names it means the subflow run.
    """
    places: dict[str, set[int]] = {}
    for place, each in enumerate(ordered):
        for node_id in {each.id, each.task_run_id}:
            places.setdefault(node_id, set()).add(place)
    nowhere: set[int] = set()
    return [
        sorted({place for above in each.upstream_ids for place in places.get(above, nowhere)})
        for each in ordered
    ]
