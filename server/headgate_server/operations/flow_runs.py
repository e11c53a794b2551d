"""Flow runs: created, read, changed and deleted. Their states are the business of `transitions`."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from headgate_server.feed.tail import Tail
from headgate_server.model.commands import CreateFlowRun, DeleteFlowRun, UpdateFlowRun
from headgate_server.model.errors import FlowRunNotFoundError, RevisionNotReachedError
from headgate_server.model.filters import FlowRunSort, RunQuery
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.states import State
from headgate_server.operations.creation import CreatedFlowRun, create_all
from headgate_server.operations.deletion import DeletedFlowRun, delete_all
from headgate_server.operations.job_variables import JobVariables
from headgate_server.operations.updates import ChangedFlowRun, update_all
from headgate_server.storage import flow_run_lists, flow_runs
from headgate_server.storage.database import Database
from headgate_server.storage.gathering import Gathering
from headgate_server.storage.writer import Work, Writer

REACH_SECONDS: Final = 2.0
"""How long a read waits for the revision that it must not be older than."""


class FlowRuns:
    """Creates, reads, changes and deletes flow runs."""

    def __init__(
        self, database: Database, writer: Writer, tail: Tail, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._writer = writer
        self._tail = tail
        self._job_variables = JobVariables(database, clock=clock)
        self._full = Gathering(database, flow_runs.load_full)
        self._basic = Gathering(database, flow_runs.load_basic)
        self._create = Work(create_all, CreatedFlowRun)
        self._update = Work(update_all, ChangedFlowRun)
        self._delete = Work(delete_all, DeletedFlowRun)

    async def create(self, command: CreateFlowRun) -> CreatedFlowRun:
        """Create a run, or find the one that holds the idempotency key.

        Raises:
            FlowNotFoundError: There is no such flow.
            TaskRunNotFoundError: There is no such parent.
            RequestIdReusedError: The request id belongs to another request.
        """
        return await self._writer.write(self._create, command)

    async def get(self, flow_run_id: str, *, is_full: bool, min_revision: int = 0) -> FlowRun:
        """Return a run, in FULL or in BASIC view.

        Raises:
            FlowRunNotFoundError: There is no such run.
            RevisionNotReachedError: The revision asked for is not reached in time.
        """
        await reach(self._tail, min_revision)
        run = await (self._full if is_full else self._basic).get(flow_run_id)
        if run is None:
            raise FlowRunNotFoundError(flow_run_id)
        return run

    async def list_page(
        self,
        query: RunQuery,
        sort: FlowRunSort,
        page: PageRequest,
        *,
        is_full: bool = False,
        min_revision: int = 0,
    ) -> Page[FlowRun]:
        """Return a page of the runs that match.

        Raises:
            PageTokenMismatchError: The token belongs to another list.
            RevisionNotReachedError: The revision asked for is not reached in time.
        """
        await reach(self._tail, min_revision)
        return await self._database.read(
            flow_run_lists.list_page, query, sort, page, is_full=is_full
        )

    async def count(self, query: RunQuery) -> int:
        """Return how many runs match."""
        return await self._database.read(flow_run_lists.count, query)

    async def list_states(self, flow_run_id: str, page: PageRequest) -> Page[State]:
        """Return a page of the states of a run with their data, from first to last.

        Raises:
            PageTokenMismatchError: The token belongs to another list.
        """
        return await self._database.read(flow_run_lists.list_states, flow_run_id, page)

    async def update(self, command: UpdateFlowRun) -> ChangedFlowRun:
        """Replace fields of a run.

        Raises:
            FlowRunNotFoundError: There is no such run.
            VersionMismatchError: The run is not at the version expected.
            StateNotAllowedError: Job variables, and the run is not SCHEDULED.
            DeploymentRequiredError: Job variables, and the run has no deployment.
            JobVariablesInvalidError: They do not fit the template of the work pool.
            RequestIdReusedError: The request id belongs to another request.
        """
        await self._job_variables.check(command)
        return await self._writer.write(self._update, command)

    async def delete(self, command: DeleteFlowRun) -> int:
        """Delete a run with its states, inputs and task runs; return the revision of the change.

        Raises:
            FlowRunNotFoundError: There is no such run.
            VersionMismatchError: The run is not at the version expected.
            RequestIdReusedError: The request id belongs to another request.
        """
        return (await self._writer.write(self._delete, command)).revision


async def reach(tail: Tail, min_revision: int) -> None:
    """Make sure that what is read next is not from before a revision.

    Raises:
        RevisionNotReachedError: The revision is not reached in time.
    """
    if min_revision > tail.head and not await tail.reach(min_revision, REACH_SECONDS):
        raise RevisionNotReachedError(min_revision, tail.head)
