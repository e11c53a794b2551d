"""Cancellation clean-up: what goes on under a cancelled flow run is cancelled too.

Whoever cancels a flow run cannot know of everything under it, and a process that dies tells nobody. So this looks again and
again. Several servers may look at the same time: what has moved on meanwhile is left for the next look.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from headgate_server.model.commands import Proposal
from headgate_server.model.conflicts import VersionMismatchError
from headgate_server.model.errors import FlowRunNotFoundError, TaskRunNotFoundError
from headgate_server.model.states import TERMINAL, ProposedState, StateType
from headgate_server.model.task_commands import TaskProposal
from headgate_server.model.verdicts import TaskVerdict, Verdict
from headgate_server.operations import task_transitions, transitions
from headgate_server.storage import cancelled
from headgate_server.storage.cancelled import LeftBehind
from headgate_server.storage.database import Database
from headgate_server.storage.due import Place
from headgate_server.storage.writer import BATCH_SIZE, Work, Writer

CommandT = TypeVar("CommandT")

MESSAGE: Final = "The parent flow run was cancelled."
PAGE_SIZE: Final = BATCH_SIZE
"""Runs that are looked for at once, and cancelled in one transaction."""

_LIVE: Final = tuple(each for each in StateType if each not in TERMINAL)
_CANCELLED: Final = ProposedState(type=StateType.CANCELLED, message=MESSAGE)
_CANCELLING: Final = ProposedState(type=StateType.CANCELLING, message=MESSAGE)
_GONE: Final = (FlowRunNotFoundError, TaskRunNotFoundError, VersionMismatchError)


class Cleanup:
    """Cancels what cancelled flow runs leave behind."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self._cancel_flow_runs = Work(transitions.carry_out, Verdict)
        self._cancel_task_runs = Work(task_transitions.carry_out, TaskVerdict)

    async def clean_up(self) -> int:
        """Cancel the subflow runs and task runs of cancelled flow runs that have not ended; return how many there were.

        Subflow runs of deployments are CANCELLING until their workers have stopped them, unless there is nothing to stop.
        """
        changed = 0
        # A subflow run that is cancelled leaves others behind, level by level.
        while found := await self._each_page(
            cancelled.subflow_runs, self._cancel_flow_runs, _for_flow_run
        ):
            changed += found
        return changed + await self._each_page(
            cancelled.task_runs, self._cancel_task_runs, _for_task_run
        )

    async def _each_page(
        self,
        find: Callable[..., tuple[Sequence[LeftBehind], Place | None]],
        work: Work[CommandT, Any],
        proposal_for: Callable[[LeftBehind], CommandT],
    ) -> int:
        """Propose a state for everything that is found, a page at a time; return how many states were written."""
        written = 0
        for state_type in _LIVE:
            look = partial(find, state_type=state_type, limit=PAGE_SIZE)
            place: Place | None = None
            while True:
                found, place = await self._database.read(look, after=place)
                answers = await self._writer.write_each(
                    work, [proposal_for(each) for each in found]
                )
                for answer in answers:
                    if isinstance(answer, Verdict | TaskVerdict):
                        written += answer.is_written
                    elif not isinstance(answer, _GONE):
                        raise answer
                if place is None:
                    break
        return written


def _for_flow_run(found: LeftBehind) -> Proposal:
    return Proposal(
        flow_run_id=found.id,
        state=_CANCELLING if found.has_deployment else _CANCELLED,
        force=True,
        expected_version=found.version,
    )


def _for_task_run(found: LeftBehind) -> TaskProposal:
    return TaskProposal(
        task_run_id=found.id, state=_CANCELLED, force=True, expected_version=found.version
    )
