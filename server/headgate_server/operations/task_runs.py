"""Task runs: created, read, changed and deleted. Their states are the business of `task_transitions`."""

from headgate_server.feed.tail import Tail
from headgate_server.model.errors import TaskRunNotFoundError
from headgate_server.model.filters import RunQuery
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.states import State
from headgate_server.model.task_commands import CreateTaskRun, DeleteTaskRun, UpdateTaskRun
from headgate_server.model.task_runs import TaskRun, TaskRunSort
from headgate_server.operations.flow_runs import reach
from headgate_server.operations.task_creation import CreatedTaskRun, create_all
from headgate_server.operations.task_deletion import DeletedTaskRun, delete_all
from headgate_server.operations.task_updates import ChangedTaskRun, update_all
from headgate_server.storage import task_run_lists, task_runs
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.gathering import Gathering
from headgate_server.storage.writer import Work, Writer


class TaskRuns:
    """Creates, reads, changes and deletes task runs."""

    def __init__(self, database: Database, writer: Writer, tail: Tail) -> None:
        self._database = database
        self._writer = writer
        self._tail = tail
        self._full = Gathering(database, task_runs.load_full)
        self._basic = Gathering(database, task_runs.load_basic)
        self._create = Work(create_all, CreatedTaskRun)
        self._update = Work(update_all, ChangedTaskRun)
        self._delete = Work(delete_all, DeletedTaskRun)

    async def create(self, command: CreateTaskRun) -> CreatedTaskRun:
        """Create a task run, or find the one that the flow run has with the same keys.

        Raises:
            FlowRunNotFoundError: There is no such flow run.
            TaskRunExistsError: The id is that of another task run.
        """
        return await self._writer.write(self._create, command)

    async def get(self, task_run_id: str, *, is_full: bool, min_revision: int = 0) -> TaskRun:
        """Return a task run, in FULL or in BASIC view.

        Raises:
            TaskRunNotFoundError: There is no such task run.
            RevisionNotReachedError: The revision asked for is not reached in time.
        """
        await reach(self._tail, min_revision)
        task_run = await (self._full if is_full else self._basic).get(task_run_id)
        if task_run is None:
            raise TaskRunNotFoundError(task_run_id)
        return task_run

    async def list_page(
        self,
        query: RunQuery,
        sort: TaskRunSort,
        page: PageRequest,
        *,
        is_full: bool = False,
        min_revision: int = 0,
    ) -> Page[TaskRun]:
        """Return a page of the task runs that match.

        Raises:
            PageTokenMismatchError: The token belongs to another list.
            RevisionNotReachedError: The revision asked for is not reached in time.
        """
        await reach(self._tail, min_revision)
        return await self._database.read(
            task_run_lists.list_page, query, sort, page, is_full=is_full
        )

    async def count(self, query: RunQuery) -> int:
        """Return how many task runs match."""
        return await self._database.read(task_run_lists.count, query)

    async def list_states(self, task_run_id: str, page: PageRequest) -> tuple[str, Page[State]]:
        """Return a page of the states of a task run with their data, from first to last.

        Returns:
            The flow run that the states belong to, and the page. Without a task run both are empty.

        Raises:
            PageTokenMismatchError: The token belongs to another list.
        """
        return await self._database.read(_list_states, task_run_id, page)

    async def update(self, command: UpdateTaskRun) -> ChangedTaskRun:
        """Rename a task run.

        Raises:
            TaskRunNotFoundError: There is no such task run.
            VersionMismatchError: The task run is not at the version expected.
            RequestIdReusedError: The request id belongs to another request.
        """
        return await self._writer.write(self._update, command)

    async def delete(self, command: DeleteTaskRun) -> int:
        """Delete a task run with its states; return the revision of the change.

        Raises:
            TaskRunNotFoundError: There is no such task run.
            VersionMismatchError: The task run is not at the version expected.
            RequestIdReusedError: The request id belongs to another request.
        """
        return (await self._writer.write(self._delete, command)).revision


def _list_states(conn: Connection, task_run_id: str, page: PageRequest) -> tuple[str, Page[State]]:
    """Return the flow run of a task run, and a page of its states."""
    task_run = task_runs.load_basic(conn, [task_run_id]).get(task_run_id)
    states = task_run_lists.list_states(conn, task_run_id, page)
    return "" if task_run is None else task_run.flow_run_id, states
