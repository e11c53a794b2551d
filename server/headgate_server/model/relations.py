"""Relations: what filters ask of entities beside the one that is judged, and what the database says of these.

No event tells of them, so a watch asks for them. No member of a filter is ever negated, so a filter whose questions about
relations are left out lets everything through that the whole filter does.
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from headgate_server.model.filters import (
    AnyFilter,
    ExistsFilter,
    FlowFilter,
    FlowRunFilter,
    IdFilter,
    PresenceFilter,
    RunQuery,
    TaskRunFilter,
)
from headgate_server.model.flow_runs import FlowRun


class FlowRunRelations(msgspec.Struct, frozen=True, kw_only=True):
    """What the database says of the relations of some flow runs. None where nothing was asked."""

    parents: Mapping[str, str] = {}
    """The flow runs of the task runs that stand for them, by the id of the task run."""
    deployed_flow_ids: frozenset[str] = frozenset()
    """The flows to which a deployment belongs."""
    deployment_ids: frozenset[str] | None = None
    """The deployments that match."""
    work_queue_ids: frozenset[str] | None = None
    """The work queues that match, and whose pools do."""
    ids_with_task_runs: frozenset[str] | None = None
    """The runs that have a task run that matches."""

    def hold(self, run: FlowRun) -> bool:
        """Return whether the related entities that are asked for are there."""
        return (
            (self.deployment_ids is None or run.deployment_id in self.deployment_ids)
            and (self.work_queue_ids is None or run.work_queue_id in self.work_queue_ids)
            and (self.ids_with_task_runs is None or run.id in self.ids_with_task_runs)
        )


class TaskRunRelations(msgspec.Struct, frozen=True, kw_only=True):
    """What the database says of the relations of some task runs. None where nothing was asked."""

    flow_run_ids: frozenset[str] | None = None
    """The flow runs that match."""
    ids_with_subflows: frozenset[str] = frozenset()
    """The task runs that stand for a subflow run."""


def own_part_for_flow_runs(query: RunQuery) -> RunQuery:
    """Return the part of a query that flow runs answer by themselves and with their flows."""
    flows, flow_runs = query.flows, query.flow_runs
    if flows is not None and flows.deployment is not None:
        flows = replace(flows, deployment=PresenceFilter())
    if flow_runs is not None and flow_runs.parent_flow_run_id is not None:
        flow_runs = replace(flow_runs, parent_flow_run_id=AnyFilter())
    return RunQuery(flows=flows, flow_runs=flow_runs)


def own_part_for_task_runs(query: RunQuery) -> RunQuery:
    """Return the part of a query that task runs answer by themselves."""
    task_runs = query.task_runs
    if task_runs is not None and task_runs.subflow_runs is not None:
        task_runs = replace(task_runs, subflow_runs=ExistsFilter())
    return RunQuery(task_runs=task_runs)


def asks_for_parents(query: RunQuery) -> bool:
    """Return whether it matters which flow run started a run as a subflow."""
    parent = (query.flow_runs or FlowRunFilter()).parent_flow_run_id
    return parent is not None and parent.any is not None


def asks_for_deployed_flows(query: RunQuery) -> bool:
    """Return whether it matters which flows are deployed."""
    deployment = (query.flows or FlowFilter()).deployment
    return deployment is not None and deployment.is_null is not None


def asks_for_subflows(query: RunQuery) -> bool:
    """Return whether it matters which task runs stand for a subflow run."""
    subflows = (query.task_runs or TaskRunFilter()).subflow_runs
    return subflows is not None and subflows.exists is not None


def asks_for_flow_runs(query: RunQuery) -> bool:
    """Return whether more than the id matters of the flow runs that task runs belong to."""
    ids = (query.flow_runs or FlowRunFilter()).id or IdFilter()
    of_flow_runs = replace(query, task_runs=None)
    return of_flow_runs not in {
        RunQuery(),
        RunQuery(flow_runs=FlowRunFilter(id=IdFilter(any=ids.any))),
    }


def asks_for_relations_of_flow_runs(query: RunQuery) -> bool:
    """Return whether flow runs cannot answer a query by themselves and with their flows."""
    related = (query.task_runs, query.deployments, query.work_pools, query.work_queues)
    return (
        asks_for_parents(query)
        or asks_for_deployed_flows(query)
        or any(each is not None for each in related)
    )


def asks_for_relations_of_task_runs(query: RunQuery) -> bool:
    """Return whether task runs cannot answer a query by themselves and with the id of their flow run."""
    return asks_for_subflows(query) or asks_for_flow_runs(query)
