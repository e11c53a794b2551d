"""The call that tells what many task runs say together."""

from datetime import datetime, timedelta

from headgate import v1 as pb
from headgate._convert import from_datetime, from_timedelta
from headgate._convert_analytics import to_history_interval
from headgate._convert_filters import from_filters
from headgate._task_run_lists import TaskRunLists
from headgate.filters import (
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    TaskRunFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from headgate.history import HistoryInterval


class TaskRunAnalytics(TaskRunLists):
    """The call that tells what many task runs say together."""

    async def get_history(
        self,
        start_time: datetime,
        end_time: datetime,
        interval: timedelta,
        *,
        flows: FlowFilter | None = None,
        flow_runs: FlowRunFilter | None = None,
        task_runs: TaskRunFilter | None = None,
        deployments: DeploymentFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        timeout: timedelta | None = None,
    ) -> tuple[HistoryInterval, ...]:
        """Count the task runs that match, by when they were expected to start and how they stand.

        Args:
            start_time: When the first interval begins.
            end_time: Intervals begin before this time; the last one may end after it.
            interval: How long each interval is, from 1 second to 3,650 days.
            flows: Conditions on the flow of the task runs. None: any flow.
            flow_runs: Conditions on the flow run of the task runs. None: any flow run.
            task_runs: Conditions on the task runs. None: every task run.
            deployments: Conditions on the deployment of the flow run. None: none.
            work_pools: Conditions on the work pool of the flow run. None: none.
            work_queues: Conditions on the work queue of the flow run. None: none.
            timeout: How long the call may take.

        Returns:
            The intervals without a gap, also those without task runs; at most 500.

        Raises:
            InvalidRequestError: The interval is too short or too long.
            ValueError: A time has no time zone.
        """
        request = pb.GetTaskRunHistoryRequest(
            **from_filters(flows, flow_runs, task_runs, deployments, work_pools, work_queues),
            start_time=from_datetime(start_time, "start_time"),
            end_time=from_datetime(end_time, "end_time"),
            interval=from_timedelta(interval),
        )
        answer = await self._transport.call(self._stub.GetTaskRunHistory, request, timeout)
        return tuple(map(to_history_interval, answer.intervals))
