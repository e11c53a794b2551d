"""Interests: which events concern a watcher, as values that can be compared, so that equal ones are judged once.

`scope` leaves out most events by what stands beside them in the log. `judge` looks at the events themselves. What these cannot
tell are relations, so an interest that asks for relations lets through more than matches; `headgate_server.operations.related`
holds the rest against the database.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Final, Protocol, TypeAlias, TypeVar

import msgspec

from headgate_server.model.events import Change, Event, EventKind, Scope
from headgate_server.model.filters import IdFilter, Operator, RunQuery, TaskRunFilter
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.matching import (
    Matcher,
    TaskRunMatcher,
    compile_query,
    compile_task_run_filter,
)
from headgate_server.model.relations import (
    FlowRunRelations,
    TaskRunRelations,
    asks_for_relations_of_flow_runs,
    asks_for_relations_of_task_runs,
    own_part_for_flow_runs,
    own_part_for_task_runs,
)
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.watching import NoticeKind
from headgate_server.storage import relations
from headgate_server.storage.database import Connection

_RUN_KINDS: Final = frozenset({EventKind.STATE_CHANGE, EventKind.RUN_UPDATE, EventKind.RUN_DELETED})
_ENCODE: Final = msgspec.json.Encoder(order="deterministic").encode

R = TypeVar("R", FlowRunRelations, TaskRunRelations)


class ByQuery(Protocol[R]):
    """An interest in all that matches a query."""

    @property
    def asks_for_relations(self) -> bool:
        """Whether the query asks for what no event tells."""

    def matched(self, change: Change, related: R | None) -> bool:
        """Return whether what changed matched before. Without relations, whether it may have."""

    def matches(self, change: Change, related: R | None) -> bool:
        """Return whether what changed matches now. Without relations, whether it may."""

    def relations(self, conn: Connection, changes: Sequence[Change]) -> R:
        """Return the relations that the query asks for, as they stand, of all that changed."""


class RunsById(msgspec.Struct, frozen=True, dict=True):
    """Some runs, named by id."""

    flow_run_ids: frozenset[str]

    @cached_property
    def scope(self) -> Scope:
        """Which events may concern it."""
        return Scope(flow_run_ids=self.flow_run_ids)

    def judge(self, event: Event) -> NoticeKind | None:
        """Return what to tell of an event in scope; None for nothing."""
        return NoticeKind.CHANGED if event.change.kind in _RUN_KINDS else None


class RunsByQuery(msgspec.Struct, frozen=True, dict=True):
    """All runs that match a query."""

    query: RunQuery

    @cached_property
    def scope(self) -> Scope:
        """Which events may concern it."""
        return Scope(flow_run_ids=_among(_required_flow_runs(self.query)))

    @cached_property
    def asks_for_relations(self) -> bool:
        """Whether the query asks for what no event tells."""
        return asks_for_relations_of_flow_runs(self.query)

    @cached_property
    def _own_part(self) -> Matcher:
        return compile_query(own_part_for_flow_runs(self.query))

    @cached_property
    def _whole(self) -> Matcher:
        return compile_query(self.query)

    def judge(self, event: Event) -> NoticeKind | None:
        """Return what to tell of an event in scope, if relations do not matter; None for nothing."""
        return _judge(self, event.change)

    def matched(self, change: Change, related: FlowRunRelations | None) -> bool:
        """Return whether the run matched before. Without relations, whether it may have."""
        return self._holds(change.before, change.flow, related)

    def matches(self, change: Change, related: FlowRunRelations | None) -> bool:
        """Return whether the run matches now. Without relations, whether it may."""
        return self._holds(change.after, change.flow, related)

    def relations(self, conn: Connection, changes: Sequence[Change]) -> FlowRunRelations:
        """Return the relations that the query asks for, as they stand, of all runs that changed."""
        runs = [run for change in changes for run in (change.before, change.after) if run]
        return relations.of_flow_runs(conn, self.query, runs)

    def _holds(
        self, run: FlowRun | None, flow: Flow | None, related: FlowRunRelations | None
    ) -> bool:
        if run is None or flow is None:
            return False
        if related is None:
            return self._own_part(run, flow)
        return related.hold(run) and self._whole(
            run,
            flow,
            parent_flow_run_id=related.parents.get(run.parent_task_run_id or ""),
            has_deployments=run.flow_id in related.deployed_flow_ids,
        )


class TaskRunsById(msgspec.Struct, frozen=True, dict=True):
    """Some task runs, named by id."""

    task_run_ids: frozenset[str]

    @cached_property
    def scope(self) -> Scope:
        """Which events may concern it."""
        return Scope(of_task_runs=True, task_run_ids=self.task_run_ids)

    def judge(self, _event: Event) -> NoticeKind:
        """Return what to tell of an event in scope."""
        return NoticeKind.CHANGED


class TaskRunsOf(msgspec.Struct, frozen=True, dict=True):
    """All task runs of some flow runs."""

    flow_run_ids: frozenset[str]

    @cached_property
    def scope(self) -> Scope:
        """Which events may concern it."""
        return Scope(of_task_runs=True, flow_run_ids=self.flow_run_ids)

    def judge(self, _event: Event) -> NoticeKind:
        """Return what to tell of an event in scope."""
        return NoticeKind.CHANGED


class TaskRunsByQuery(msgspec.Struct, frozen=True, dict=True):
    """All task runs that match a query."""

    query: RunQuery

    @cached_property
    def scope(self) -> Scope:
        """Which events may concern it."""
        given = _if_and(self.query.task_runs, TaskRunFilter())
        named = [] if given.flow_run_id is None else [given.flow_run_id.any]
        return Scope(
            of_task_runs=True,
            flow_run_ids=_among([*_required_flow_runs(self.query), *named]),
            task_run_ids=_among([(given.id or IdFilter()).any]),
        )

    @cached_property
    def asks_for_relations(self) -> bool:
        """Whether the query asks for what no event tells."""
        return asks_for_relations_of_task_runs(self.query)

    @cached_property
    def _own_part(self) -> TaskRunMatcher:
        return compile_task_run_filter(own_part_for_task_runs(self.query).task_runs)

    @cached_property
    def _whole(self) -> TaskRunMatcher:
        return compile_task_run_filter(self.query.task_runs)

    def judge(self, event: Event) -> NoticeKind | None:
        """Return what to tell of an event in scope, if relations do not matter; None for nothing."""
        return _judge(self, event.change)

    def matched(self, change: Change, related: TaskRunRelations | None) -> bool:
        """Return whether the task run matched before. Without relations, whether it may have."""
        return self._holds(change.task_before, related)

    def matches(self, change: Change, related: TaskRunRelations | None) -> bool:
        """Return whether the task run matches now. Without relations, whether it may."""
        return self._holds(change.task_after, related)

    def relations(self, conn: Connection, changes: Sequence[Change]) -> TaskRunRelations:
        """Return the relations that the query asks for, as they stand, of all task runs that changed."""
        task_runs = [
            each for change in changes if (each := change.task_after or change.task_before)
        ]
        return relations.of_task_runs(conn, self.query, task_runs)

    def _holds(self, task_run: TaskRun | None, related: TaskRunRelations | None) -> bool:
        if task_run is None:
            return False
        if related is None:
            return self._own_part(task_run)
        is_of_flow_runs = (
            related.flow_run_ids is None or task_run.flow_run_id in related.flow_run_ids
        )
        has_subflow_runs = task_run.id in related.ids_with_subflows
        return is_of_flow_runs and self._whole(task_run, has_subflow_runs=has_subflow_runs)


class RunsOfQueues(msgspec.Struct, frozen=True, dict=True):
    """All runs that wait in some work queues, or hold a place there."""

    work_queue_ids: frozenset[str]

    @cached_property
    def scope(self) -> Scope:
        """Which events may concern it."""
        return Scope()

    def judge(self, event: Event) -> NoticeKind | None:
        """Return what to tell of an event in scope; None for nothing."""
        run = event.change.after or event.change.before
        is_told = run is not None and run.work_queue_id in self.work_queue_ids
        return NoticeKind.CHANGED if is_told else None


class InputsOf(msgspec.Struct, frozen=True, dict=True):
    """The inputs of one run whose keys begin with a prefix, and the end of that run."""

    flow_run_id: str
    key_prefix: str

    @cached_property
    def scope(self) -> Scope:
        """Which events may concern it."""
        return Scope(flow_run_ids=frozenset({self.flow_run_id}))

    def judge(self, event: Event) -> NoticeKind | None:
        """Return what to tell of an event in scope; None for nothing."""
        change = event.change
        if change.input is not None:
            is_told = change.input.key.startswith(self.key_prefix)
        else:
            is_told = change.kind is EventKind.RUN_DELETED
        return NoticeKind.CHANGED if is_told else None


Interest: TypeAlias = (
    RunsById | RunsByQuery | RunsOfQueues | TaskRunsById | TaskRunsOf | TaskRunsByQuery | InputsOf
)


def fingerprint(interest: Interest) -> bytes:
    """Return what tells two interests apart, the same on every server and after every restart."""
    return sha256(type(interest).__name__.encode() + _ENCODE(interest)).digest()


def _judge(interest: ByQuery[R], change: Change) -> NoticeKind | None:
    """Return what to tell of a change, as far as it tells that by itself."""
    if interest.matches(change, None):
        return NoticeKind.CHANGED
    if not interest.matched(change, None):
        return None
    return NoticeKind.CHANGED if change.is_deletion else NoticeKind.LEFT


def _required_flow_runs(query: RunQuery) -> Sequence[Iterable[str] | None]:
    """Return the lists of flow runs that all that match are among."""
    given = query.flow_runs
    if given is None or given.operator is Operator.OR or given.id is None:
        return ()
    return (given.id.any,)


def _among(lists: Iterable[Iterable[str] | None]) -> frozenset[str] | None:
    """Return the ids that are in every list that is given; None if none is."""
    given = [frozenset(each) for each in lists if each is not None]
    return frozenset.intersection(*given) if given else None


def _if_and(given: TaskRunFilter | None, nothing: TaskRunFilter) -> TaskRunFilter:
    """Return a filter if all its conditions must hold, else one without conditions."""
    return given if given is not None and given.operator is Operator.AND else nothing
