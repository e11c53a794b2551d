"""The calls that change many flow runs at once, each by itself."""

from collections.abc import Iterable
from datetime import timedelta

from headgate import v1 as pb
from headgate._convert import from_proposed_state
from headgate._convert_batches import (
    from_deletion,
    from_new_flow_run,
    from_proposal,
    to_created,
    to_deleted,
    to_verdicts,
)
from headgate._convert_filters import from_filters
from headgate._flow_run_analytics import FlowRunAnalytics
from headgate.batches import Batch, FlowRunDeletion, FlowRunProposal, NewFlowRun
from headgate.filters import (
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    TaskRunFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from headgate.models import CreatedFlowRun, Id, Verdict
from headgate.states import ProposedState


class FlowRunBatches(FlowRunAnalytics):
    """The calls that change many flow runs at once, each by itself."""

    async def batch_create_flow_runs(
        self, items: Iterable[NewFlowRun], *, timeout: timedelta | None = None
    ) -> Batch[CreatedFlowRun]:
        """Create up to 1,000 flow runs, or find those that hold the idempotency keys.

        An item that is refused harms no other. The call can be repeated when its answer is lost.

        Args:
            items: The runs.
            timeout: How long the call may take.

        Returns:
            What became of each item, in their order, with the runs in BASIC view.

        Raises:
            InvalidRequestError: There is no item, or there are more than 1,000.
            ValueError: Something is not JSON, or a time has no time zone.

        Example:
            ```python
            run = await client.flow_runs.get(flow_run_id)
            items = [headgate.NewFlowRun(flow_id=run.flow_id, name=f"row-{n}") for n in range(3)]
            batch = await client.flow_runs.batch_create_flow_runs(items)
            for place, refusal in batch.refusals.items():
                print(items[place].name, refusal)
            ```
        """
        request = pb.BatchCreateFlowRunsRequest(items=[from_new_flow_run(each) for each in items])
        return to_created(
            await self._transport.call(self._stub.BatchCreateFlowRuns, request, timeout)
        )

    async def batch_set_flow_run_states(
        self,
        items: Iterable[FlowRunProposal] = (),
        *,
        state: ProposedState | None = None,
        force: bool = False,
        flows: FlowFilter | None = None,
        flow_runs: FlowRunFilter | None = None,
        task_runs: TaskRunFilter | None = None,
        deployments: DeploymentFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        page_size: int = 0,
        page_token: str = "",
        dry_run: bool = False,
        timeout: timedelta | None = None,
    ) -> Batch[Verdict]:
        """Propose states: those of the items, or one state for the flow runs that match filters.

        An item that is refused harms no other. The call can be repeated when its answer is lost. By
        filter, one call takes one page of the runs, newest first: go on with the token.

        Args:
            items: What is proposed for which run, up to 1,000. Excludes everything else.
            state: By filter: the state that is proposed for each run.
            force: By filter: whether to write it without asking the rules. For repairs.
            flows: Conditions on the flow of the runs. Without items, at least one filter is needed.
            flow_runs: Conditions on the runs. An empty filter matches every run.
            task_runs: Conditions on task runs of which the run has at least one.
            deployments: Conditions on the deployment of the runs.
            work_pools: Conditions on the work pool of the runs.
            work_queues: Conditions on the work queue of the runs.
            page_size: For how many runs to propose it at most; 0 means 200, at most 1,000.
            page_token: The `next_page_token` of the call before. Empty: begin.
            dry_run: Whether to change nothing, and only tell how many runs match.
            timeout: How long the call may take.

        Returns:
            What the rules said to each, without the data of the states.

        Raises:
            InvalidRequestError: Neither items nor a filter are given, or both.
            PageTokenMismatchError: The token belongs to other filters.
            ValueError: Something is not JSON, a time has no time zone, or a type is UNKNOWN.

        Example:
            ```python
            stuck = headgate.FlowRunFilter(state=headgate.StateFilter(name_any=["Late"]))
            batch = await client.flow_runs.batch_set_flow_run_states(
                state=headgate.Cancelled(message="Too late."), flow_runs=stuck
            )
            print(len(batch.results), "cancelled", batch.next_page_token and "and more to come")
            ```
        """
        request = pb.BatchSetFlowRunStatesRequest(
            items=[from_proposal(each) for each in items],
            state=None if state is None else from_proposed_state(state),
            force=force,
            **from_filters(flows, flow_runs, task_runs, deployments, work_pools, work_queues),
            page_size=page_size,
            page_token=page_token,
            dry_run=dry_run,
        )
        return to_verdicts(
            await self._transport.call(self._stub.BatchSetFlowRunStates, request, timeout)
        )

    async def batch_delete_flow_runs(
        self,
        items: Iterable[FlowRunDeletion | Id] = (),
        *,
        flows: FlowFilter | None = None,
        flow_runs: FlowRunFilter | None = None,
        task_runs: TaskRunFilter | None = None,
        deployments: DeploymentFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        page_size: int = 0,
        page_token: str = "",
        dry_run: bool = False,
        timeout: timedelta | None = None,
    ) -> Batch[int]:
        """Delete flow runs with their states and inputs: those named, or those that match filters.

        An item that is refused harms no other. The call can be repeated when its answer is lost. By
        filter, one call takes one page of the runs, newest first: go on with the token.

        Args:
            items: The runs, up to 1,000: ids, or with the version expected. Excludes the rest.
            flows: Conditions on the flow of the runs. Without items, at least one filter is needed.
            flow_runs: Conditions on the runs. An empty filter matches every run.
            task_runs: Conditions on task runs of which the run has at least one.
            deployments: Conditions on the deployment of the runs.
            work_pools: Conditions on the work pool of the runs.
            work_queues: Conditions on the work queue of the runs.
            page_size: How many runs to delete at most; 0 means 200, at most 1,000.
            page_token: The `next_page_token` of the call before. Empty: begin.
            dry_run: Whether to delete nothing, and only tell how many runs match.
            timeout: How long the call may take.

        Returns:
            The revision of each change.

        Raises:
            InvalidRequestError: Neither items nor a filter are given, or both.
            PageTokenMismatchError: The token belongs to other filters.
            ValueError: A time has no time zone, or a type is UNKNOWN.

        Example:
            ```python
            scratch = headgate.FlowRunFilter(tags=headgate.TagsFilter(all=["scratch"]))
            found = await client.flow_runs.batch_delete_flow_runs(flow_runs=scratch, dry_run=True)
            if found.matching_count < 1000:
                await client.flow_runs.batch_delete_flow_runs(flow_runs=scratch, page_size=1000)
            ```
        """
        request = pb.BatchDeleteFlowRunsRequest(
            items=[from_deletion(each) for each in items],
            **from_filters(flows, flow_runs, task_runs, deployments, work_pools, work_queues),
            page_size=page_size,
            page_token=page_token,
            dry_run=dry_run,
        )
        return to_deleted(
            await self._transport.call(self._stub.BatchDeleteFlowRuns, request, timeout)
        )
