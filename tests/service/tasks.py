"""Task runs as their callers see them: shorthands for what most tests about them do first."""

from typing import Any
from uuid import uuid4

from headgate import v1 as pb
from tests.service.world import PENDING, RUNNING, World


def proposed(
    state: "pb.StateType.ValueType | pb.ProposedState", **details: Any
) -> pb.ProposedState:
    """Return a state to propose, with these details."""
    made = state if isinstance(state, pb.ProposedState) else pb.ProposedState(type=state)
    if details:
        made.details.MergeFrom(pb.StateDetails(**details))
    return made


async def new_task_run(
    world: World,
    run: pb.FlowRun | str | None = None,
    state: "pb.StateType.ValueType | pb.ProposedState | None" = PENDING,
    **fields: Any,
) -> pb.TaskRun:
    """Create a task run with keys of its own, of a running flow run of its own if none is named."""
    return (await created(world, run, state, **fields)).task_run


async def created(
    world: World,
    run: pb.FlowRun | str | None = None,
    state: "pb.StateType.ValueType | pb.ProposedState | None" = PENDING,
    **fields: Any,
) -> pb.CreateTaskRunResponse:
    """Create a task run, and return the whole answer."""
    flow_run = await world.new_run(RUNNING) if run is None else run
    given = {"task_key": "task", "dynamic_key": str(uuid4())} | fields
    request = pb.CreateTaskRunRequest(
        flow_run_id=flow_run if isinstance(flow_run, str) else flow_run.id,
        state=None if state is None else proposed(state),
        **given,
    )
    return await world.task_runs.CreateTaskRun(request)


async def propose(
    world: World,
    task_run: pb.TaskRun | str,
    state: "pb.StateType.ValueType | pb.ProposedState",
    **fields: Any,
) -> pb.SetTaskRunStateResponse:
    """Propose a state for a task run."""
    request = pb.SetTaskRunStateRequest(task_run_id=_id(task_run), state=proposed(state), **fields)
    return await world.task_runs.SetTaskRunState(request)


async def get(world: World, task_run: pb.TaskRun | str, **fields: Any) -> pb.TaskRun:
    """Read a task run, whole unless another view is named."""
    request = pb.GetTaskRunRequest(task_run_id=_id(task_run), **fields)
    return (await world.task_runs.GetTaskRun(request)).task_run


async def states(world: World, task_run: pb.TaskRun | str) -> list[pb.State]:
    """Read the whole history of a task run."""
    request = pb.ListTaskRunStatesRequest(task_run_id=_id(task_run), page_size=1000)
    return list((await world.task_runs.ListTaskRunStates(request)).states)


async def renamed(
    world: World, task_run: pb.TaskRun | str, name: str, **fields: Any
) -> pb.UpdateTaskRunResponse:
    """Change the name of a task run."""
    request = pb.UpdateTaskRunRequest(task_run=pb.TaskRun(id=_id(task_run), name=name), **fields)
    if not request.update_mask.paths:
        request.update_mask.paths.append("name")
    return await world.task_runs.UpdateTaskRun(request)


async def delete(
    world: World, task_run: pb.TaskRun | str, **fields: Any
) -> pb.DeleteTaskRunResponse:
    """Delete a task run."""
    request = pb.DeleteTaskRunRequest(task_run_id=_id(task_run), **fields)
    return await world.task_runs.DeleteTaskRun(request)


async def listed(world: World, **fields: Any) -> list[pb.TaskRun]:
    """List task runs on one page."""
    return list((await world.task_runs.ListTaskRuns(pb.ListTaskRunsRequest(**fields))).task_runs)


async def limit(world: World, tag: str, slots: int) -> pb.CreateConcurrencyLimitResponse:
    """Set the concurrency limit of a tag."""
    request = pb.CreateConcurrencyLimitRequest(tag=tag, concurrency_limit=slots)
    return await world.limits.CreateConcurrencyLimit(request)


async def slots(world: World, tag: str) -> list[str]:
    """Return the task runs that hold a slot of the limit of a tag."""
    answer = await world.limits.GetConcurrencyLimit(pb.GetConcurrencyLimitRequest(tag=tag))
    return list(answer.concurrency_limit.active_slots)


def _id(task_run: pb.TaskRun | str) -> str:
    return task_run if isinstance(task_run, str) else task_run.id
