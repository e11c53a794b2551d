"""What a client can ask about many runs at once, and about what one run did."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

import headgate
from headgate import (
    Client,
    GraphNode,
    GraphNodeKind,
    HistoryInterval,
    HistoryState,
    Page,
    StateType,
    TaskInput,
    TaskInputKind,
    TaskRun,
    errors,
)
from headgate.sync import Client as BlockingClient
from tests.client.conftest import MakeRun

HOUR = timedelta(hours=1)
DUE = datetime(2050, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


async def a_task(
    client: Client, run_id: UUID, name: str, *upstream: UUID, state: Any = None
) -> TaskRun:
    """Create a task run that was given the results of others."""
    inputs = [TaskInput(kind=TaskInputKind.TASK_RUN, value=str(each)) for each in upstream]
    created = await client.task_runs.create(
        run_id,
        "task",
        name,
        name=name,
        state=state or headgate.Running(),
        task_inputs={"x": inputs},
    )
    return created.task_run


async def test_a_history_counts_runs_by_when_they_were_expected(
    client: Client, flow_id: UUID
) -> None:
    late = headgate.Scheduled(DUE + HOUR)
    for state in (headgate.Scheduled(DUE), headgate.Scheduled(DUE), late):
        await client.flow_runs.create(flow_id, state=state)
    only = headgate.FlowFilter(id=headgate.IdFilter(any=[flow_id]))

    history = await client.flow_runs.get_history(DUE, DUE + 3 * HOUR, HOUR, flows=only)

    def interval(hour: int, *counts: int) -> HistoryInterval:
        states = (
            HistoryState(
                state_type=StateType.SCHEDULED,
                state_name="Scheduled",
                count_runs=count,
                sum_estimated_run_time=timedelta(),
                sum_estimated_lateness=timedelta(),
            )
            for count in counts
        )
        return HistoryInterval(
            start_time=DUE + hour * HOUR, end_time=DUE + (hour + 1) * HOUR, states=tuple(states)
        )

    assert history == (interval(0, 2), interval(1, 1), interval(2))


async def test_task_runs_have_a_history_too(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    await a_task(client, run.id, "a", state=headgate.Scheduled(DUE))
    await a_task(client, run.id, "b", state=headgate.Scheduled(DUE + HOUR))
    only = headgate.FlowRunFilter(id=headgate.IdFilter(any=[run.id]))

    history = await client.task_runs.get_history(DUE, DUE + HOUR, HOUR, flow_runs=only)

    assert [[state.count_runs for state in each.states] for each in history] == [[1]]


async def test_lateness_is_told_on_average_and_not_at_all_without_runs(
    client: Client, flow_id: UUID
) -> None:
    only = headgate.FlowFilter(id=headgate.IdFilter(any=[flow_id]))

    assert await client.flow_runs.get_lateness(only) is None
    await client.flow_runs.create(flow_id, state=headgate.Scheduled(DUE))
    assert await client.flow_runs.get_lateness(only) == timedelta()
    await client.flow_runs.create(flow_id, state=headgate.Scheduled(datetime.now(UTC) - 10 * HOUR))
    late = await client.flow_runs.get_lateness(only)
    assert late is not None
    assert timedelta() <= late - 5 * HOUR < timedelta(minutes=1)
    assert await client.flow_runs.get_lateness(only, work_pools=headgate.WorkPoolFilter()) is None


async def test_a_graph_tells_what_a_run_did(client: Client, a_run: MakeRun, flow_id: UUID) -> None:
    run = await a_run()
    first = await a_task(client, run.id, "first")
    wrapper = await a_task(client, run.id, "wrapper", first.id)
    child = (
        await client.flow_runs.create(
            flow_id, name="child", state=headgate.Running(), parent_task_run_id=wrapper.id
        )
    ).flow_run
    last = await a_task(client, run.id, "last", wrapper.id)
    flow = await client.flows.get(flow_id)

    graph = await client.flow_runs.get_graph(run.id)

    assert (graph.flow_run_id, graph.start_time, graph.end_time) == (run.id, run.start_time, None)
    assert graph.root_node_ids == (first.id,)
    by_id = {node.id: node for node in graph.nodes}
    assert by_id.keys() == {first.id, child.id, last.id}
    assert child.start_time is not None
    assert by_id[child.id] == GraphNode(
        kind=GraphNodeKind.FLOW_RUN,
        id=child.id,
        label=f"{flow.name} / child",
        state_type=StateType.RUNNING,
        start_time=child.start_time,
        end_time=None,
        parent_ids=(first.id,),
        child_ids=(last.id,),
    )
    assert [(state.type, state.name) for state in graph.states] == [(StateType.RUNNING, "Running")]


async def test_a_graph_may_leave_out_what_ended_before_a_time(
    client: Client, a_run: MakeRun
) -> None:
    run = await a_run()
    cached = await a_task(client, run.id, "cached", state=headgate.Completed())
    assert cached.expected_start_time is not None

    then = await client.flow_runs.get_graph(run.id, since=cached.expected_start_time)
    later = await client.flow_runs.get_graph(
        run.id, since=cached.expected_start_time + timedelta(microseconds=1)
    )

    assert ([node.id for node in then.nodes], later.nodes) == ([cached.id], ())


async def test_dependencies_are_listed_page_by_page(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    first = await a_task(client, run.id, "first", state=headgate.Scheduled(DUE))
    second = await a_task(
        client, run.id, "second", first.id, first.id, state=headgate.Scheduled(DUE + HOUR)
    )

    everything = [each async for each in client.flow_runs.iterate_dependencies(run.id, page_size=1)]
    page = await client.flow_runs.list_dependencies(run.id, offset=1)

    assert [each.name for each in everything] == ["first", "second"]
    assert page == Page(items=(everything[1],))
    assert (everything[0].task_run_id, everything[0].upstream_task_run_ids) == (first.id, ())
    assert everything[1].task_run_id == second.id
    assert everything[1].upstream_task_run_ids == (first.id,)
    assert everything[1].state == second.state
    assert everything[1].expected_start_time == DUE + HOUR


def test_the_blocking_face_asks_the_same(server_target: str) -> None:
    with BlockingClient(server_target) as client:
        flow_id = client.flows.create(f"flow-{uuid4()}").flow.id
        run = client.flow_runs.create(flow_id, state=headgate.Scheduled(DUE)).flow_run
        task = client.task_runs.create(run.id, "task", "0", state=headgate.Scheduled(DUE)).task_run

        assert len(client.flow_runs.get_history(DUE, DUE + HOUR, HOUR)) == 1
        assert len(client.task_runs.get_history(DUE, DUE + HOUR, HOUR)) == 1
        assert client.flow_runs.get_lateness() is not None
        assert [node.id for node in client.flow_runs.get_graph(run.id).nodes] == [task.id]
        assert [each.task_run_id for each in client.flow_runs.iterate_dependencies(run.id)] == [
            task.id
        ]


async def test_what_cannot_be_answered_is_refused_with_a_class_of_its_own(client: Client) -> None:
    with pytest.raises(errors.FlowRunNotFoundError):
        await client.flow_runs.get_graph(uuid4())
    with pytest.raises(errors.FlowRunNotFoundError):
        await client.flow_runs.list_dependencies(uuid4())
    with pytest.raises(errors.InvalidRequestError, match="must not be less than 1 second"):
        await client.flow_runs.get_history(DUE, DUE, timedelta(milliseconds=999))
    with pytest.raises(ValueError, match="start_time has no time zone"):
        await client.flow_runs.get_history(DUE.replace(tzinfo=None), DUE, HOUR)
    with pytest.raises(ValueError, match="since has no time zone"):
        await client.flow_runs.get_graph(uuid4(), since=DUE.replace(tzinfo=None))
