"""Mirroring: the task run that stands for a subflow run takes every state which that takes, in the same transaction."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from msgspec.structs import replace

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import ProposedState
from headgate_server.model.task_commands import TaskProposal
from headgate_server.operations.task_transitions import carry_out
from headgate_server.storage import task_runs
from headgate_server.storage.database import Connection
from headgate_server.storage.writer import Outcome, Written


class _AboutAFlowRun(Protocol):
    """An answer that tells of a flow run."""

    @property
    def run(self) -> FlowRun: ...


A = TypeVar("A", bound=_AboutAFlowRun)


def mirror(
    conn: Connection, now: datetime, outcomes: Sequence[Outcome[A]], is_new: Callable[[A], bool]
) -> list[Outcome[A]]:
    """Write the states that subflow runs have just taken to the task runs that stand for them, in order.

    Args:
        conn: The connection of the writer's transaction.
        now: The time of the transaction.
        outcomes: What was done to flow runs, each with the run as that left it and with the data of its state.
        is_new: Says whether the state of the run in an answer was just written.

    Returns:
        The outcomes, with what changed on task runs noted behind what changed on their subflow runs.
    """
    subflows = {
        place: outcome
        for place, outcome in enumerate(outcomes)
        if isinstance(outcome, Written)
        and is_new(outcome.value)
        and outcome.value.run.parent_task_run_id
    }
    if not subflows:
        return list(outcomes)
    copies = [_copy_of(each.value.run) for each in subflows.values()]
    # Locked before they are loaded, so that no other server can come between and void what is written already.
    task_runs.lock(conn, list({each.task_run_id for each in copies}))
    noted = list(outcomes)
    for (place, outcome), copied in zip(
        subflows.items(), carry_out(conn, now, copies), strict=True
    ):
        if isinstance(copied, Written):  # else the task run was deleted a moment ago
            noted[place] = Written(outcome.value, outcome.changes + copied.changes)
    return noted


def _copy_of(run: FlowRun) -> TaskProposal:
    """Return the state of a subflow run as one that is forced upon its parent."""
    state = run.state
    assert state is not None
    return TaskProposal(
        task_run_id=run.parent_task_run_id or "",
        state=ProposedState(
            type=state.type,
            name=state.name,
            message=state.message,
            data_json=state.data_json,
            details=replace(state.details, child_flow_run_id=run.id, transition_id=None),
        ),
        force=True,
    )
