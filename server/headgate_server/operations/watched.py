"""What watches are about: what must be there when one begins, and what its snapshot shows."""

from collections.abc import Sequence
from typing import Final, Protocol, TypeAlias

from headgate_server.feed.interests import (
    InputsOf,
    Interest,
    RunsById,
    RunsByQuery,
    TaskRunsById,
    TaskRunsByQuery,
    TaskRunsOf,
)
from headgate_server.model.errors import FlowRunNotFoundError, NotFoundError, TaskRunNotFoundError
from headgate_server.model.filters import ReferenceFilter, RunQuery, TaskRunFilter
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.inputs import FlowRunInput
from headgate_server.model.paging import PageRequest
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.watch_commands import WatchInputs, WatchRuns, WatchTaskRuns
from headgate_server.storage import (
    flow_run_lists,
    flow_runs,
    input_lists,
    task_run_lists,
)
from headgate_server.storage.database import Connection

Run: TypeAlias = FlowRun | TaskRun
Shown: TypeAlias = FlowRun | TaskRun | FlowRunInput

PAGE_SIZE: Final = 500
"""What is read at a time for a snapshot."""


class Watched(Protocol):
    """What one watch is about."""

    interest: Interest
    """Which events concern it."""
    named: Sequence[str]
    """What must be there when it begins."""
    is_named: bool
    """Whether what is named is all that it is about, so that the snapshot shows just that."""
    names_task_runs: bool
    """Whether task runs are named, or else flow runs."""

    def missing(self, named_id: str) -> NotFoundError:
        """Return the error that something named does not exist."""

    def page(self, conn: Connection, token: str) -> tuple[Sequence[Shown], str]:
        """Return the next part of a snapshot, and what asks for the one after it; empty at the end.

        Raises:
            FlowRunNotFoundError: Nothing would ever tell of what is watched, for it has gone.
        """


class WatchedRuns:
    """Flow runs."""

    def __init__(self, request: WatchRuns) -> None:
        self.named: Sequence[str] = request.flow_run_ids
        self.is_named = bool(request.flow_run_ids)
        self.names_task_runs = False
        self.interest: Interest = (
            RunsById(frozenset(request.flow_run_ids))
            if request.flow_run_ids
            else RunsByQuery(request.query)
        )
        self._query = request.query

    def missing(self, named_id: str) -> NotFoundError:
        """Return the error that a run does not exist."""
        return FlowRunNotFoundError(named_id)

    def page(self, conn: Connection, token: str) -> tuple[Sequence[Shown], str]:
        """Return the next runs that match, by id."""
        found = flow_run_lists.iter_matching(conn, self._query, token or None, PAGE_SIZE)
        return found, found[-1].id if found else ""


class WatchedTaskRuns:
    """Task runs."""

    def __init__(self, request: WatchTaskRuns) -> None:
        self.named: Sequence[str] = request.task_run_ids or request.flow_run_ids
        self.is_named = self.names_task_runs = bool(request.task_run_ids)
        self.interest: Interest
        self._query = request.query
        if request.task_run_ids:
            self.interest = TaskRunsById(frozenset(request.task_run_ids))
        elif request.flow_run_ids:
            self.interest = TaskRunsOf(frozenset(request.flow_run_ids))
            of_flow_runs = ReferenceFilter(any=request.flow_run_ids)
            self._query = RunQuery(task_runs=TaskRunFilter(flow_run_id=of_flow_runs))
        else:
            self.interest = TaskRunsByQuery(request.query)

    def missing(self, named_id: str) -> NotFoundError:
        """Return the error that a task run, or else a flow run, does not exist."""
        return TaskRunNotFoundError(named_id) if self.is_named else FlowRunNotFoundError(named_id)

    def page(self, conn: Connection, token: str) -> tuple[Sequence[Shown], str]:
        """Return the next task runs that match, by id."""
        found = task_run_lists.iter_matching(conn, self._query, token or None, PAGE_SIZE)
        return found, found[-1].id if found else ""


class WatchedInputs:
    """The inputs of a flow run."""

    def __init__(self, request: WatchInputs) -> None:
        self.named: Sequence[str] = (request.flow_run_id,)
        self.is_named = self.names_task_runs = False
        self.interest: Interest = InputsOf(request.flow_run_id, request.key_prefix)
        self._flow_run_id = request.flow_run_id
        self._key_prefix = request.key_prefix

    def missing(self, named_id: str) -> NotFoundError:
        """Return the error that the run does not exist."""
        return FlowRunNotFoundError(named_id)

    def page(self, conn: Connection, token: str) -> tuple[Sequence[Shown], str]:
        """Return the next inputs of the run, oldest first.

        Raises:
            FlowRunNotFoundError: The run went after the watch began or after its token was made.
        """
        if not token and not flow_runs.load_basic(conn, self.named):
            raise FlowRunNotFoundError(self._flow_run_id)
        request = PageRequest(size=PAGE_SIZE, token=token)
        found = input_lists.list_inputs(conn, self._flow_run_id, self._key_prefix, (), request)
        return found.items, found.next_token
