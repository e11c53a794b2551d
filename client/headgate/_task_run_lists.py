"""The calls that read many task runs, or the many states of one."""

from collections.abc import AsyncGenerator
from datetime import timedelta

from headgate import v1 as pb
from headgate._convert import to_state
from headgate._convert_filters import from_filters
from headgate._convert_task_runs import to_task_run
from headgate._paging import across_pages
from headgate._transport import Transport
from headgate.enums import TaskRunSort, TaskRunView
from headgate.filters import (
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    TaskRunFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from headgate.models import Id, Page
from headgate.states import State
from headgate.task_run_models import TaskRun


class TaskRunLists:
    """The calls that read many task runs, or the many states of one."""

    def __init__(self, transport: Transport) -> None:
        """Use this way to the server."""
        self._transport = transport
        self._stub = pb.TaskRunServiceStub(transport.calls)

    async def count(
        self,
        flows: FlowFilter | None = None,
        flow_runs: FlowRunFilter | None = None,
        task_runs: TaskRunFilter | None = None,
        *,
        deployments: DeploymentFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        timeout: timedelta | None = None,
    ) -> int:
        """Count the task runs that match.

        Args:
            flows: Conditions on the flow of the task runs. None: any flow.
            flow_runs: Conditions on the flow run of the task runs. None: any flow run.
            task_runs: Conditions on the task runs. None: every task run.
            deployments: Conditions on the deployment of the flow run. None: whether or not.
            work_pools: Conditions on the work pool of the flow run. None: whether or not.
            work_queues: Conditions on the work queue of the flow run. None: whether or not.
            timeout: How long the call may take.
        """
        request = pb.CountTaskRunsRequest(
            **from_filters(flows, flow_runs, task_runs, deployments, work_pools, work_queues),
        )
        return (await self._transport.call(self._stub.CountTaskRuns, request, timeout)).count

    def iterate_states(
        self, task_run_id: Id, *, page_size: int = 0, timeout: timedelta | None = None
    ) -> AsyncGenerator[State, None]:
        """Yield all states of a task run from first to last, reading page after page.

        Args:
            task_run_id: The task run. One that does not exist has no states.
            page_size: How many to read at once; 0 means 200, at most 1,000.
            timeout: How long the reading of one page may take.
        """
        return across_pages(
            lambda token: self.list_states(
                task_run_id, page_size=page_size, page_token=token, timeout=timeout
            )
        )

    async def list_states(
        self,
        task_run_id: Id,
        *,
        page_size: int = 0,
        page_token: str = "",
        timeout: timedelta | None = None,
    ) -> Page[State]:
        """Read one page of the states of a task run, by version ascending, with their data.

        Args:
            task_run_id: The task run. One that does not exist has no states.
            page_size: How many to return at most; 0 means 200, at most 1,000.
            page_token: The `next_page_token` of the page before. Empty: the first page.
            timeout: How long the call may take.

        Raises:
            PageTokenMismatchError: The token belongs to another list.
        """
        request = pb.ListTaskRunStatesRequest(
            task_run_id=str(task_run_id), page_size=page_size, page_token=page_token
        )
        answer = await self._transport.call(self._stub.ListTaskRunStates, request, timeout)
        return Page(
            items=tuple(to_state(state) for state in answer.states),
            next_page_token=answer.next_page_token,
        )

    def iterate(
        self,
        flows: FlowFilter | None = None,
        flow_runs: FlowRunFilter | None = None,
        task_runs: TaskRunFilter | None = None,
        *,
        deployments: DeploymentFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        sort: TaskRunSort = TaskRunSort.ID_DESC,
        view: TaskRunView = TaskRunView.BASIC,
        page_size: int = 0,
        offset: int = 0,
        min_revision: int = 0,
        timeout: timedelta | None = None,
    ) -> AsyncGenerator[TaskRun, None]:
        """Yield all task runs that match, reading page after page.

        Args:
            flows: Conditions on the flow of the task runs. None: any flow.
            flow_runs: Conditions on the flow run of the task runs. None: any flow run.
            task_runs: Conditions on the task runs. None: every task run.
            deployments: Conditions on the deployment of the flow run. None: whether or not.
            work_pools: Conditions on the work pool of the flow run. None: whether or not.
            work_queues: Conditions on the work queue of the flow run. None: whether or not.
            sort: The order.
            view: How much to read of each task run.
            page_size: How many to read at once; 0 means 200, at most 1,000.
            offset: How many to skip.
            min_revision: Do not answer from before this revision. 0: does not matter.
            timeout: How long the reading of one page may take.
        """
        return across_pages(
            lambda token: self.list(
                flows,
                flow_runs,
                task_runs,
                deployments=deployments,
                work_pools=work_pools,
                work_queues=work_queues,
                sort=sort,
                view=view,
                page_size=page_size,
                page_token=token,
                offset=offset,
                min_revision=min_revision,
                timeout=timeout,
            )
        )

    async def list(
        self,
        flows: FlowFilter | None = None,
        flow_runs: FlowRunFilter | None = None,
        task_runs: TaskRunFilter | None = None,
        *,
        deployments: DeploymentFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        sort: TaskRunSort = TaskRunSort.ID_DESC,
        view: TaskRunView = TaskRunView.BASIC,
        page_size: int = 0,
        page_token: str = "",
        offset: int = 0,
        min_revision: int = 0,
        timeout: timedelta | None = None,
    ) -> Page[TaskRun]:
        """Read one page of the task runs that match.

        Args:
            flows: Conditions on the flow of the task runs. None: any flow.
            flow_runs: Conditions on the flow run of the task runs. None: any flow run.
            task_runs: Conditions on the task runs. None: every task run.
            deployments: Conditions on the deployment of the flow run. None: whether or not.
            work_pools: Conditions on the work pool of the flow run. None: whether or not.
            work_queues: Conditions on the work queue of the flow run. None: whether or not.
            sort: The order.
            view: How much to read of each task run.
            page_size: How many to return at most; 0 means 200, at most 1,000.
            page_token: The `next_page_token` of the page before. Empty: the first page.
            offset: How many to skip before the first page. Costs time: prefer tokens.
            min_revision: Do not answer from before this revision. 0: does not matter.
            timeout: How long the call may take.

        Raises:
            PageTokenMismatchError: The token belongs to a list with other arguments.
            RevisionNotReachedError: The server has not seen `min_revision` in time.
        """
        request = pb.ListTaskRunsRequest(
            **from_filters(flows, flow_runs, task_runs, deployments, work_pools, work_queues),
            sort=pb.TaskRunSort.Value(f"TASK_RUN_SORT_{sort}"),
            page_size=page_size,
            page_token=page_token,
            offset=offset,
            view=pb.TaskRunView.Value(f"TASK_RUN_VIEW_{view}"),
            min_revision=min_revision,
        )
        answer = await self._transport.call(self._stub.ListTaskRuns, request, timeout)
        return Page(
            items=tuple(to_task_run(each) for each in answer.task_runs),
            next_page_token=answer.next_page_token,
        )
