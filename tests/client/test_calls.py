"""Each method of the contract through the client, with Python's types."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

import headgate
from headgate import Client, FlowRunView, NewFlowRunInput, VerdictStatus, errors
from tests.client.conftest import MakeRun


async def test_a_flow_is_created_once_and_then_returned(client: Client) -> None:
    name = f"etl-{uuid4()}"

    first = await client.flows.create(name, tags=["a", "b"])
    again = await client.flows.create(name, tags=["other"])

    assert (first.created, again.created) == (True, False)
    assert again.flow == first.flow
    assert first.flow.tags == ("a", "b")
    assert first.flow.create_time.tzinfo is UTC


async def test_flows_are_read_changed_counted_and_deleted(client: Client, flow_id: UUID) -> None:
    only = headgate.FlowFilter(id=headgate.IdFilter(any=[flow_id]))
    flow = await client.flows.get(flow_id)

    updated = await client.flows.update(flow_id, tags=["new"])

    assert await client.flows.get_by_name(flow.name) == updated
    assert (await client.flows.list(only)).items == (updated,)
    assert await client.flows.count(only) == 1
    await client.flow_runs.create(flow_id)
    assert await client.flows.delete(flow_id) == 1
    with pytest.raises(errors.FlowNotFoundError):
        await client.flows.get(flow_id)


async def test_a_run_is_created_with_everything_python_has(client: Client, flow_id: UUID) -> None:
    deployment_id = uuid4()
    due = datetime(2040, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

    created = await client.flow_runs.create(
        flow_id,
        name="nightly",
        state=headgate.Scheduled(due, message="later"),
        parameters={"n": 2**70, "x": 1.0, "deep": {"list": [None, True]}},
        context={"why": "because"},
        tags=["t"],
        flow_version="3",
        deployment_id=deployment_id,
        idempotency_key="k",
        idempotency_ttl=timedelta(hours=1),
        retries=2,
        retry_delay=timedelta(seconds=1.5),
    )

    run = created.flow_run
    assert created.created
    assert created.revision > 0
    assert run.parameters == {"n": 2**70, "x": 1.0, "deep": {"list": [None, True]}}
    assert repr(run.parameters["x"]) == "1.0"
    assert (run.name, run.context, run.tags) == ("nightly", {"why": "because"}, ("t",))
    assert (run.flow_version, run.deployment_id, run.idempotency_key) == ("3", deployment_id, "k")
    assert (run.policy.retries, run.policy.retry_delay) == (2, timedelta(seconds=1.5))
    assert run.state is not None
    assert run.state.details.scheduled_time == due == run.next_scheduled_start_time
    assert (str(run.state), run.version) == ("Scheduled('later')", 1)


async def test_a_held_idempotency_key_returns_the_run_that_holds_it(
    client: Client, flow_id: UUID
) -> None:
    first = await client.flow_runs.create(flow_id, idempotency_key="once")

    again = await client.flow_runs.create(flow_id, idempotency_key="once")

    assert not again.created
    assert again.flow_run.id == first.flow_run.id


async def test_a_view_decides_how_much_is_read(client: Client, flow_id: UUID) -> None:
    run = (await client.flow_runs.create(flow_id, parameters={"a": 1})).flow_run

    full = await client.flow_runs.get(run.id)
    basic = await client.flow_runs.get(str(run.id).upper(), view=FlowRunView.BASIC)

    assert full.parameters == {"a": 1}
    assert basic.parameters is None


async def test_an_update_changes_what_is_given_and_nothing_else(
    client: Client, flow_id: UUID
) -> None:
    created = await client.flow_runs.create(
        flow_id, name="old", tags=["a"], flow_version="1", retries=3
    )

    updated = await client.flow_runs.update(
        created.flow_run.id, name="new", flow_version=None, retries=None, expected_version=1
    )

    assert updated.revision > created.revision
    assert updated.flow_run.name == "new"
    assert updated.flow_run.flow_version is None
    assert updated.flow_run.policy.retries is None
    assert updated.flow_run.tags == ("a",)


async def test_a_version_that_moved_is_told(client: Client, a_run: MakeRun) -> None:
    run = await a_run()

    with pytest.raises(errors.VersionMismatchError) as caught:
        await client.flow_runs.delete(run.id, expected_version=7)

    assert caught.value.current_version == 1


async def test_a_deleted_run_is_gone(client: Client, a_run: MakeRun) -> None:
    run = await a_run()

    assert await client.flow_runs.delete(run.id) > 0

    with pytest.raises(errors.FlowRunNotFoundError) as caught:
        await client.flow_runs.get(run.id)
    assert caught.value.metadata["flow_run_id"] == str(run.id)


async def test_runs_are_listed_page_by_page_and_one_by_one(
    client: Client, flow_id: UUID, a_run: MakeRun
) -> None:
    ours = headgate.FlowFilter(id=headgate.IdFilter(any=[flow_id]))
    runs = [await a_run() for _ in range(5)]

    page = await client.flow_runs.list(ours, page_size=2)
    every = [run.id async for run in client.flow_runs.iterate(ours, page_size=2)]

    assert [run.id for run in page.items] == [runs[4].id, runs[3].id]
    assert page.next_page_token
    assert every == [run.id for run in reversed(runs)]
    assert await client.flow_runs.count(ours) == 5


async def test_runs_and_flows_are_found_by_what_belongs_to_them(
    client: Client, flow_id: UUID, a_run: MakeRun
) -> None:
    ours = headgate.FlowFilter(id=headgate.IdFilter(any=[flow_id]))
    await a_run()
    related: dict[str, object] = {
        "task_runs": headgate.TaskRunFilter(subflow_runs=headgate.ExistsFilter(exists=True)),
        "deployments": headgate.DeploymentFilter(paused=headgate.EqualFilter(eq=False)),
        "work_pools": headgate.WorkPoolFilter(type=headgate.AnyFilter(any=["process"])),
        "work_queues": headgate.WorkQueueFilter(
            name=headgate.WorkQueueNameFilter(startswith=["q"])
        ),
    }

    for kind, conditions in related.items():
        given: Any = {kind: conditions}
        assert await client.flow_runs.count(ours, **given) == 0
        assert (await client.flow_runs.list(ours, **given)).items == ()
        assert [run async for run in client.flow_runs.iterate(ours, **given)] == []
        assert await client.flows.count(ours, **given) == 0
        assert (await client.flows.list(ours, **given)).items == ()
        assert [flow async for flow in client.flows.iterate(ours, **given)] == []
    assert await client.flow_runs.count(ours) == await client.flows.count(ours) == 1


async def test_a_token_of_another_list_is_refused(
    client: Client, flow_id: UUID, a_run: MakeRun
) -> None:
    ours = headgate.FlowFilter(id=headgate.IdFilter(any=[flow_id]))
    for _ in range(2):
        await a_run()
    page = await client.flow_runs.list(ours, page_size=1)

    with pytest.raises(errors.PageTokenMismatchError):
        await client.flow_runs.list(page_size=1, page_token=page.next_page_token)


async def test_states_are_proposed_and_their_history_is_kept(
    client: Client, a_run: MakeRun
) -> None:
    run = await a_run(headgate.Pending())

    verdict = await client.flow_runs.set_state(run.id, headgate.Running())
    await client.flow_runs.set_state(run.id, headgate.Completed(data={"rows": 3}))

    assert (verdict.status, verdict.version, verdict.created) == (VerdictStatus.ACCEPT, 2, True)
    states = [state async for state in client.flow_runs.iterate_states(run.id, page_size=2)]
    assert [str(state) for state in states] == ["Pending()", "Running()", "Completed()"]
    assert states[-1].data == {"rows": 3}
    assert states[-1].is_final


async def test_a_refusal_by_the_rules_is_an_answer(client: Client, a_run: MakeRun) -> None:
    run = await a_run(headgate.Completed())

    verdict = await client.flow_runs.set_state(run.id, headgate.Crashed())

    assert verdict.status is VerdictStatus.ABORT
    assert verdict.reason == "Run is already in terminal state COMPLETED."
    assert not verdict.created


async def test_waiting_for_a_time_comes_with_its_delay(client: Client, a_run: MakeRun) -> None:
    run = await a_run(headgate.Scheduled(datetime.now(UTC) + timedelta(hours=1)))

    verdict = await client.flow_runs.set_state(run.id, headgate.Running())

    assert verdict.status is VerdictStatus.WAIT
    assert verdict.delay is not None
    assert timedelta(minutes=59) < verdict.delay <= timedelta(hours=1)


async def test_inputs_ride_with_a_state(client: Client, a_run: MakeRun) -> None:
    run = await a_run()

    await client.flow_runs.set_state(
        run.id, headgate.Paused(), inputs=[NewFlowRunInput(key="note", value=[1], sender="me")]
    )

    note = await client.inputs.get(run.id, "note")
    assert (note.value, note.sender, note.flow_run_id) == ([1], "me", run.id)


async def test_a_single_wait_tells_how_the_runs_stand(client: Client, a_run: MakeRun) -> None:
    over, going = await a_run(headgate.Completed()), await a_run()

    every = await client.flow_runs.wait([over.id, going.id], wait_timeout=timedelta())
    some = await client.flow_runs.wait([over.id, going.id], mode=headgate.WaitMode.ANY)

    assert (every.done, some.done) == (False, True)
    assert [run.id for run in some.flow_runs] == [over.id, going.id]


async def test_inputs_are_left_read_listed_and_deleted(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    for key in ("a-1", "a-2", "b-1"):
        await client.inputs.create(run.id, key, {"key": key})

    listed = await client.inputs.list(run.id, key_prefix="a-", exclude_keys=["a-1"])
    every = [each.key async for each in client.inputs.iterate(run.id, page_size=1)]

    assert [each.value for each in listed.items] == [{"key": "a-2"}]
    assert every == ["a-1", "a-2", "b-1"]
    assert await client.inputs.delete(run.id, "a-1") > 0
    with pytest.raises(errors.FlowRunInputNotFoundError):
        await client.inputs.get(run.id, "a-1")


async def test_a_key_is_taken_once(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    await client.inputs.create(run.id, "k", None)

    with pytest.raises(errors.InputKeyExistsError):
        await client.inputs.create(run.id, "k", None)


async def test_variables_are_kept(client: Client) -> None:
    name = f"v_{uuid4().hex}"

    created = await client.variables.create(name, "1", tags=["t"])
    updated = await client.variables.update(name, value="2")

    assert await client.variables.get(name) == updated
    assert (updated.id, updated.value, updated.tags) == (created.id, "2", ("t",))
    assert [each async for each in client.variables.iterate(name_prefix=name)] == [updated]
    with pytest.raises(errors.VariableExistsError):
        await client.variables.create(name, "3")
    await client.variables.delete(name)
    with pytest.raises(errors.VariableNotFoundError):
        await client.variables.get(name)


async def test_the_server_tells_what_it_is(client: Client) -> None:
    info = await client.server.get_info()

    assert "watch-flow-runs" in info.capabilities
    assert info.limits.max_ids == 1000
    assert info.limits.max_call > timedelta()
    assert info.epoch


async def test_everything_wrong_with_a_request_is_told_at_once(client: Client) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        await client.flow_runs.create("no id", name="x" * 256, retries=-1)

    assert len(caught.value.violations) == 3


async def test_nan_is_refused_before_anything_is_sent(client: Client, flow_id: UUID) -> None:
    with pytest.raises(ValueError, match="parameters is not JSON"):
        await client.flow_runs.create(flow_id, parameters={"x": float("nan")})


async def test_the_environment_names_the_server(
    server_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADGATE_TARGET", server_target)

    async with Client() as client:
        assert (await client.server.get_info()).epoch


async def test_without_any_name_the_server_is_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADGATE_TARGET", raising=False)

    async with Client() as client:
        assert client.target == "127.0.0.1:4244"


async def test_a_client_with_credentials_speaks_to_no_server_in_plain_text(
    server_target: str,
) -> None:
    credentials = grpc.ssl_channel_credentials()

    async with Client(
        server_target, credentials=credentials, timeout=timedelta(seconds=1)
    ) as client:
        with pytest.raises((errors.ServerUnreachableError, errors.DeadlineExceededError)):
            await client.server.get_info()


def test_a_client_without_an_event_loop_is_refused() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        Client()


async def test_a_closed_client_says_so(server_target: str) -> None:
    client = Client(server_target)
    await client.close()

    with pytest.raises(errors.ClientClosedError):
        await client.server.get_info()
