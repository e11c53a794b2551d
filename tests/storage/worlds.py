"""Small random worlds, and random questions about them: few values, so that they meet often."""

from datetime import timedelta
from typing import Any, Final, TypeVar, cast

import msgspec
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Connection, delete

from headgate_server.model.filters import (
    AnyFilter,
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
    TimeFilter,
)
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.matching import matches
from headgate_server.model.states import State, StateType
from headgate_server.storage import flow_runs, flows
from headgate_server.storage.tables import FLOW
from tests.builders import NOW
from tests.rows import insert_deployment, insert_task_run

F = TypeVar("F")

_FLOW_IDS: Final = [f"00000000-0000-7000-8000-00000000f10{digit}" for digit in range(3)]
_RUN_IDS: Final = [f"00000000-0000-7000-8000-0000000000{digit:02}" for digit in range(12)]
_NAMES: Final = ["", "a", "A", "Ab", "aXb", "a_b", "a%b", r"a\b", "a\nb", "É", "é", "日本", "a b"]
_TAGS: Final = ["x", "y", "X"]
_TEXTS: Final = ["", "1", "2"]
_MICROSECONDS: Final = [0, 1, 2, 1_000_000]


class World(msgspec.Struct, frozen=True):
    """What a database holds."""

    flows: tuple[Flow, ...]
    runs: tuple[FlowRun, ...]
    deployed: frozenset[str]
    """The ids of the flows that have a deployment."""

    def select_runs(self, query: RunQuery) -> list[FlowRun]:
        """Return the runs that match, as judged one by one."""
        by_id = {flow.id: flow for flow in self.flows}
        return [
            run
            for run in self.runs
            if matches(
                query,
                run,
                by_id[run.flow_id],
                parent_flow_run_id=_parent_of(run),
                has_deployments=run.flow_id in self.deployed,
            )
        ]

    def select_flows(self, given: FlowFilter | None, runs: FlowRunFilter | None) -> list[Flow]:
        """Return the flows that match and, if a filter of runs is given, have a run that does, judged one by one."""
        having = {run.flow_id for run in self.select_runs(RunQuery(flow_runs=runs))}
        stand_in = _run(self.flows[0], "stand-in")
        return [
            flow
            for flow in self.flows
            if matches(
                RunQuery(flows=given), stand_in, flow, has_deployments=flow.id in self.deployed
            )
            and (runs is None or flow.id in having)
        ]

    def replace_all(self, conn: Connection) -> None:
        """Make a database hold this world and nothing else."""
        conn.execute(delete(FLOW))
        flows.insert_or_get(conn, {flow.name: flow for flow in self.flows})
        for flow_id in self.deployed:
            conn.execute(insert_deployment(f"deployment of {flow_id}", flow_id))
        # Parents and children refer to each other through their task runs.
        flow_runs.insert(conn, [replace(run, parent_task_run_id=None) for run in self.runs])
        for run in self.runs:
            conn.execute(insert_task_run(_task_run_of(run.id), run.id))
        stored = flow_runs.load(conn, [run.id for run in self.runs])
        flow_runs.update(conn, [(run, stored[run.id]) for run in self.runs])


def _task_run_of(run_id: str) -> str:
    return f"task run of {run_id}"


def _parent_of(run: FlowRun) -> str | None:
    return run.parent_task_run_id and run.parent_task_run_id.removeprefix("task run of ")


def maybe(strategy: st.SearchStrategy[F]) -> st.SearchStrategy[F | None]:
    """Draw None or something."""
    return st.none() | strategy


