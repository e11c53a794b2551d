"""What the filters mean, judged in memory: for watches, where no database is asked.

The SQL in `headgate_server.storage.filters` means the same. Text is compared by code point; `like` takes A to Z for a to z and
folds no other letters, because that is all that every database does alike.
"""

import re
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Protocol, TypeAlias

import msgspec

from headgate_server.model.filters import (
    AnyFilter,
    ExistsFilter,
    FlowFilter,
    FlowRunFilter,
    IdFilter,
    KeyFilter,
    NameFilter,
    Operator,
    PresenceFilter,
    ReferenceFilter,
    RunQuery,
    StateFilter,
    TagsFilter,
    TaskRunFilter,
    TimeFilter,
)
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.task_runs import TaskRun


class Matcher(Protocol):
    """A query made ready to judge runs."""

    def __call__(
        self,
        run: FlowRun,
        flow: Flow,
        *,
        parent_flow_run_id: str | None = None,
        has_deployments: bool = False,
    ) -> bool:
        """Return whether a run matches.

        Args:
            run: The run.
            flow: The flow of the run.
            parent_flow_run_id: The run that started this one as a subflow; None if there is none.
            has_deployments: Whether a deployment belongs to the flow.
        """


def matches(
    query: RunQuery,
    run: FlowRun,
    flow: Flow,
    *,
    parent_flow_run_id: str | None = None,
    has_deployments: bool = False,
) -> bool:
    """Return whether a run matches a query. For many runs, compile the query once."""
    return compile_query(query)(
        run, flow, parent_flow_run_id=parent_flow_run_id, has_deployments=has_deployments
    )


def compile_query(query: RunQuery) -> Matcher:
    """Return the query as a function, which takes about a microsecond to judge a run."""
    holds = _joined(Operator.AND, (_of_flow(query.flows), _of_run(query.flow_runs)))

    def is_match(
        run: FlowRun,
        flow: Flow,
        *,
        parent_flow_run_id: str | None = None,
        has_deployments: bool = False,
    ) -> bool:
        return holds(_Subject(run, flow, parent_flow_run_id, has_deployments))

    return is_match


class TaskRunMatcher(Protocol):
    """A filter of task runs made ready to judge them."""

    def __call__(self, task_run: TaskRun, *, has_subflow_runs: bool = False) -> bool:
        """Return whether a task run matches.

        Args:
            task_run: The task run.
            has_subflow_runs: Whether it stands for a subflow run, which only the database knows.
        """


def matches_task_run(
    given: TaskRunFilter | None, task_run: TaskRun, *, has_subflow_runs: bool = False
) -> bool:
    """Return whether a task run matches a filter. For many task runs, compile the filter once."""
    return compile_task_run_filter(given)(task_run, has_subflow_runs=has_subflow_runs)


def compile_task_run_filter(given: TaskRunFilter | None) -> TaskRunMatcher:
    """Return a filter as a function. What it asks of flow runs is their id; other filters are for the database."""
    holds = _of_task_run(given) or _always

    def is_match(task_run: TaskRun, *, has_subflow_runs: bool = False) -> bool:
        return holds(_TaskSubject(task_run, has_subflow_runs))

    return is_match


class _Subject(msgspec.Struct):
    """What is judged."""

    run: FlowRun
    flow: Flow
    parent_flow_run_id: str | None
    has_deployments: bool


class _TaskSubject(msgspec.Struct):
    """What is judged of task runs."""

    task_run: TaskRun
    has_subflow_runs: bool


_Condition: TypeAlias = Callable[[Any], bool]


def _of_flow(given: FlowFilter | None) -> _Condition | None:
    if given is None:
        return None
    members = (
        _of_key("flow.id", given.id),
        _of_name("flow.name", given.name),
        _of_tags("flow.tags", given.tags),
        _of_deployments(given.deployment),
    )
    return _joined(given.operator, members)


def _of_run(given: FlowRunFilter | None) -> _Condition | None:
    if given is None:
        return None
    members = (
        _of_key("run.id", given.id),
        _of_name("run.name", given.name),
        _of_tags("run.tags", given.tags),
        _of_reference("run.deployment_id", given.deployment_id),
        _of_reference("run.work_queue_name", given.work_queue_name),
        _of_state("run.state", given.state),
        _of_text("run.flow_version", given.flow_version),
        _of_time("run.start_time", given.start_time),
        _of_time("run.expected_start_time", given.expected_start_time),
        _of_time("run.next_scheduled_start_time", given.next_scheduled_start_time),
        _of_text("parent_flow_run_id", given.parent_flow_run_id),
        _of_reference("run.parent_task_run_id", given.parent_task_run_id),
        _of_key("run.idempotency_key", given.idempotency_key),
    )
    return _joined(given.operator, members)


def _of_task_run(given: TaskRunFilter | None) -> _Condition | None:
    if given is None:
        return None
    members = (
        _of_key("task_run.id", given.id),
        _of_name("task_run.name", given.name),
        _of_tags("task_run.tags", given.tags),
        _of_state("task_run.state", given.state),
        _of_time("task_run.start_time", given.start_time),
        _of_subflows(given.subflow_runs),
        _of_flow_run(given.flow_run_id),
    )
    return _joined(given.operator, members)


def _of_key(path: str, given: IdFilter | KeyFilter | None) -> _Condition | None:
    if given is None:
        return None
    return _joined(Operator.AND, (_is_among(path, given.any), _is_not_among(path, given.not_any)))


