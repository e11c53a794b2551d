"""What filters, orders and counts mean, said once more in plain Python over a world that is held whole.

Written from the specification alone: nothing here knows how the service finds anything. What else is asked of runs, such as
their history or their graph, begins with the runs that `Evaluation` selects.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cached_property
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Final

from headgate_server.model.deployments import Deployment
from headgate_server.model.filters import (
    AnyFilter,
    DeploymentFilter,
    EqualFilter,
    ExistsFilter,
    FlowFilter,
    FlowRunFilter,
    IdFilter,
    KeyFilter,
    NameFilter,
    Operator,
    PresenceFilter,
    QueueNameFilter,
    ReferenceFilter,
    RunQuery,
    StateFilter,
    TagsFilter,
    TaskRunFilter,
    TimeFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.states import State
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.work_pools import WorkPool, WorkQueue
from tests.model.worlds import World

_LOWER: Final = str.maketrans(ascii_uppercase, ascii_lowercase)


class Evaluation:
    """Answers questions about one world by looking at everything in it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._flows = {each.id: each for each in world.flows}
        self._flow_runs = {each.id: each for each in world.flow_runs}
        self._task_runs = {each.id: each for each in world.task_runs}
        self._deployments = {each.id: each for each in world.deployments}
        self._pools = {each.id: each for each in world.work_pools}
        self._queues = {each.id: each for each in world.work_queues}

    def flow_runs(self, query: RunQuery) -> list[FlowRun]:
        """Return the flow runs that match."""
        return [each for each in self._world.flow_runs if self._is_run(query, each)]

    def task_runs(self, query: RunQuery) -> list[TaskRun]:
        """Return the task runs that match."""
        without_own = RunQuery(
            flows=query.flows,
            flow_runs=query.flow_runs,
            deployments=query.deployments,
            work_pools=query.work_pools,
            work_queues=query.work_queues,
        )
        return [
            each
            for each in self._world.task_runs
            if self._is_task_run_alone(query.task_runs, each)
            and self._is_run(without_own, self._flow_runs[each.flow_run_id])
        ]

    def flows(self, query: RunQuery) -> list[Flow]:
        """Return the flows that match."""
        asks_for_deployments = _is_any_given(query.deployments, query.work_pools, query.work_queues)
        asks_for_runs = _is_any_given(query.flow_runs, query.task_runs)
        of_deployment = RunQuery(
            deployments=query.deployments,
            work_pools=query.work_pools,
            work_queues=query.work_queues,
        )
        of_run = RunQuery(flow_runs=query.flow_runs, task_runs=query.task_runs)
        return [
            flow
            for flow in self._world.flows
            if self._is_flow_alone(query.flows, flow)
            and (
                not asks_for_deployments
                or any(
                    each.flow_id == flow.id and self._is_deployment(of_deployment, each)
                    for each in self._world.deployments
                )
            )
            and (
                not asks_for_runs
                or any(
                    each.flow_id == flow.id and self._is_run(of_run, each)
                    for each in self._world.flow_runs
                )
            )
        ]

    def deployments(self, query: RunQuery) -> list[Deployment]:
        """Return the deployments that match."""
        return [each for each in self._world.deployments if self._is_deployment(query, each)]

    def work_pools(self, query: RunQuery) -> list[WorkPool]:
        """Return the work pools that match."""
        return [
            pool
            for pool in self._world.work_pools
            if _is_pool_alone(query.work_pools, pool)
            and (
                query.work_queues is None
                or any(
                    each.work_pool_id == pool.id and _is_queue_alone(query.work_queues, each)
                    for each in self._world.work_queues
                )
            )
        ]

    def work_queues(self, query: RunQuery) -> list[WorkQueue]:
        """Return the work queues that match."""
        return [
            each
            for each in self._world.work_queues
            if _is_queue_alone(query.work_queues, each)
            and _is_pool_alone(query.work_pools, self._pools[each.work_pool_id])
        ]

    @cached_property
    def _deployed_flows(self) -> set[str]:
        return {each.flow_id for each in self._world.deployments}

    @cached_property
    def _with_subflows(self) -> set[str | None]:
        return {each.parent_task_run_id for each in self._world.flow_runs}

    def _is_run(self, query: RunQuery, run: FlowRun) -> bool:
        return (
            self._is_flow_alone(query.flows, self._flows[run.flow_id])
            and self._is_run_alone(query.flow_runs, run)
            and self._has_deployment(query.deployments, run)
            and self._has_queue(query, run.work_queue_id)
            and (
                query.task_runs is None
                or any(
                    each.flow_run_id == run.id and self._is_task_run_alone(query.task_runs, each)
                    for each in self._world.task_runs
                )
            )
        )

    def _is_deployment(self, query: RunQuery, deployment: Deployment) -> bool:
        of_run = RunQuery(flow_runs=query.flow_runs, task_runs=query.task_runs)
        return (
            self._is_flow_alone(query.flows, self._flows[deployment.flow_id])
            and _is_deployment_alone(query.deployments, deployment)
            and self._has_queue(query, deployment.work_queue_id)
            and (
                of_run == RunQuery()
                or any(
                    each.deployment_id == deployment.id and self._is_run(of_run, each)
                    for each in self._world.flow_runs
                )
            )
        )

    def _has_deployment(self, given: DeploymentFilter | None, run: FlowRun) -> bool:
        if given is None:
            return True
        found = self._deployments.get(run.deployment_id or "")
        return found is not None and _is_deployment_alone(given, found)

    def _has_queue(self, query: RunQuery, queue_id: str | None) -> bool:
        if not _is_any_given(query.work_pools, query.work_queues):
            return True
        queue = self._queues.get(queue_id or "")
        return (
            queue is not None
            and _is_queue_alone(query.work_queues, queue)
            and _is_pool_alone(query.work_pools, self._pools[queue.work_pool_id])
        )

    def _is_flow_alone(self, given: FlowFilter | None, flow: Flow) -> bool:
        if given is None:
            return True
        return _holds(
            given.operator,
            (given.id, _key, flow.id),
            (given.name, _name, flow.name),
            (given.tags, _tags, flow.tags),
            (given.deployment, _is_null, flow.id not in self._deployed_flows),
        )

    def _is_run_alone(self, given: FlowRunFilter | None, run: FlowRun) -> bool:
        if given is None:
            return True
        parent = self._task_runs.get(run.parent_task_run_id or "")
        return _holds(
            given.operator,
            (given.id, _key, run.id),
            (given.name, _name, run.name),
            (given.tags, _tags, run.tags),
            (given.deployment_id, _reference, run.deployment_id),
            (given.work_queue_name, _reference, run.work_queue_name),
            (given.state, _state, run.state),
            (given.flow_version, _any, run.flow_version),
            (given.start_time, _time, run.start_time),
            (given.expected_start_time, _time, run.expected_start_time),
            (given.next_scheduled_start_time, _time, run.next_scheduled_start_time),
            (given.parent_flow_run_id, _any, parent.flow_run_id if parent else None),
            (given.parent_task_run_id, _reference, run.parent_task_run_id),
            (given.idempotency_key, _key, run.idempotency_key),
        )

    def _is_task_run_alone(self, given: TaskRunFilter | None, task_run: TaskRun) -> bool:
        if given is None:
            return True
        return _holds(
            given.operator,
            (given.id, _key, task_run.id),
            (given.name, _name, task_run.name),
            (given.tags, _tags, task_run.tags),
            (given.state, _state, task_run.state),
            (given.start_time, _time, task_run.start_time),
            (given.subflow_runs, _exists, task_run.id in self._with_subflows),
            (given.flow_run_id, _flow_run, task_run.flow_run_id),
        )


