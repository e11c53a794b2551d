"""What can be watched, flow runs or task runs, behind one face: what watches promise is tested once for both."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from headgate import v1 as pb
from tests.service import tasks
from tests.service.world import PENDING, RUNNING, Watch, World

Run: TypeAlias = pb.FlowRun | pb.TaskRun
State: TypeAlias = "pb.StateType.ValueType | pb.ProposedState"


class Watched(Protocol):
    """One kind of what can be watched, and the names that its events have."""

    state_change: ClassVar[str]
    update: ClassVar[str]
    not_found: ClassVar[str]

    async def new_group(self) -> str:
        """Make what many of them belong to, a flow or a flow run, and return its id."""

    async def new(self, group: str | None = None, state: State = PENDING, **fields: Any) -> Run:
        """Make one, of a group of its own if none is named."""

    async def propose(self, run: Run, state: State, **fields: Any) -> Any:
        """Propose a state."""

    async def rename(self, run: Run, name: str) -> None:
        """Change one without giving it a state."""

    async def delete(self, run: Run) -> None:
        """Delete one."""

    async def delete_group(self, group: str) -> None:
        """Delete a group with all that belongs to it."""

    async def states(self, run: Run) -> list[pb.State]:
        """Read the whole history of one."""

    def watch(self, *runs: Run, **fields: Any) -> Watch:
        """Watch these, or those that match the filters."""

    def watch_group(self, group: str, **fields: Any) -> Watch:
        """Watch those of a group."""

    def watch_matching(self, conditions: dict[str, Any], **fields: Any) -> Watch:
        """Watch those that meet conditions on themselves."""


class WatchedFlowRuns:
    """Flow runs, which belong to flows."""

    state_change: ClassVar = "state_change"
    update: ClassVar = "run_update"
    not_found: ClassVar = "FLOW_RUN_NOT_FOUND"

    def __init__(self, world: World) -> None:
        self._world = world

    async def new_group(self) -> str:
        return (await self._world.new_flow()).id

    async def new(self, group: str | None = None, state: State = PENDING, **fields: Any) -> Run:
        of_flow = {} if group is None else {"flow_id": group}
        return await self._world.new_run(state, **of_flow, **fields)

    async def propose(self, run: Run, state: State, **fields: Any) -> Any:
        return await self._world.propose(run.id, state, **fields)

    async def rename(self, run: Run, name: str) -> None:
        await self._world.update(run.id, ["name"], name=name)

    async def delete(self, run: Run) -> None:
        await self._world.delete(run.id)

    async def delete_group(self, group: str) -> None:
        await self._world.flows.DeleteFlow(pb.DeleteFlowRequest(flow_id=group))

    async def states(self, run: Run) -> list[pb.State]:
        return await self._world.states(run.id)

    def watch(self, *runs: Run, **fields: Any) -> Watch:
        return self._world.watch(flow_run_ids=[run.id for run in runs], **fields)

    def watch_group(self, group: str, **fields: Any) -> Watch:
        flows = pb.FlowFilter(id=pb.IdFilter(any=pb.StringList(values=[group])))
        return self._world.watch(flows=flows, **fields)

    def watch_matching(self, conditions: dict[str, Any], **fields: Any) -> Watch:
        return self._world.watch(flow_runs=pb.FlowRunFilter(**conditions), **fields)


class WatchedTaskRuns:
    """Task runs, which belong to flow runs."""

    state_change: ClassVar = "task_state_change"
    update: ClassVar = "task_update"
    not_found: ClassVar = "TASK_RUN_NOT_FOUND"

    def __init__(self, world: World) -> None:
        self._world = world

    async def new_group(self) -> str:
        return (await self._world.new_run(RUNNING)).id

    async def new(self, group: str | None = None, state: State = PENDING, **fields: Any) -> Run:
        return await tasks.new_task_run(self._world, group, state, **fields)

    async def propose(self, run: Run, state: State, **fields: Any) -> Any:
        return await tasks.propose(self._world, run.id, state, **fields)

    async def rename(self, run: Run, name: str) -> None:
        await tasks.renamed(self._world, run.id, name)

    async def delete(self, run: Run) -> None:
        await tasks.delete(self._world, run.id)

    async def delete_group(self, group: str) -> None:
        await self._world.delete(group)

    async def states(self, run: Run) -> list[pb.State]:
        return await tasks.states(self._world, run.id)

    def watch(self, *runs: Run, **fields: Any) -> Watch:
        return watch_task_runs(self._world, task_run_ids=[run.id for run in runs], **fields)

    def watch_group(self, group: str, **fields: Any) -> Watch:
        return watch_task_runs(self._world, flow_run_ids=[group], **fields)

    def watch_matching(self, conditions: dict[str, Any], **fields: Any) -> Watch:
        return watch_task_runs(self._world, task_runs=pb.TaskRunFilter(**conditions), **fields)


KINDS: Final[Mapping[str, Callable[[World], Watched]]] = {
    "flow runs": WatchedFlowRuns,
    "task runs": WatchedTaskRuns,
}
"""All kinds of what can be watched that has states."""


def watch_task_runs(world: World, **fields: Any) -> Watch:
    """Watch task runs."""
    return Watch(world.task_runs.WatchTaskRuns(pb.WatchTaskRunsRequest(**fields)))


async def begun(watch: Watch) -> Watch:
    """Return a watch that was asked for a snapshot once that is complete."""
    while (await watch.next()).WhichOneof("event") != "snapshot_complete":
        pass
    return watch


async def watching(watched: Watched, *runs: Run, **fields: object) -> Watch:
    """Return a watch that has surely begun: its empty snapshot, or that of its runs, was read."""
    return await begun(watched.watch(*runs, send_initial_state=True, **fields))


def kind_of(message: Any) -> str:
    """Return what kind of event a message is."""
    return str(message.WhichOneof("event"))


def told(message: Any) -> Any:
    """Return the run or task run that a message tells of."""
    event = getattr(message, kind_of(message))
    return event.task_run if isinstance(message, pb.WatchTaskRunsResponse) else event.flow_run


def state_of(message: Any) -> pb.State:
    """Return the state that was written, from a message about a change of state."""
    state: pb.State = getattr(message, kind_of(message)).state
    return state


def versions(messages: list[Any]) -> list[int]:
    """Return the versions of the states that were written, from messages about changes of states."""
    return [state_of(message).version for message in messages]
