"""The calls on one task run: one method for each method of the contract that is no stream."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from google.protobuf.field_mask_pb2 import FieldMask

from headgate import v1 as pb
from headgate._convert import from_datetime, from_proposed_state, to_verdict
from headgate._convert_task_runs import from_task_inputs, from_task_run_policy, to_task_run
from headgate._proposing import as_made, is_made, named
from headgate._task_run_analytics import TaskRunAnalytics
from headgate.enums import TaskRunView, VerdictStatus
from headgate.errors import VersionMismatchError
from headgate.models import Id, Verdict
from headgate.states import ProposedState
from headgate.task_run_models import (
    CreatedTaskRun,
    TaskInput,
    TaskRun,
    TaskRunPolicy,
    UpdatedTaskRun,
)


class TaskRunCalls(TaskRunAnalytics):
    """The calls on task runs that are no streams."""

    async def create(
        self,
        flow_run_id: Id,
        task_key: str,
        dynamic_key: str,
        *,
        task_run_id: Id | None = None,
        name: str = "",
        state: ProposedState | None = None,
        task_version: str | None = None,
        cache_key: str | None = None,
        cache_expire_time: datetime | None = None,
        policy: TaskRunPolicy | None = None,
        task_inputs: Mapping[str, Iterable[TaskInput]] | None = None,
        tags: Iterable[str] = (),
        timeout: timedelta | None = None,
    ) -> CreatedTaskRun:
        """Create a task run, or return the one that the flow run has with the same keys.

        Args:
            flow_run_id: The flow run that the task run belongs to.
            task_key: Names the task within its program.
            dynamic_key: Tells the runs of one task in one flow run apart.
            task_run_id: The id of the new task run. None: the server chooses one.
            name: The name. Empty: two random words.
            state: The first state, which is written without rules. None: PENDING.
            task_version: The version of the task's code.
            cache_key: Names the result that the task run shares with others, as information: the
                rules look at the details of states.
            cache_expire_time: Until when the result may be taken over, as information.
            policy: Retries of the task run. None: none.
            task_inputs: Where the values of the task's parameters came from, by parameter.
            tags: Labels for finding task runs; concurrency limits hold for tags.
            timeout: How long the call may take.

        Returns:
            The task run in FULL view, and whether it is new.

        Raises:
            FlowRunNotFoundError: There is no such flow run.
            TaskRunExistsError: There is another task run with this id.
            ValueError: Something is not JSON, or a time has no time zone.
        """
        request = pb.CreateTaskRunRequest(
            flow_run_id=str(flow_run_id),
            task_run_id=str(task_run_id or ""),
            task_key=task_key,
            dynamic_key=dynamic_key,
            name=name,
            state=None if state is None else from_proposed_state(state),
            task_version=task_version,
            cache_key=cache_key,
            cache_expire_time=(
                None
                if cache_expire_time is None
                else from_datetime(cache_expire_time, "cache_expire_time")
            ),
            policy=None if policy is None else from_task_run_policy(policy),
            task_inputs=from_task_inputs(task_inputs or {}),
            tags=tags,
        )
        answer = await self._transport.call(self._stub.CreateTaskRun, request, timeout)
        return CreatedTaskRun(
            task_run=to_task_run(answer.task_run),
            created=answer.created,
            revision=answer.revision,
        )

    async def get(
        self,
        task_run_id: Id,
        *,
        view: TaskRunView = TaskRunView.FULL,
        min_revision: int = 0,
        timeout: timedelta | None = None,
    ) -> TaskRun:
        """Read one task run.

        Args:
            task_run_id: The task run.
            view: How much to read.
            min_revision: Do not answer from before this revision. 0: does not matter.
            timeout: How long the call may take.

        Raises:
            TaskRunNotFoundError: There is none.
            RevisionNotReachedError: The server has not seen `min_revision` in time.
        """
        request = pb.GetTaskRunRequest(
            task_run_id=str(task_run_id),
            view=pb.TaskRunView.Value(f"TASK_RUN_VIEW_{view}"),
            min_revision=min_revision,
        )
        answer = await self._transport.call(self._stub.GetTaskRun, request, timeout)
        return to_task_run(answer.task_run)

    async def update(
        self,
        task_run_id: Id,
        *,
        name: str,
        expected_version: int | None = None,
        timeout: timedelta | None = None,
    ) -> UpdatedTaskRun:
        """Change the name of a task run.

        Args:
            task_run_id: The task run.
            name: The new name. Empty: two random words.
            expected_version: Change the task run only if it is at this version. None: at any.
            timeout: How long the call may take.

        Returns:
            The task run as it now stands, in FULL view.

        Raises:
            TaskRunNotFoundError: There is none.
            VersionMismatchError: The task run is not at the expected version.
        """
        request = pb.UpdateTaskRunRequest(
            task_run=pb.TaskRun(id=str(task_run_id), name=name),
            update_mask=FieldMask(paths=["name"]),
            expected_version=expected_version,
        )
        answer = await self._transport.call(self._stub.UpdateTaskRun, request, timeout)
        return UpdatedTaskRun(task_run=to_task_run(answer.task_run), revision=answer.revision)

    async def delete(
        self,
        task_run_id: Id,
        *,
        expected_version: int | None = None,
        timeout: timedelta | None = None,
    ) -> int:
        """Delete a task run with its states, in whatever state it is.

        Args:
            task_run_id: The task run.
            expected_version: Delete the task run only if it is at this version. None: at any.
            timeout: How long the call may take.

        Returns:
            The revision of the change.

        Raises:
            TaskRunNotFoundError: There is none.
            VersionMismatchError: The task run is not at the expected version.
        """
        request = pb.DeleteTaskRunRequest(
            task_run_id=str(task_run_id), expected_version=expected_version
        )
        return (await self._transport.call(self._stub.DeleteTaskRun, request, timeout)).revision

    async def set_state(
        self,
        task_run_id: Id,
        state: ProposedState,
        *,
        force: bool = False,
        expected_version: int | None = None,
        timeout: timedelta | None = None,
    ) -> Verdict:
        """Propose a state; the rules accept it, reject it, delay it or abort it.

        The state gets a transition id if it has none, so that the call can be repeated when its
        answer is lost; if that happens, the verdict is the one that was lost.

        Args:
            task_run_id: The task run.
            state: The state that is proposed.
            force: Write the state without asking the rules. For repairs.
            expected_version: Consider the state only at this version. None: at any.
            timeout: How long the call may take.

        Returns:
            What the rules said. Whatever it is, it is no error: look at `status`.

        Raises:
            TaskRunNotFoundError: There is no such task run.
            VersionMismatchError: The task run is not at the expected version.
            ValueError: Something is not JSON, a time has no time zone, or the type is UNKNOWN.
        """
        proposed = named(state)
        request = pb.SetTaskRunStateRequest(
            task_run_id=str(task_run_id),
            state=from_proposed_state(proposed),
            force=force,
            expected_version=expected_version,
        )
        try:
            answer = await self._transport.ask(self._stub.SetTaskRunState, request, timeout)
        except VersionMismatchError as error:
            # An attempt whose answer was lost may itself have moved the version.
            if error.attempts == 1:
                raise
            task_run = await self.get(task_run_id, timeout=timeout)
            if not is_made(task_run.state, proposed):
                raise
            return Verdict(
                status=VerdictStatus.ACCEPT,
                state=task_run.state,
                version=task_run.version,
                created=True,
            )
        return as_made(to_verdict(answer.message), proposed, answer.attempts)
