"""Watching flow runs: every change, in order, without a gap, for as long as one wants."""

from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta

from headgate import v1 as pb
from headgate._convert import from_timedelta
from headgate._convert_events import to_flow_run_event
from headgate._convert_filters import from_filters
from headgate._flow_run_calls import FlowRunCalls
from headgate._stream import converted, unbroken
from headgate._transport import Transport
from headgate.enums import WatchUntil
from headgate.events import FlowRunEvent
from headgate.filters import (
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    TaskRunFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from headgate.models import Id


class FlowRunWatching(FlowRunCalls):
    """Watches flow runs."""

    def __init__(self, transport: Transport) -> None:
        """Use this way to the server."""
        super().__init__(transport)
        self._watch_stub = pb.FlowRunServiceStub(transport.watches)

    def watch_flow_run(
        self,
        flow_run_id: Id,
        *,
        send_initial_state: bool = True,
        until: WatchUntil | None = WatchUntil.ALL_TERMINAL,
        resume_token: str = "",
        latest_only: bool = False,
        progress_interval: timedelta | None = None,
    ) -> AsyncGenerator[FlowRunEvent, None]:
        """Yield every change of one flow run until it ends.

        Args:
            flow_run_id: The run.
            send_initial_state: Tell first how the run stands, as `Snapshot` and
                `SnapshotComplete`.
            until: What ends the iteration by itself. None: nothing, not even the end of the run.
            resume_token: Go on after this position, which an event of an earlier watch of the
                same run tells. Empty: begin now.
            latest_only: Allow states to be skipped while the reader is behind.
            progress_interval: How often to tell `Progress` while nothing happens, 1 second to 5
                minutes. None: keep it from the caller.

        Returns:
            The events. Use `contextlib.aclosing` to end the watch early at a certain point.

        Raises:
            FlowRunNotFoundError: There is no such run.
            RevisionCompactedError: The changes after the position are no longer kept.
            EpochChangedError: The position comes from another database.
            ServerUnreachableError: The server was never reached. A connection that is lost later
                is made again, for as long as it takes, and the watch goes on without a gap.

        Example:
            ```python
            async for event in client.flow_runs.watch_flow_run(flow_run_id):
                if isinstance(event, headgate.StateChange):
                    print(event.state)
            ```
        """
        return self.watch_flow_runs(
            flow_run_ids=[flow_run_id],
            send_initial_state=send_initial_state,
            until=until,
            resume_token=resume_token,
            latest_only=latest_only,
            progress_interval=progress_interval,
        )

    def watch_flow_runs(
        self,
        *,
        flow_run_ids: Iterable[Id] | None = None,
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
    ) -> AsyncGenerator[FlowRunEvent, None]:
        """Yield every change of many flow runs, in the order in which they were committed.

        Conditions on what is related to a run are judged as that stands when a change of the run
        is told: a change of a relation alone tells nothing. After a resume, `LeftFilter` and
        `Deleted` may then also come for a run that was not told before.

        Args:
            flow_run_ids: The runs, 1 to 1,000. None: those that match the filters.
            flows: Conditions on the flow of the runs. None: any flow.
            flow_runs: Conditions on the runs, before and after each change. None: every run.
            task_runs: The run has at least one task run that matches. None: does not matter.
            deployments: The run has a deployment that still exists and matches. None: does not
                matter.
            work_pools: The run waits in a queue of a pool that matches. None: does not matter.
            work_queues: The run waits in a queue that matches. None: does not matter.
            send_initial_state: Tell first which runs match now, as `Snapshot`s and
                `SnapshotComplete`.
            until: What ends the iteration by itself. Only with `flow_run_ids`. None: nothing.
            resume_token: Go on after this position, which an event of an earlier watch of the
                same runs or filters tells. Empty: begin now.
            latest_only: Allow states to be skipped while the reader is behind.
            progress_interval: How often to tell `Progress` while nothing happens, 1 second to 5
                minutes. None: keep it from the caller.

        Returns:
            The events. Use `contextlib.aclosing` to end the watch early at a certain point.

        Raises:
            ValueError: Ids stand beside filters, there are none, or `until` has no ids.
            FlowRunNotFoundError: One of the runs does not exist.
            RevisionCompactedError: The changes after the position are no longer kept.
            EpochChangedError: The position comes from another database.
            ServerUnreachableError: The server was never reached. A connection that is lost later
                is made again, for as long as it takes, and the watch goes on without a gap.

        Example:
            ```python
            failed = headgate.FlowRunFilter(
                state=headgate.StateFilter(type_any=[headgate.StateType.FAILED])
            )
            events = client.flow_runs.watch_flow_runs(flow_runs=failed, send_initial_state=True)
            async for event in events:
                if isinstance(event, headgate.SnapshotComplete):
                    break  # from here on, only what fails now
            ```
        """
        ids = None if flow_run_ids is None else [str(each) for each in flow_run_ids]
        filters = (flows, flow_runs, task_runs, deployments, work_pools, work_queues)
        if ids is not None and not (ids and all(each is None for each in filters)):
            message = "flow_run_ids need at least one id and exclude filters."
            raise ValueError(message)
        if ids is None and until is not None:
            message = "until needs flow_run_ids."
            raise ValueError(message)
        request = pb.WatchFlowRunsRequest(
            flow_run_ids=ids,
            **from_filters(*filters),
            resume_token=resume_token,
            send_initial_state=send_initial_state,
            until=pb.WatchUntil.Value(f"WATCH_UNTIL_{until or 'UNSPECIFIED'}"),
            progress_interval=None
            if progress_interval is None
            else from_timedelta(progress_interval),
            latest_only=latest_only,
        )
        return self._watch(request, has_progress=progress_interval is not None)

    def _watch(
        self, request: pb.WatchFlowRunsRequest, *, has_progress: bool, is_patient: bool = False
    ) -> AsyncGenerator[FlowRunEvent, None]:
        messages = unbroken(
            self._transport,
            self._watch_stub.WatchFlowRuns,
            request,
            has_end=bool(request.until),
            is_patient=is_patient,
        )
        return converted(messages, to_flow_run_event, has_progress=has_progress)
