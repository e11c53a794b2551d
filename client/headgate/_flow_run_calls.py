"""The calls on one flow run: one method for each method of the contract that is no stream."""

from collections.abc import Iterable
from datetime import timedelta

from headgate import v1 as pb
from headgate._convert import (
    from_new_input,
    from_proposed_state,
    from_timedelta,
    to_flow_run,
    to_verdict,
)
from headgate._flow_run_batches import FlowRunBatches
from headgate._flow_run_update import flow_run_update
from headgate._json import to_object_text
from headgate._proposing import as_made, is_made, named
from headgate.enums import FlowRunView, VerdictStatus, WaitMode
from headgate.errors import InputKeyExistsError, VersionMismatchError
from headgate.models import (
    UNSET,
    CreatedFlowRun,
    FlowRun,
    Id,
    NewFlowRunInput,
    Unset,
    UpdatedFlowRun,
    Verdict,
    WaitedFlowRuns,
)
from headgate.states import JsonObject, ProposedState


class FlowRunCalls(FlowRunBatches):
    """The calls on flow runs that are no streams."""

    async def create(
        self,
        flow_id: Id,
        *,
        name: str = "",
        state: ProposedState | None = None,
        parameters: JsonObject | None = None,
        context: JsonObject | None = None,
        tags: Iterable[str] = (),
        flow_version: str | None = None,
        deployment_id: Id | None = None,
        parent_task_run_id: Id | None = None,
        idempotency_key: str = "",
        idempotency_ttl: timedelta | None = None,
        retries: int | None = None,
        retry_delay: timedelta | None = None,
        timeout: timedelta | None = None,
    ) -> CreatedFlowRun:
        """Create a flow run, or return the one that holds the idempotency key.

        Args:
            flow_id: The flow that is run.
            name: The name. Empty: two random words.
            state: The first state, which is written without rules. None: PENDING.
            parameters: The parameters of the run. None: `{}`.
            context: Free facts about the run. None: `{}`.
            tags: Labels for finding runs.
            flow_version: The version of the flow's code.
            deployment_id: The deployment the run belongs to; it is not looked up.
            parent_task_run_id: For a subflow run: the task run that stands for it in the parent.
            idempotency_key: A key, unique within the flow. Empty: none.
            idempotency_ttl: How long the key is held. None: until the run is deleted.
            retries: How often a failure is answered by a retry. None: never.
            retry_delay: The time between a failure and the next attempt.
            timeout: How long the call may take.

        Returns:
            The run in FULL view, and whether it is new.

        Raises:
            FlowNotFoundError: There is no such flow.
            TaskRunNotFoundError: There is no such parent.
            ValueError: Something is not JSON, or a time has no time zone.
        """
        request = pb.CreateFlowRunRequest(
            flow_id=str(flow_id),
            name=name,
            state=None if state is None else from_proposed_state(state),
            parameters_json=_object_text(parameters, "parameters"),
            context_json=_object_text(context, "context"),
            tags=tags,
            flow_version=flow_version,
            deployment_id=_id_text(deployment_id),
            parent_task_run_id=_id_text(parent_task_run_id),
            idempotency_key=idempotency_key,
            idempotency_ttl=None if idempotency_ttl is None else from_timedelta(idempotency_ttl),
            retries=retries,
            retry_delay=None if retry_delay is None else from_timedelta(retry_delay),
        )
        answer = await self._transport.call(self._stub.CreateFlowRun, request, timeout)
        return CreatedFlowRun(
            flow_run=to_flow_run(answer.flow_run),
            created=answer.created,
            revision=answer.revision,
        )

    async def get(
        self,
        flow_run_id: Id,
        *,
        view: FlowRunView = FlowRunView.FULL,
        min_revision: int = 0,
        timeout: timedelta | None = None,
    ) -> FlowRun:
        """Read one flow run.

        Args:
            flow_run_id: The run.
            view: How much to read.
            min_revision: Do not answer from before this revision. 0: does not matter.
            timeout: How long the call may take.

        Raises:
            FlowRunNotFoundError: There is none.
            RevisionNotReachedError: The server has not seen `min_revision` in time.
        """
        request = pb.GetFlowRunRequest(
            flow_run_id=str(flow_run_id),
            view=pb.FlowRunView.Value(f"FLOW_RUN_VIEW_{view}"),
            min_revision=min_revision,
        )
        answer = await self._transport.call(self._stub.GetFlowRun, request, timeout)
        return to_flow_run(answer.flow_run)

    async def update(
        self,
        flow_run_id: Id,
        *,
        name: str | Unset = UNSET,
        flow_version: str | Unset | None = UNSET,
        parameters: JsonObject | Unset = UNSET,
        tags: Iterable[str] | Unset = UNSET,
        infrastructure_pid: str | Unset | None = UNSET,
        job_variables: JsonObject | Unset = UNSET,
        retries: int | Unset | None = UNSET,
        retry_delay: timedelta | Unset | None = UNSET,
        expected_version: int | None = None,
        timeout: timedelta | None = None,
    ) -> UpdatedFlowRun:
        """Change fields of a flow run other than its state. What is not given stays.

        Args:
            flow_run_id: The run.
            name: The new name. Empty: two random words.
            flow_version: The version of the flow's code. None clears it.
            parameters: The new parameters, instead of all that were.
            tags: The new tags, instead of all that were.
            infrastructure_pid: How the infrastructure names the run. None clears it.
            job_variables: The new job variables. Only for SCHEDULED runs of a deployment.
            retries: How often a failure is answered by a retry. None: never.
            retry_delay: The time between a failure and the next attempt. None: none.
            expected_version: Change the run only if it is at this version. None: at any.
            timeout: How long the call may take.

        Returns:
            The run as it now stands, in FULL view.

        Raises:
            FlowRunNotFoundError: There is none.
            VersionMismatchError: The run is not at the expected version.
            StateNotAllowedError: Job variables were given, and the run is not SCHEDULED.
            DeploymentRequiredError: Job variables were given, and the run has no deployment.
            InvalidRequestError: Nothing is to be changed, or a value is not allowed.
        """
        request = flow_run_update(
            flow_run_id,
            name=name,
            flow_version=flow_version,
            parameters=parameters,
            tags=tags,
            infrastructure_pid=infrastructure_pid,
            job_variables=job_variables,
            retries=retries,
            retry_delay=retry_delay,
        )
        if expected_version is not None:
            request.expected_version = expected_version
        answer = await self._transport.call(self._stub.UpdateFlowRun, request, timeout)
        return UpdatedFlowRun(flow_run=to_flow_run(answer.flow_run), revision=answer.revision)

    async def delete(
        self,
        flow_run_id: Id,
        *,
        expected_version: int | None = None,
        timeout: timedelta | None = None,
    ) -> int:
        """Delete a flow run with its states, inputs and task runs, in whatever state it is.

        Args:
            flow_run_id: The run.
            expected_version: Delete the run only if it is at this version. None: at any.
            timeout: How long the call may take.

        Returns:
            The revision of the change.

        Raises:
            FlowRunNotFoundError: There is none.
            VersionMismatchError: The run is not at the expected version.
        """
        request = pb.DeleteFlowRunRequest(
            flow_run_id=str(flow_run_id), expected_version=expected_version
        )
        return (await self._transport.call(self._stub.DeleteFlowRun, request, timeout)).revision

    async def set_state(
        self,
        flow_run_id: Id,
        state: ProposedState,
        *,
        force: bool = False,
        expected_version: int | None = None,
        inputs: Iterable[NewFlowRunInput] = (),
        timeout: timedelta | None = None,
    ) -> Verdict:
        """Propose a state; the rules accept it, reject it, delay it or abort it.

        The state gets a transition id if it has none, so that the call can be repeated when its
        answer is lost; if that happens, the verdict is the one that was lost.

        Args:
            flow_run_id: The run.
            state: The state that is proposed.
            force: Write the state without asking the rules. For repairs.
            expected_version: Consider the state only if the run is at this version. None: at any.
            inputs: Inputs to create with the state, if and only if it is itself written.
            timeout: How long the call may take.

        Returns:
            What the rules said. Whatever it is, it is no error: look at `status`.

        Raises:
            FlowRunNotFoundError: There is no such run.
            VersionMismatchError: The run is not at the expected version.
            InputKeyExistsError: An input that rides with the state has a key that is taken.
            ValueError: Something is not JSON, a time has no time zone, or the type is UNKNOWN.
        """
        proposed = named(state)
        request = pb.SetFlowRunStateRequest(
            flow_run_id=str(flow_run_id),
            state=from_proposed_state(proposed),
            force=force,
            expected_version=expected_version,
            inputs=[from_new_input(each) for each in inputs],
        )
        try:
            answer = await self._transport.ask(self._stub.SetFlowRunState, request, timeout)
        except (VersionMismatchError, InputKeyExistsError) as error:
            # An attempt whose answer was lost may itself have moved the version or taken the key.
            if error.attempts == 1:
                raise
            run = await self.get(flow_run_id, timeout=timeout)
            if not is_made(run.state, proposed):
                raise
            return Verdict(
                status=VerdictStatus.ACCEPT, state=run.state, version=run.version, created=True
            )
        return as_made(to_verdict(answer.message), proposed, answer.attempts)

    async def resume(
        self,
        flow_run_id: Id,
        run_input: JsonObject | None = None,
        *,
        expected_version: int | None = None,
        timeout: timedelta | None = None,
    ) -> Verdict:
        """Ask for a paused flow run to be resumed. `resume_flow_run` raises where this answers.

        Args:
            flow_run_id: The run.
            run_input: The answer that the pause waits for. None: `{}`.
            expected_version: Resume the run only if it is at this version. None: at any.
            timeout: How long the call may take.

        Returns:
            What the rules said: REJECT for a wrong answer, ABORT if the run is not paused.

        Raises:
            FlowRunNotFoundError: There is no such run.
            VersionMismatchError: The run is not at the expected version.
            InputKeyExistsError: An answer is already stored.
            ValueError: The answer is not JSON.
        """
        request = pb.ResumeFlowRunRequest(
            flow_run_id=str(flow_run_id),
            run_input_json=_object_text(run_input, "run_input"),
            expected_version=expected_version,
        )
        answer = await self._transport.call(self._stub.ResumeFlowRun, request, timeout)
        return to_verdict(answer)

    async def wait(
        self,
        flow_run_ids: Iterable[Id],
        *,
        mode: WaitMode = WaitMode.ALL,
        wait_timeout: timedelta | None = None,
        timeout: timedelta | None = None,
    ) -> WaitedFlowRuns:
        """Wait once, in a single call, until flow runs have ended or the time is up.

        The way to wait where streams are blocked; `wait_for_flow_runs` is the better one.

        Args:
            flow_run_ids: The runs, 1 to 1,000.
            mode: Which of them must have ended.
            wait_timeout: How long to wait at most. None, or above the server's `max_wait`: that.
            timeout: How long the call may take; the server answers a little before.

        Returns:
            The runs as they now stand, and whether the wait is over.

        Raises:
            FlowRunNotFoundError: One of the runs does not exist or is deleted meanwhile.
        """
        request = pb.WaitFlowRunsRequest(
            flow_run_ids=[str(each) for each in flow_run_ids],
            mode=pb.WaitMode.Value(f"WAIT_MODE_{mode}"),
            timeout=None if wait_timeout is None else from_timedelta(wait_timeout),
        )
        answer = await self._transport.call(self._stub.WaitFlowRuns, request, timeout)
        return WaitedFlowRuns(
            done=answer.done, flow_runs=tuple(to_flow_run(run) for run in answer.flow_runs)
        )


def _object_text(value: JsonObject | None, field: str) -> str | None:
    return None if value is None else to_object_text(value, field)


def _id_text(value: Id | None) -> str | None:
    return None if value is None else str(value)