def _of_name(path: str, given: NameFilter | None) -> _Condition | None:
    if given is None:
        return None
    return _joined(Operator.AND, (_is_among(path, given.any), _is_like(path, given.like)))


def _of_text(path: str, given: AnyFilter | None) -> _Condition | None:
    return None if given is None else _joined(Operator.AND, (_is_among(path, given.any),))


def _of_reference(path: str, given: ReferenceFilter | None) -> _Condition | None:
    if given is None:
        return None
    return _joined(given.operator, (_is_among(path, given.any), _is_missing(path, given.is_null)))


def _of_tags(path: str, given: TagsFilter | None) -> _Condition | None:
    if given is None:
        return None
    return _joined(given.operator, (_contains_all(path, given.all), _is_empty(path, given.is_null)))


def _of_time(path: str, given: TimeFilter | None) -> _Condition | None:
    if given is None:
        return None
    get, before, after = attrgetter(path), given.before, given.after
    bounds: list[_Condition] = []
    if before is not None:
        bounds.append(lambda subject: (time := get(subject)) is not None and time <= before)
    if after is not None:
        bounds.append(lambda subject: (time := get(subject)) is not None and time >= after)
    return _joined(Operator.AND, (*bounds, _is_missing(path, given.is_null)))


def _of_state(path: str, given: StateFilter | None) -> _Condition | None:
    if given is None:
        return None
    get, parts = attrgetter(path), list[_Condition]()
    if given.type_any is not None:
        types = frozenset(given.type_any)
        parts.append(lambda subject: (state := get(subject)) is not None and state.type in types)
    if given.name_any is not None:
        names = frozenset(given.name_any)
        parts.append(lambda subject: (state := get(subject)) is not None and state.name in names)
    return _joined(given.operator, parts)


def _of_deployments(given: PresenceFilter | None) -> _Condition | None:
    if given is None:
        return None
    if given.is_null is None:
        return _always
    is_null = given.is_null
    return lambda subject: subject.has_deployments is not is_null


def _of_subflows(given: ExistsFilter | None) -> _Condition | None:
    if given is None:
        return None
    if given.exists is None:
        return _always
    exists = given.exists
    return lambda subject: subject.has_subflow_runs is exists


def _of_flow_run(given: ReferenceFilter | None) -> _Condition | None:
    if given is None:
        return None
    # No task run is without a flow run, and there is nothing to say against that.
    if given.is_null:
        return _never
    return _of_text("task_run.flow_run_id", AnyFilter(any=given.any))


def _is_among(path: str, values: Iterable[str] | None) -> _Condition | None:
    if values is None:
        return None
    get, listed = attrgetter(path), frozenset(values)
    return lambda subject: get(subject) in listed


def _is_not_among(path: str, values: Iterable[str] | None) -> _Condition | None:
    if values is None:
        return None
    get, listed = attrgetter(path), frozenset(values)
    return lambda subject: get(subject) not in listed


def _is_missing(path: str, is_null: bool | None) -> _Condition | None:  # noqa: FBT001  a condition like any other
    if is_null is None:
        return None
    get = attrgetter(path)
    return lambda subject: (get(subject) is None) is is_null


def _is_empty(path: str, is_null: bool | None) -> _Condition | None:  # noqa: FBT001  a condition like any other
    if is_null is None:
        return None
    get = attrgetter(path)
    return lambda subject: (not get(subject)) is is_null


def _contains_all(path: str, values: Iterable[str] | None) -> _Condition | None:
    if values is None:
        return None
    get, listed = attrgetter(path), frozenset(values)
    return lambda subject: listed.issubset(get(subject))


def _is_like(path: str, text: str | None) -> _Condition | None:
    if text is None:
        return None
    get, match = attrgetter(path), like_pattern(text).match
    return lambda subject: match(get(subject)) is not None


def like_pattern(text: str) -> re.Pattern[str]:
    """Return what matches, from the start, the texts that are like this one: those that contain it in either case.

    `%` stands for any text and `_` for any one character.
    """
    pieces = (
        "".join("." if char == "_" else re.escape(char) for char in piece)
        for piece in text.split("%")
    )
    # The first place where a piece fits is as good as any later one, so none is ever given up again: without that, a
    # text of many `%` could keep the server busy for ever.
    pattern = "".join(f"(?>.*?{piece})" for piece in pieces if piece)
    return re.compile(pattern, re.DOTALL | re.IGNORECASE | re.ASCII)


def _joined(operator: Operator, conditions: Iterable[_Condition | None]) -> _Condition:
    """Return the conditions that are there as one; none hold always."""
    given = tuple(condition for condition in conditions if condition is not None)
    if not given:
        return _always
    if len(given) == 1:
        return given[0]
    return _every(given) if operator is Operator.AND else _some(given)


def _every(conditions: tuple[_Condition, ...]) -> _Condition:
    def holds(subject: object) -> bool:
        for condition in conditions:  # noqa: SIM110  a loop takes a third of the time of all()
            if not condition(subject):
                return False
        return True

    return holds


def _some(conditions: tuple[_Condition, ...]) -> _Condition:
    def holds(subject: object) -> bool:
        for condition in conditions:  # noqa: SIM110  a loop takes a third of the time of any()
            if condition(subject):
                return True
        return False

    return holds


def _always(_subject: object) -> bool:
    return True


def _never(_subject: object) -> bool:
    return False
