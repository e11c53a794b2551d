"""Batches as programs see them: results and refusals side by side, over pages, in both faces."""

from uuid import UUID, uuid4

import pytest

import headgate
from headgate import (
    Client,
    FlowRunDeletion,
    FlowRunProposal,
    NewFlowRun,
    VerdictStatus,
    errors,
    sync,
)
from headgate.filters import FlowRunFilter, TagsFilter


@pytest.fixture
async def flow_id(client: Client) -> UUID:
    """Return a flow of its own for the test."""
    return (await client.flows.create(f"flow-{uuid4()}")).flow.id


def tagged(tag: str) -> FlowRunFilter:
    return FlowRunFilter(tags=TagsFilter(all=[tag]))


async def test_runs_are_created_with_all_that_they_are_given(client: Client, flow_id: UUID) -> None:
    item = NewFlowRun(
        flow_id=flow_id,
        name="row",
        state=headgate.Running(),
        parameters={"a": 1},
        context={"b": [2]},
        tags=["x"],
        flow_version="v1",
        deployment_id=uuid4(),
        idempotency_key="once",
        retries=3,
    )

    batch = await client.flow_runs.batch_create_flow_runs([item, item])

    first, second = batch.results
    assert isinstance(first, headgate.CreatedFlowRun)
    assert isinstance(second, headgate.CreatedFlowRun)
    assert (first.created, second.created) == (True, False)
    assert batch.flow_run_ids == (first.flow_run.id, first.flow_run.id)
    run = await client.flow_runs.get(first.flow_run.id)
    assert (run.name, run.parameters, run.context, run.tags) == (
        "row",
        {"a": 1},
        {"b": [2]},
        ("x",),
    )
    assert (run.flow_version, run.policy.retries, run.deployment_id) == (
        "v1",
        3,
        item.deployment_id,
    )
    assert run.state is not None
    assert run.state.is_running


async def test_a_refusal_is_the_error_that_a_call_by_itself_would_raise(
    client: Client, flow_id: UUID
) -> None:
    missing = uuid4()

    batch = await client.flow_runs.batch_create_flow_runs(
        [
            NewFlowRun(flow_id=flow_id),
            NewFlowRun(flow_id=missing),
            NewFlowRun(flow_id="x", name="n" * 256),
        ]
    )

    assert batch.refusals.keys() == {1, 2}
    not_found, invalid = batch.refusals[1], batch.refusals[2]
    assert isinstance(not_found, errors.FlowNotFoundError)
    assert not_found.metadata == {"flow_id": str(missing)}
    assert isinstance(invalid, errors.InvalidRequestError)
    assert [each.field for each in invalid.violations] == ["flow_id", "name"]
    assert batch.flow_run_ids[1:] == (None, None)


async def test_states_are_proposed_and_runs_deleted_item_by_item(
    client: Client, flow_id: UUID
) -> None:
    created = await client.flow_runs.batch_create_flow_runs([NewFlowRun(flow_id=flow_id)] * 3)
    first, second, third = (each or uuid4() for each in created.flow_run_ids)

    judged = await client.flow_runs.batch_set_flow_run_states(
        [
            FlowRunProposal(flow_run_id=first, state=headgate.Completed(data={"a": 1})),
            FlowRunProposal(flow_run_id=second, state=headgate.Late()),
            FlowRunProposal(flow_run_id=third, state=headgate.Running(), expected_version=9),
        ]
    )
    deleted = await client.flow_runs.batch_delete_flow_runs(
        [first, FlowRunDeletion(flow_run_id=second, expected_version=9), str(third)]
    )

    accepted, rejected, refused = judged.results
    assert isinstance(accepted, headgate.Verdict)
    assert accepted.is_accepted
    assert isinstance(rejected, headgate.Verdict)
    assert (rejected.status, rejected.reason) == (
        VerdictStatus.REJECT,
        "Only scheduled flows can be marked late.",
    )
    assert isinstance(refused, errors.VersionMismatchError)
    assert judged.flow_run_ids == (first, second, third)
    assert [isinstance(each, int) for each in deleted.results] == [True, False, True]
    assert deleted.refusals.keys() == {1}


async def test_what_matches_is_changed_page_by_page(client: Client, flow_id: UUID) -> None:
    tag = str(uuid4())
    await client.flow_runs.batch_create_flow_runs([NewFlowRun(flow_id=flow_id, tags=[tag])] * 5)

    preview = await client.flow_runs.batch_set_flow_run_states(
        state=headgate.Cancelled(), flow_runs=tagged(tag), dry_run=True
    )
    page = await client.flow_runs.batch_set_flow_run_states(
        state=headgate.Cancelled(), flow_runs=tagged(tag), page_size=3
    )
    rest = await client.flow_runs.batch_set_flow_run_states(
        state=headgate.Cancelled(),
        flow_runs=tagged(tag),
        page_size=3,
        page_token=page.next_page_token,
    )

    assert (preview.matching_count, len(preview.sample), preview.results) == (5, 5, ())
    assert (len(page.results), len(rest.results), rest.next_page_token) == (3, 2, "")
    deleted = await client.flow_runs.batch_delete_flow_runs(flow_runs=tagged(tag))
    assert len(deleted.results) == 5


async def test_without_items_and_filters_nothing_is_changed(client: Client) -> None:
    with pytest.raises(errors.InvalidRequestError):
        await client.flow_runs.batch_delete_flow_runs()


def test_the_blocking_face_does_the_same(server_target: str) -> None:
    with sync.Client(server_target) as client:
        flow = client.flows.create(f"flow-{uuid4()}").flow
        created = client.flow_runs.batch_create_flow_runs([NewFlowRun(flow_id=flow.id)])
        ids = [each for each in created.flow_run_ids if each]
        judged = client.flow_runs.batch_set_flow_run_states(
            [FlowRunProposal(flow_run_id=each, state=headgate.Running()) for each in ids]
        )
        deleted = client.flow_runs.batch_delete_flow_runs(ids)

    assert len(ids) == len(judged.results) == len(deleted.results) == 1
    assert not judged.refusals
    assert not deleted.refusals
