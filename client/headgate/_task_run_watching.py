"""Watching task runs: every change, in order, without a gap, for as long as one wants."""

from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta

from headgate import v1 as pb
from headgate._convert import from_timedelta
from headgate._convert_events import to_task_run_event
from headgate._convert_filters import from_filters
from headgate._stream import converted, unbroken
from headgate._task_run_calls import TaskRunCalls
from headgate._transport import Transport
from headgate.enums import WatchUntil
from headgate.events import TaskRunEvent
from headgate.filters import (
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    TaskRunFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from headgate.models import Id


class TaskRunWatching(TaskRunCalls):
    """Watches task runs."""

    def __init__(self, transport: Transport) -> None:
        """Use this way to the server."""
        super().__init__(transport)
        self._watch_stub = pb.TaskRunServiceStub(transport.watches)

    def watch_task_run(
        self,
        task_run_id: Id,
        *,
        send_initial_state: bool = True,
        until: WatchUntil | None = WatchUntil.ALL_TERMINAL,
        resume_token: str = "",
        latest_only: bool = False,
        progress_interval: timedelta | None = None,
    ) -> AsyncGenerator[TaskRunEvent, None]:
        """Yield every change of one task run until it ends.

        Args:
            task_run_id: The task run.
            send_initial_state: Tell first how the task run stands, as `TaskSnapshot` and
                `SnapshotComplete`.
            until: What ends the iteration by itself. None: nothing, not even the end of the task
                run.
            resume_token: Go on after this position, which an event of an earlier watch of the
                same task run tells. Empty: begin now.
            latest_only: Allow states to be skipped while the reader is behind.
            progress_interval: How often to tell `Progress` while nothing happens, 1 second to 5
                minutes. None: keep it from the caller.

        Returns:
            The events. Use `contextlib.aclosing` to end the watch early at a certain point.

        Raises:
            TaskRunNotFoundError: There is no such task run.
            RevisionCompactedError: The changes after the position are no longer kept.
            EpochChangedError: The position comes from another database.
            ServerUnreachableError: The server was never reached. A connection that is lost later
                is made again, for as long as it takes, and the watch goes on without a gap.

        Example:
            ```python
            async for event in client.task_runs.watch_task_run(task_run_id):
                if isinstance(event, headgate.TaskStateChange):
                    print(event.state)
            ```
        """
        return self.watch_task_runs(
            task_run_ids=[task_run_id],
            send_initial_state=send_initial_state,
            until=until,
            resume_token=resume_token,
            latest_only=latest_only,
            progress_interval=progress_interval,
        )

    def watch_task_runs(
        self,
        *,
        flow_run_ids: Iterable[Id] | None = None,
        task_run_ids: Iterable[Id] | None = None,
        flows: FlowFilter | None = None,
        flow_runs: FlowRunFilter | None = None,
        task_runs: TaskRunFilter | None = None,
        deployments: DeploymentFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        send_initial_state: bool = False,
        until: WatchUntil | None = None,
        resume_token: str = "",
        latest_only: bool = False,
        progress_interval: timedelta | None = None,
    ) -> AsyncGenerator[TaskRunEvent, None]:
        """Yield every change of many task runs, in the order in which they were committed.

        Conditions on what is related to a task run are judged as that stands when a change of the
        task run is told: a change of a relation alone tells nothing. After a resume,
        `TaskLeftFilter` and `TaskDeleted` may then also come for a task run that was not told
        before.

        Args:
            flow_run_ids: The flow runs whose task runs to watch, 1 to 1,000. None: does not
                matter.
            task_run_ids: The task runs, 1 to 1,000. None: those of `flow_run_ids`, or those that
                match the filters.
            flows: Conditions on the flow of the task runs. None: any flow.
            flow_runs: Conditions on the flow run of the task runs. None: any flow run.
            task_runs: Conditions on the task runs, before and after each change. None: every one.
            deployments: The flow run has a deployment that still exists and matches. None: does
                not matter.
            work_pools: The flow run was sent to a pool that matches. None: does not matter.
            work_queues: The flow run was sent to a queue that matches. None: does not matter.
            send_initial_state: Tell first which task runs match now, as `TaskSnapshot`s and
                `SnapshotComplete`.
            until: What ends the iteration by itself. Only with `task_run_ids`. None: nothing.
            resume_token: Go on after this position, which an event of an earlier watch of the
                same ids or filters tells. Empty: begin now.
            latest_only: Allow states to be skipped while the reader is behind.
            progress_interval: How often to tell `Progress` while nothing happens, 1 second to 5
                minutes. None: keep it from the caller.

        Returns:
            The events. Use `contextlib.aclosing` to end the watch early at a certain point.

        Raises:
            ValueError: Ids of both kinds are given, or ids beside filters, or a list of ids is
                empty, or `until` has no task run ids.
            FlowRunNotFoundError: One of the flow runs does not exist.
            TaskRunNotFoundError: One of the task runs does not exist.
            RevisionCompactedError: The changes after the position are no longer kept.
            EpochChangedError: The position comes from another database.
            ServerUnreachableError: The server was never reached. A connection that is lost later
                is made again, for as long as it takes, and the watch goes on without a gap.

        Example:
            ```python
            events = client.task_runs.watch_task_runs(
                flow_run_ids=[flow_run_id], send_initial_state=True
            )
            async for event in events:
                if isinstance(event, headgate.SnapshotComplete):
                    break  # from here on, only what changes now
                print(event.task_run.name)
            ```
        """
        of_flow_runs = None if flow_run_ids is None else [str(each) for each in flow_run_ids]
        named = None if task_run_ids is None else [str(each) for each in task_run_ids]
        filters = (flows, flow_runs, task_runs, deployments, work_pools, work_queues)
        given = [each for each in (of_flow_runs, named, *filters) if each is not None]
        if (of_flow_runs is not None or named is not None) and not (len(given) == 1 and given[0]):
            message = (
                "flow_run_ids and task_run_ids need at least one id, and exclude each other and "
                "filters."
            )
            raise ValueError(message)
        if named is None and until is not None:
            message = "until needs task_run_ids."
            raise ValueError(message)
        request = pb.WatchTaskRunsRequest(
            flow_run_ids=of_flow_runs,
            task_run_ids=named,
            **from_filters(*filters),
            resume_token=resume_token,
            send_initial_state=send_initial_state,
            until=pb.WatchUntil.Value(f"WATCH_UNTIL_{until or 'UNSPECIFIED'}"),
            progress_interval=None
            if progress_interval is None
            else from_timedelta(progress_interval),
            latest_only=latest_only,
        )
        messages = unbroken(
            self._transport,
            self._watch_stub.WatchTaskRuns,
            request,
            has_end=bool(request.until),
        )
        return converted(messages, to_task_run_event, has_progress=progress_interval is not None)
