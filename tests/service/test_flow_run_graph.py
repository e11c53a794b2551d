"""GetFlowRunGraph: which task runs are nodes, and what joins them."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.model.states import StateType
from headgate_server.model.task_runs import TaskInput, TaskInputKind
from tests.builders import NOW, a_flow, a_flow_run
from tests.service.reports import HOUR, MICROSECOND, SECOND, a_task_run, given, store
from tests.service.seeds import run_without_state
from tests.service.world import World, at, reason, refusal, refused, violations, when

FLOW = a_flow(name="etl")
RUN = a_flow_run(FLOW, StateType.RUNNING)


@pytest.fixture
def flags() -> dict[str, str]:
    """Let graphs be small."""
    return {"graph-nodes-max": "3", "max-message": "64KiB", "max-json": "32KiB"}


async def graph(world: World, run_id: str = RUN.id, **fields: Any) -> pb.FlowRunGraph:
    """Read a graph."""
    request = pb.GetFlowRunGraphRequest(flow_run_id=run_id, **fields)
    return (await world.runs.GetFlowRunGraph(request)).graph


def edges(found: pb.FlowRunGraph) -> dict[str, tuple[list[str], list[str]]]:
    """Return the parents and children of each node, by label."""
    labels = {node.id: node.label for node in found.nodes}
    return {
        node.label: (
            [labels.get(each, "left out") for each in node.parent_ids],
            [labels.get(each, "left out") for each in node.child_ids],
        )
        for node in found.nodes
    }


def ended(node: pb.GraphNode) -> datetime | None:
    return when(node.end_time) if node.HasField("end_time") else None


async def test_a_run_without_task_runs_has_an_empty_graph_with_its_own_times_and_states(
    world: World,
) -> None:
    run = await world.new_run(pb.ProposedState(type=pb.STATE_TYPE_PENDING, message="hidden"))
    await world.propose(run, pb.STATE_TYPE_RUNNING)
    await world.propose(run, pb.STATE_TYPE_COMPLETED)

    found = await graph(world, run.id)

    run = await world.get(run.id)
    states = await world.states(run.id)
    assert found == pb.FlowRunGraph(
        flow_run_id=run.id,
        start_time=run.start_time,
        end_time=run.end_time,
        states=[
            pb.GraphState(id=state.id, type=state.type, name=state.name, timestamp=state.timestamp)
            for state in states
        ],
    )


async def test_a_run_that_has_not_started_has_the_time_it_is_expected(
    app: App, world: World
) -> None:
    due = NOW + HOUR
    run = await world.new_run(
        pb.ProposedState(
            type=pb.STATE_TYPE_SCHEDULED, details=pb.StateDetails(scheduled_time=at(due))
        )
    )
    nothing = await run_without_state(app, run.flow_id)

    found = await graph(world, run.id)

    assert (when(found.start_time), found.HasField("end_time")) == (due, False)
    assert await graph(world, nothing) == pb.FlowRunGraph(flow_run_id=nothing)


@pytest.mark.parametrize(
    ("state", "fields", "nodes"),
    [
        (StateType.RUNNING, {"start_time": NOW}, 1),
        (StateType.SCHEDULED, {}, 1),
        (StateType.CANCELLED, {}, 1),
        (StateType.PENDING, {}, 0),
        (None, {}, 0),
        (StateType.RUNNING, {"expected_start_time": None}, 0),
        (StateType.RUNNING, {"expected_start_time": None, "start_time": NOW}, 1),
    ],
    ids=[
        "running",
        "scheduled",
        "cancelled before it started",
        "pending",
        "without a state",
        "without any time",
        "started and never expected",
    ],
)
async def test_task_runs_that_have_begun_are_nodes(
    app: App, world: World, state: StateType | None, fields: dict[str, Any], nodes: int
) -> None:
    task = a_task_run(RUN, state, name="t", **fields)
    await store(app, flows=[FLOW], runs=[RUN], tasks=[task])

    found = await graph(world)

    assert [node.id for node in found.nodes] == [task.id] * nodes
    assert list(found.root_node_ids) == [node.id for node in found.nodes]


@pytest.mark.parametrize(
    ("state", "fields", "start", "end"),
    [
        (StateType.RUNNING, {"start_time": NOW + SECOND}, NOW + SECOND, None),
        (StateType.SCHEDULED, {}, NOW, None),
        (
            StateType.COMPLETED,
            {"start_time": NOW + SECOND, "end_time": NOW + HOUR},
            NOW + SECOND,
            NOW + HOUR,
        ),
        (StateType.COMPLETED, {"end_time": None}, NOW, NOW),
        (StateType.FAILED, {"end_time": None}, NOW, None),
    ],
    ids=["running", "scheduled", "completed", "cached", "failed without an end"],
)
async def test_a_task_run_is_shown_with_its_name_state_and_times(
    app: App,
    world: World,
    state: StateType,
    fields: dict[str, Any],
    start: datetime,
    end: datetime | None,
) -> None:
    task = a_task_run(RUN, state, name="extract-0", **fields)
    await store(app, flows=[FLOW], runs=[RUN], tasks=[task])

    (node,) = (await graph(world)).nodes

    assert (node.kind, node.id) == (pb.GRAPH_NODE_KIND_TASK_RUN, task.id)
    assert (node.label, node.state_type) == (
        "extract-0",
        pb.StateType.Value(f"STATE_TYPE_{state}"),
    )
    assert (when(node.start_time), ended(node)) == (start, end)


@pytest.mark.parametrize(
    ("sub", "task", "start", "end"),
    [
        pytest.param(
            {"start_time": NOW + SECOND, "expected_start_time": NOW, "end_time": NOW + HOUR},
            {"start_time": NOW - HOUR, "end_time": NOW - SECOND},
            NOW + SECOND,
            NOW + HOUR,
            id="its own",
        ),
        pytest.param(
            {"start_time": None, "expected_start_time": NOW + SECOND, "end_time": None},
            {"start_time": NOW - HOUR, "end_time": None},
            NOW + SECOND,
            NOW,
            id="the time it is expected before any of its task run, which was cached",
        ),
        pytest.param(
            {"start_time": None, "end_time": None},
            {"start_time": NOW + SECOND, "end_time": NOW + HOUR},
            NOW + SECOND,
            NOW + HOUR,
            id="those of the task run",
        ),
        pytest.param(
            {"start_time": None, "end_time": None},
            {"expected_start_time": NOW + SECOND},
            NOW + SECOND,
            NOW + SECOND,
            id="expected of the task run, which was cached",
        ),
    ],
)
async def test_a_subflow_run_stands_in_the_place_of_its_task_run(
    app: App,
    world: World,
    sub: dict[str, Any],
    task: dict[str, Any],
    start: datetime,
    end: datetime | None,
) -> None:
    wrapper = a_task_run(RUN, StateType.COMPLETED, name="wrapper", **task)
    child = a_flow_run(
        FLOW, StateType.COMPLETED, name="child", parent_task_run_id=wrapper.id, **sub
    )
    await store(app, flows=[FLOW], runs=[RUN], tasks=[wrapper], subflow_runs=[child])

    (node,) = (await graph(world)).nodes

    assert (node.kind, node.id) == (pb.GRAPH_NODE_KIND_FLOW_RUN, child.id)
    assert (node.label, node.state_type) == ("etl / child", pb.STATE_TYPE_COMPLETED)
    assert (when(node.start_time), ended(node)) == (start, end)


@pytest.mark.parametrize("task_state", [StateType.PENDING, None])
async def test_a_subflow_run_is_left_out_while_its_task_run_has_not_begun(
    app: App, world: World, task_state: StateType | None
) -> None:
    wrapper = a_task_run(RUN, task_state)
    child = a_flow_run(FLOW, StateType.RUNNING, parent_task_run_id=wrapper.id)
    await store(app, flows=[FLOW], runs=[RUN], tasks=[wrapper], subflow_runs=[child])

    assert list((await graph(world)).nodes) == []


async def test_a_subflow_run_without_a_state_has_none_in_the_graph(app: App, world: World) -> None:
    wrapper = a_task_run(RUN, StateType.RUNNING)
    child = a_flow_run(FLOW, parent_task_run_id=wrapper.id)
    await store(app, flows=[FLOW], runs=[RUN], tasks=[wrapper], subflow_runs=[child])

    (node,) = (await graph(world)).nodes

    assert node.state_type == pb.STATE_TYPE_UNSPECIFIED


async def test_results_that_were_given_are_edges_each_told_once_at_both_ends(
    app: App, world: World
) -> None:
    first = a_task_run(RUN, StateType.COMPLETED, name="first")
    other = a_task_run(RUN, StateType.COMPLETED, name="other", start_time=NOW + SECOND)
    last = a_task_run(
        RUN,
        StateType.RUNNING,
        name="last",
        start_time=NOW + 2 * SECOND,
        task_inputs={
            **given(other.id, first.id, first.id),
            **given(first.id, str(uuid4()), parameter="again"),
            "fixed": (
                TaskInput(kind=TaskInputKind.PARAMETER, value=other.id),
                TaskInput(kind=TaskInputKind.CONSTANT, value="int"),
            ),
        },
    )
    await store(app, flows=[FLOW], runs=[RUN], tasks=[last, other, first])

    found = await graph(world)

    assert edges(found) == {
        "first": ([], ["last"]),
        "other": ([], ["last"]),
        "last": (["first", "other"], []),
    }
    assert list(found.root_node_ids) == [first.id, other.id]


async def test_what_waits_for_a_subflow_run_names_its_task_run_or_the_run_itself(
    app: App, world: World
) -> None:
    wrapper = a_task_run(RUN, StateType.RUNNING, start_time=NOW)
    child = a_flow_run(FLOW, StateType.RUNNING, name="child", parent_task_run_id=wrapper.id)
    by_task = a_task_run(
        RUN,
        StateType.RUNNING,
        name="by task",
        start_time=NOW + SECOND,
        task_inputs=given(wrapper.id),
    )
    by_run = a_task_run(
        RUN,
        StateType.RUNNING,
        name="by run",
        start_time=NOW + 2 * SECOND,
        task_inputs=given(child.id),
    )
    await store(
        app, flows=[FLOW], runs=[RUN], tasks=[wrapper, by_task, by_run], subflow_runs=[child]
    )

    assert edges(await graph(world)) == {
        "etl / child": ([], ["by task", "by run"]),
        "by task": (["etl / child"], []),
        "by run": (["etl / child"], []),
    }


async def test_task_runs_of_other_runs_and_those_that_have_not_begun_have_no_part(
    app: App, world: World
) -> None:
    other_run = a_flow_run(FLOW, StateType.RUNNING)
    elsewhere = a_task_run(other_run, StateType.COMPLETED)
    pending = a_task_run(RUN, StateType.PENDING)
    task = a_task_run(
        RUN, StateType.RUNNING, name="task", task_inputs=given(elsewhere.id, pending.id)
    )
    await store(app, flows=[FLOW], runs=[RUN, other_run], tasks=[elsewhere, pending, task])

    found = await graph(world)

    assert edges(found) == {"task": ([], [])}
    assert list(found.root_node_ids) == [task.id]


async def test_nodes_come_by_start_then_by_end_with_those_without_an_end_last(
    app: App, world: World
) -> None:
    tasks = [
        a_task_run(RUN, StateType.RUNNING, name="open", start_time=NOW),
        a_task_run(RUN, StateType.COMPLETED, name="long", start_time=NOW, end_time=NOW + HOUR),
        a_task_run(RUN, StateType.COMPLETED, name="short", start_time=NOW, end_time=NOW + SECOND),
    ]
    await store(app, flows=[FLOW], runs=[RUN], tasks=tasks)

    found = await graph(world)

    assert [node.label for node in found.nodes] == ["short", "long", "open"]


async def test_since_leaves_out_nodes_that_ended_before_it_and_keeps_the_edges_to_them(
    app: App, world: World
) -> None:
    since = NOW + HOUR
    before = a_task_run(
        RUN,
        StateType.COMPLETED,
        name="before",
        start_time=NOW,
        end_time=since - MICROSECOND,
    )
    then = a_task_run(
        RUN,
        StateType.COMPLETED,
        name="then",
        start_time=NOW + SECOND,
        end_time=since,
        task_inputs=given(before.id),
    )
    going_on = a_task_run(RUN, StateType.RUNNING, name="going on", start_time=NOW + 2 * SECOND)
    await store(app, flows=[FLOW], runs=[RUN], tasks=[before, then, going_on])

    found = await graph(world, since=at(since))

    assert edges(found) == {"then": (["left out"], []), "going on": ([], [])}
    assert list(found.nodes[0].parent_ids) == [before.id]
    assert list(found.root_node_ids) == [going_on.id]


async def test_a_graph_with_too_many_nodes_is_refused_unless_since_leaves_few(
    app: App, world: World
) -> None:
    tasks = [
        a_task_run(RUN, StateType.COMPLETED, start_time=NOW, end_time=NOW + index * SECOND)
        for index in range(4)
    ]
    await store(app, flows=[FLOW], runs=[RUN], tasks=tasks)

    code, info = await refused(world.runs.GetFlowRunGraph(_asked(RUN.id)))

    assert (code, info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "GRAPH_TOO_LARGE")
    assert dict(info.metadata) == {"flow_run_id": RUN.id, "nodes_max": "3"}
    error = await refusal(world.runs.GetFlowRunGraph(_asked(RUN.id)))
    assert error.details() == f"The graph of flow run {RUN.id} has more than 3 nodes."
    assert len((await graph(world, since=at(NOW + SECOND))).nodes) == 3


async def test_a_graph_that_fits_in_no_message_is_refused(app: App, world: World) -> None:
    name = "x" * 30_000
    tasks = [a_task_run(RUN, StateType.RUNNING, name=name, start_time=NOW) for _ in range(3)]
    await store(app, flows=[FLOW], runs=[RUN], tasks=tasks)

    code, info = await refused(world.runs.GetFlowRunGraph(_asked(RUN.id)))

    assert (code, info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "GRAPH_TOO_LARGE")
    assert dict(info.metadata) == {"flow_run_id": RUN.id, "bytes_max": "65536"}


async def test_a_graph_of_nothing_is_refused(world: World) -> None:
    assert await reason(world.runs.GetFlowRunGraph(_asked(str(uuid4())))) == "FLOW_RUN_NOT_FOUND"
    assert await violations(world.runs.GetFlowRunGraph(_asked("x"))) == ["flow_run_id"]


def _asked(flow_run_id: str) -> pb.GetFlowRunGraphRequest:
    return pb.GetFlowRunGraphRequest(flow_run_id=flow_run_id)