def _is_deployment_alone(given: DeploymentFilter | None, deployment: Deployment) -> bool:
    if given is None:
        return True
    return _holds(
        given.operator,
        (given.id, _key, deployment.id),
        (given.name, _name, deployment.name),
        (given.paused, _equal, deployment.is_paused),
        (given.is_schedule_active, _equal, not deployment.is_paused),
        (given.tags, _tags, deployment.tags),
        (given.work_queue_name, _any, deployment.work_queue_name),
    )


def _is_pool_alone(given: WorkPoolFilter | None, pool: WorkPool) -> bool:
    if given is None:
        return True
    return _holds(
        given.operator,
        (given.id, _key, pool.id),
        (given.name, _any, pool.name),
        (given.type, _any, pool.type),
    )


def _is_queue_alone(given: WorkQueueFilter | None, queue: WorkQueue) -> bool:
    if given is None:
        return True
    return _holds(given.operator, (given.id, _key, queue.id), (given.name, _queue_name, queue.name))


def _holds(operator: Operator, *members: tuple[Any, Callable[[Any, Any], bool], object]) -> bool:
    """Return what the members that are given say of the values beside them."""
    return _join(
        operator, [judge(given, value) for given, judge, value in members if given is not None]
    )


def _join(operator: Operator, facts: Sequence[bool]) -> bool:
    """Return what the facts come to; none come to true."""
    return not facts or (all(facts) if operator is Operator.AND else any(facts))


