"""Load: states of task runs, batches, and workers that ask for runs. Everything here runs in a worker."""

import asyncio
from typing import Final
from uuid import uuid4

import grpc.aio

from benchmarks.load import CREATE, SERVICE, Sample, Turn, awaitable, callable_at, measure
from benchmarks.servers import Endpoint
from headgate import v1 as pb

_SET_TASK_STATE: Final = "/headgate.v1.TaskRunService/SetTaskRunState"
_POLL: Final = "/headgate.v1.WorkPoolService/PollFlowRuns"
_POOL: Final = "benchmark"


async def make_more_runs(target: str, flow_id: str, count: int) -> list[str]:
    """Make runs of a flow that are RUNNING; return their ids."""
    items = [
        pb.NewFlowRun(flow_id=flow_id, state=pb.ProposedState(type=pb.STATE_TYPE_RUNNING))
    ] * count
    async with grpc.aio.insecure_channel(target) as channel:
        made = await pb.FlowRunServiceStub(channel).BatchCreateFlowRuns(
            pb.BatchCreateFlowRunsRequest(items=items)
        )
    return [result.flow_run.id for result in made.results]


async def make_task_runs(target: str, flow_id: str, count: int) -> list[str]:
    """Make a run that is RUNNING, with some task runs that are; return their ids."""
    (run_id,) = await make_more_runs(target, flow_id, 1)
    async with grpc.aio.insecure_channel(target) as channel:
        create = pb.TaskRunServiceStub(channel).CreateTaskRun
        requests = (
            pb.CreateTaskRunRequest(
                flow_run_id=run_id,
                task_key="benchmark",
                dynamic_key=str(number),
                state=pb.ProposedState(type=pb.STATE_TYPE_RUNNING),
            )
            for number in range(count)
        )
        answers = await asyncio.gather(*(awaitable(create(each)) for each in requests))
    return [str(answer.task_run.id) for answer in answers]


async def make_pool(target: str) -> str:
    """Make a work pool; return the id of its queue."""
    async with grpc.aio.insecure_channel(target) as channel:
        made = await pb.WorkPoolServiceStub(channel).CreateWorkPool(
            pb.CreateWorkPoolRequest(name=_POOL, type="process")
        )
    return str(made.work_pool.default_queue_id)


async def set_task_states(endpoint: Endpoint, task_run_ids: list[str], turn: Turn) -> Sample:
    """Let callers propose RUNNING for running task runs, no two for one at once."""
    call = callable_at(endpoint.target, _SET_TASK_STATE)
    shares = [task_run_ids[place :: turn.callers] for place in range(turn.callers)]
    turns = [0] * turn.callers
    answered: list[bytes] = []

    async def step(place: int) -> None:
        share = shares[place]
        turns[place] += 1
        state = pb.ProposedState(
            type=pb.STATE_TYPE_RUNNING, details=pb.StateDetails(transition_id=str(uuid4()))
        )
        request = pb.SetTaskRunStateRequest(
            task_run_id=share[turns[place] % len(share)], state=state
        )
        answered.append(await call(request.SerializeToString()))

    sample = await measure(endpoint, turn, step)
    for answer in answered:
        read = pb.SetTaskRunStateResponse.FromString(answer)
        assert read.status == pb.VERDICT_STATUS_ACCEPT, read
    return sample


async def create_runs(endpoint: Endpoint, flow_id: str, turn: Turn) -> Sample:
    """Let callers create runs one by one."""
    call = callable_at(endpoint.target, CREATE)
    request = pb.CreateFlowRunRequest(flow_id=flow_id).SerializeToString()
    return await measure(endpoint, turn, lambda _: call(request))


async def create_batches(endpoint: Endpoint, flow_id: str, items: int, turn: Turn) -> Sample:
    """Let callers create runs by the batch."""
    call = callable_at(endpoint.target, f"{SERVICE}/BatchCreateFlowRuns")
    batch = pb.BatchCreateFlowRunsRequest(items=[pb.NewFlowRun(flow_id=flow_id)] * items)
    request = batch.SerializeToString()

    async def step(_place: int) -> None:
        answer = pb.BatchCreateFlowRunsResponse.FromString(await call(request))
        assert len(answer.results) == items
        assert not answer.refused_count

    return await measure(endpoint, turn, step)


async def set_batches(endpoint: Endpoint, flow_id: str, items: int, turn: Turn) -> Sample:
    """Let callers propose RUNNING for running runs by the batch."""
    run_ids = [await make_more_runs(endpoint.target, flow_id, items) for _ in range(turn.callers)]
    call = callable_at(endpoint.target, f"{SERVICE}/BatchSetFlowRunStates")

    async def step(place: int) -> None:
        batch = pb.BatchSetFlowRunStatesRequest(
            items=[
                pb.FlowRunProposal(
                    flow_run_id=run_id,
                    state=pb.ProposedState(
                        type=pb.STATE_TYPE_RUNNING,
                        details=pb.StateDetails(transition_id=str(uuid4())),
                    ),
                )
                for run_id in run_ids[place]
            ]
        )
        answer = await call(batch.SerializeToString())
        read = pb.BatchSetFlowRunStatesResponse.FromString(answer)
        assert all(each.status == pb.VERDICT_STATUS_ACCEPT for each in read.results)

    return await measure(endpoint, turn, step)


async def poll(endpoint: Endpoint, limit: int, turn: Turn) -> Sample:
    """Let workers ask for runs that are due."""
    call = callable_at(endpoint.target, _POLL)
    request = pb.PollFlowRunsRequest(work_pool_name=_POOL, limit=limit).SerializeToString()

    async def step(_place: int) -> None:
        answer = pb.PollFlowRunsResponse.FromString(await call(request))
        assert len(answer.due_flow_runs) == limit

    return await measure(endpoint, turn, step)