def _some(values: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    some = st.lists(st.sampled_from(values), min_size=1, max_size=3).map(tuple)
    return st.one_of(some, some, some, st.just(()))


times: Final = st.sampled_from(_MICROSECONDS).map(
    lambda micros: NOW + timedelta(microseconds=micros)
)
tags: Final = st.lists(st.sampled_from(_TAGS), unique=True).map(tuple)
texts: Final = st.sampled_from(_TEXTS)
states: Final = st.builds(
    State,
    id=st.just("state"),
    type=st.sampled_from(StateType),
    name=st.sampled_from(["Running", "Late", ""]),
    timestamp=st.just(NOW),
    version=st.just(1),
)


def _run(flow: Flow, run_id: str, **fields: object) -> FlowRun:
    run = FlowRun(
        id=run_id,
        flow_id=flow.id,
        name="",
        create_time=NOW,
        update_time=NOW,
        parameters_json="{}",
        context_json="{}",
        job_variables_json="{}",
    )
    return replace(run, **fields)


@st.composite
def _runs(draw: st.DrawFn, /, flow: Flow, run_id: str, parents: list[str]) -> FlowRun:
    state = draw(maybe(states))
    return _run(
        flow,
        run_id,
        state=state,
        version=0 if state is None else state.version,
        name=draw(st.sampled_from(_NAMES)),
        tags=draw(tags),
        deployment_id=draw(maybe(texts)),
        work_queue_name=draw(maybe(texts)),
        flow_version=draw(maybe(texts)),
        idempotency_key=draw(maybe(texts)),
        parent_task_run_id=draw(maybe(st.sampled_from(parents).map(_task_run_of))),
        start_time=draw(maybe(times)),
        expected_start_time=draw(maybe(times)),
        next_scheduled_start_time=draw(maybe(times))
        if state is not None and state.type is StateType.SCHEDULED
        else None,
        end_time=draw(maybe(times)) if state is not None and state.is_terminal else None,
    )


@st.composite
def worlds(draw: st.DrawFn, /) -> World:
    """Draw a world of a few flows and runs."""
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=3, max_size=3, unique=True))
    made = [
        Flow(id=flow_id, name=name, tags=draw(tags), create_time=draw(times), update_time=draw(times))
        for flow_id, name in zip(_FLOW_IDS, names, strict=True)
    ]  # fmt: skip
    ids = draw(st.lists(st.sampled_from(_RUN_IDS), min_size=8, unique=True))
    return World(
        flows=tuple(made),
        runs=tuple(draw(_runs(draw(st.sampled_from(made)), run_id, ids)) for run_id in ids),
        deployed=frozenset(draw(st.lists(st.sampled_from([flow.id for flow in made])))),
    )


@st.composite
def _filters(draw: st.DrawFn, /, kind: type[F], **members: st.SearchStrategy[Any]) -> F:
    """Draw a filter with few of its members, seldom without any."""
    count = draw(st.sampled_from([1, 1, 1, 1, 2, 2, 3, 0]))
    names = draw(st.permutations(sorted(members)))[:count]
    return kind(**{name: draw(members[name]) for name in names})


def _joining(kind: type[F], **members: st.SearchStrategy[Any]) -> st.SearchStrategy[F]:
    """Draw a filter that has an operator, with few of its other members."""
    return st.builds(
        lambda given, operator: replace(cast("Any", given), operator=operator),
        _filters(kind, **members),
        st.sampled_from(Operator),
    )


_names: Final = _filters(
    NameFilter, any=_some(_NAMES), like=st.text(st.sampled_from("aAbx%_\\é\n"), max_size=3)
)
_tags: Final = _joining(TagsFilter, all=_some(_TAGS), is_null=st.booleans())
_references: Final = _joining(ReferenceFilter, any=_some(_TEXTS), is_null=st.booleans())
_times: Final = _filters(TimeFilter, before=times, after=times, is_null=st.booleans())

flow_filters: Final = _joining(
    FlowFilter,
    id=_filters(IdFilter, any=_some(_FLOW_IDS), not_any=_some(_FLOW_IDS)),
    name=_names,
    tags=_tags,
    deployment=_filters(PresenceFilter, is_null=st.booleans()),
)
flow_run_filters: Final = _joining(
    FlowRunFilter,
    id=_filters(IdFilter, any=_some(_RUN_IDS), not_any=_some(_RUN_IDS)),
    name=_names,
    tags=_tags,
    deployment_id=_references,
    work_queue_name=_references,
    state=_joining(
        StateFilter,
        type_any=st.lists(st.sampled_from(StateType)).map(tuple),
        name_any=_some(["Running", "Late", ""]),
    ),
    flow_version=_filters(AnyFilter, any=_some(_TEXTS)),
    start_time=_times,
    expected_start_time=_times,
    next_scheduled_start_time=_times,
    parent_flow_run_id=_filters(AnyFilter, any=_some(_RUN_IDS)),
    parent_task_run_id=_joining(
        ReferenceFilter, any=_some([_task_run_of(each) for each in _RUN_IDS]), is_null=st.booleans()
    ),
    idempotency_key=_filters(KeyFilter, any=_some(_TEXTS), not_any=_some(_TEXTS)),
)
run_queries: Final = st.one_of(
    st.builds(RunQuery, flow_runs=flow_run_filters),
    st.builds(RunQuery, flow_runs=flow_run_filters),
    st.builds(RunQuery, flows=maybe(flow_filters), flow_runs=maybe(flow_run_filters)),
)
