"""Batches as their callers see them: shorthands for what the tests about them do."""

from collections.abc import Iterable
from typing import Any

from headgate import v1 as pb
from tests.service.world import (
    RUNNING,
    World,
    texts,
)


async def create(
    world: World, items: Iterable[pb.NewFlowRun], **fields: Any
) -> pb.BatchCreateFlowRunsResponse:
    request = pb.BatchCreateFlowRunsRequest(items=items, **fields)
    return await world.runs.BatchCreateFlowRuns(request)


async def set_states(world: World, **fields: Any) -> pb.BatchSetFlowRunStatesResponse:
    return await world.runs.BatchSetFlowRunStates(pb.BatchSetFlowRunStatesRequest(**fields))


async def delete(world: World, **fields: Any) -> pb.BatchDeleteFlowRunsResponse:
    return await world.runs.BatchDeleteFlowRuns(pb.BatchDeleteFlowRunsRequest(**fields))


async def some_runs(world: World, count: int, **fields: Any) -> list[str]:
    """Create runs of one flow; return their ids, oldest first."""
    flow = await world.new_flow()
    items = [pb.NewFlowRun(flow_id=flow.id, **fields)] * count
    return [result.flow_run.id for result in (await create(world, items)).results]


def proposal(run_id: str, state: "pb.StateType.ValueType" = RUNNING, **fields: Any) -> Any:
    return pb.FlowRunProposal(flow_run_id=run_id, state=pb.ProposedState(type=state), **fields)


def tagged(tag: str) -> pb.FlowRunFilter:
    return pb.FlowRunFilter(tags=pb.TagsFilter(all=texts(tag)))


def reasons(results: Iterable[Any]) -> list[str]:
    """Return the reason of each refusal, and nothing for what was carried out."""
    return [
        pb.ErrorReason.Name(each.refusal.reason).removeprefix("ERROR_REASON_")
        if each.HasField("refusal")
        else ""
        for each in results
    ]