def _is_among(values: Iterable[str] | None, value: str | None) -> bool:
    return values is None or (value is not None and value in values)


def _any(given: AnyFilter, value: str | None) -> bool:
    return _is_among(given.any, value)


def _key(given: IdFilter | KeyFilter, value: str | None) -> bool:
    # A missing value is none of the values that are excluded.
    return _is_among(given.any, value) and (given.not_any is None or value not in given.not_any)


def _name(given: NameFilter, name: str) -> bool:
    return _is_among(given.any, name) and (given.like is None or _is_like(f"%{given.like}%", name))


def _queue_name(given: QueueNameFilter, name: str) -> bool:
    begins = given.startswith
    return _is_among(given.any, name) and (
        begins is None or any(_is_like(f"{each}%", name) for each in begins)
    )


def _flow_run(given: ReferenceFilter, flow_run_id: str) -> bool:
    # True makes `any` ignored, and every task run has a flow run; False adds nothing.
    return not given.is_null and _is_among(given.any, flow_run_id)


def _exists(given: ExistsFilter, exists: bool) -> bool:  # noqa: FBT001  a value like any other
    return given.exists is None or given.exists == exists


def _equal(given: EqualFilter, value: bool) -> bool:  # noqa: FBT001  a value like any other
    return given.eq is None or given.eq == value


def _is_null(given: PresenceFilter, is_null: bool) -> bool:  # noqa: FBT001  a value like any other
    return given.is_null is None or given.is_null == is_null


def _tags(given: TagsFilter, tags: Sequence[str]) -> bool:
    facts = []
    if given.all is not None:
        facts.append(set(given.all) <= set(tags))
    if given.is_null is not None:
        facts.append((len(tags) == 0) == given.is_null)
    return _join(given.operator, facts)


def _reference(given: ReferenceFilter, value: str | None) -> bool:
    facts = []
    if given.any is not None:
        facts.append(_is_among(given.any, value))
    if given.is_null is not None:
        facts.append((value is None) == given.is_null)
    return _join(given.operator, facts)


def _state(given: StateFilter, state: State | None) -> bool:
    facts = []
    if given.type_any is not None:
        facts.append(state is not None and state.type in given.type_any)
    if given.name_any is not None:
        facts.append(state is not None and state.name in given.name_any)
    return _join(given.operator, facts)


def _time(given: TimeFilter, time: datetime | None) -> bool:
    return (
        (given.before is None or (time is not None and time <= given.before))
        and (given.after is None or (time is not None and time >= given.after))
        and (given.is_null is None or (time is None) == given.is_null)
    )


def _is_like(pattern: str, text: str) -> bool:
    """Return whether a whole text has a pattern, in which `%` is any text and `_` any character; A is a."""
    pattern, text = pattern.translate(_LOWER), text.translate(_LOWER)
    # Where in the pattern one may be after each character of the text.
    places = _after_any_text(pattern, {0})
    for char in text:
        stays = {place for place in places if pattern[place : place + 1] == "%"}
        steps = {place + 1 for place in places if pattern[place : place + 1] in (char, "_")}
        places = _after_any_text(pattern, stays | steps)
    return len(pattern) in places


def _after_any_text(pattern: str, places: set[int]) -> set[int]:
    """Return these places, and those behind a `%` that stands for nothing."""
    reached = set(places)
    for place in sorted(places):
        while pattern[place : place + 1] == "%":
            place += 1  # noqa: PLW2901  the run of signs is walked through
            reached.add(place)
    return reached


def _is_any_given(*filters: object) -> bool:
    return any(each is not None for each in filters)
