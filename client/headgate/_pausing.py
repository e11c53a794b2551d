"""Pausing, suspending, resuming and cancelling flow runs by id.

A pause brings its schema and its question in the very call that pauses, so that whoever sees the
pause can answer it.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from headgate._answers import FlowRunAnswers
from headgate._schemas import Form, to_plain, to_schema
from headgate._spans import Span, to_timedelta
from headgate.enums import VerdictStatus
from headgate.errors import (
    CancelRefusedError,
    FlowPauseTimeoutError,
    NotPausedError,
    PauseRefusedError,
    ResumeRefusedError,
    SuspendRefusedError,
)
from headgate.models import Id, NewFlowRunInput
from headgate.states import (
    ProposedState,
    RunInputKeyset,
    State,
    StateDetails,
    StateType,
)

_DEFAULT_PAUSE_SECONDS: Final = 3600

_KEY: Final = re.compile("[a-z0-9-]*")

_CANCELLED: Final = (StateType.CANCELLING, StateType.CANCELLED)


class FlowRunPausing(FlowRunAnswers):
    """Pauses flow runs and brings them back."""

    async def pause_flow_run(
        self,
        flow_run_id: Id,
        *,
        key: str | None = None,
        timeout: Span | None = _DEFAULT_PAUSE_SECONDS,
        schema: Form = None,
        description: str | None = None,
        expected_version: int | None = None,
    ) -> State:
        """Pause a running flow run in place. Its process stays and waits to be resumed.

        Does not block: `wait_for_resume` does, and returns the answer.

        Args:
            flow_run_id: The run.
            key: Names the pause, which a run makes once for each key. None: a key of its own.
            timeout: How long until the pause expires and the run fails, in seconds or as a
                timedelta. None: never.
            schema: What an answer must look like: a JSON schema, a pydantic model, or any type
                that pydantic knows, whose answer then is an object with the member `value`.
                None: the pause waits for no answer.
            description: What a person is asked. Needs a schema.
            expected_version: Pause the run only if it is at this version. None: at any.

        Returns:
            The state of the run, paused.

        Raises:
            PauseRefusedError: The run is not RUNNING, or this pause has happened already.
            FlowRunNotFoundError: There is no such run.
            VersionMismatchError: The run is not at the expected version.
            ValueError: The key has other characters than `a-z`, `0-9` and `-`, the timeout is
                negative, or there is a description without a schema. Nothing was sent.
            TypeError: The schema is neither a JSON schema nor a type that has one.

        Example:
            ```python
            state = await client.flow_runs.pause_flow_run(
                flow_run_id,
                schema={"type": "object", "properties": {"approved": {"type": "boolean"}}},
                description="Shall it go live?",
            )
            print(state)
            ```
        """
        pause = _pause("Paused", key, timeout, has_form=schema is not None)
        inputs = _form_inputs(pause, schema, description)
        verdict = await self.set_state(
            flow_run_id, pause, inputs=inputs, expected_version=expected_version
        )
        if verdict.state is None or not verdict.is_accepted:
            message = f"Flow run cannot be paused: {verdict.reason}"
            raise PauseRefusedError(message, flow_run_id=flow_run_id, verdict=verdict)
        return verdict.state

    async def suspend_flow_run(
        self,
        flow_run_id: Id,
        *,
        key: str | None = None,
        timeout: Span | None = _DEFAULT_PAUSE_SECONDS,
        schema: Form = None,
        description: str | None = None,
        expected_version: int | None = None,
    ) -> State:
        """Suspend a running flow run of a deployment. Its process ends; resuming schedules it anew.

        Does not wait for the process to end.

        Args:
            flow_run_id: The run.
            key: Names the suspension, which a run makes once for each key. None: a key of its own.
            timeout: How long until it expires and the run fails, in seconds or as a timedelta.
                None: never.
            schema: What an answer must look like, as `pause_flow_run` has it.
            description: What a person is asked. Needs a schema.
            expected_version: Suspend the run only if it is at this version. None: at any.

        Returns:
            The state of the run, suspended.

        Raises:
            SuspendRefusedError: The run is not RUNNING, is a subflow, has no deployment, or this
                suspension has happened already.
            FlowRunNotFoundError: There is no such run.
            VersionMismatchError: The run is not at the expected version.
            ValueError: The key has other characters than `a-z`, `0-9` and `-`, the timeout is
                negative, or there is a description without a schema. Nothing was sent.
            TypeError: The schema is neither a JSON schema nor a type that has one.

        Example:
            ```python
            state = await client.flow_runs.suspend_flow_run(flow_run_id, key="night")
            print(state)
            ```
        """
        pause = _pause("Suspended", key, timeout, has_form=schema is not None)
        inputs = _form_inputs(pause, schema, description)
        verdict = await self.set_state(
            flow_run_id, pause, inputs=inputs, expected_version=expected_version
        )
        if verdict.state is None or not verdict.is_accepted:
            message = f"Flow run cannot be suspended: {verdict.reason}"
            raise SuspendRefusedError(message, flow_run_id=flow_run_id, verdict=verdict)
        return verdict.state

    async def resume_flow_run(
        self,
        flow_run_id: Id,
        run_input: Form = None,
        *,
        expected_version: int | None = None,
    ) -> State:
        """Resume a paused or suspended flow run with the answer it waits for.

        Args:
            flow_run_id: The run.
            run_input: The answer, a mapping or an instance of a pydantic model. None: `{}`, which
                is held against the schema like any other. Ignored by a pause without a schema.
            expected_version: Resume the run only if it is at this version. None: at any.

        Returns:
            The state of the run: RUNNING after a pause, SCHEDULED after a suspension.

        Raises:
            NotPausedError: The run is not paused.
            ResumeRefusedError: The answer breaks its schema, or the run cannot be scheduled. The
                run stays paused and can be resumed again.
            FlowPauseTimeoutError: The pause has expired, and the run has failed.
            FlowRunNotFoundError: There is no such run.
            VersionMismatchError: The run is not at the expected version.
            ValueError: The answer is no JSON object.

        Example:
            ```python
            state = await client.flow_runs.resume_flow_run(paused_run_id, {"approved": True})
            print(state)
            ```
        """
        answer = None if run_input is None else to_plain(run_input)
        verdict = await self.resume(flow_run_id, answer, expected_version=expected_version)
        state = verdict.state
        if verdict.status is VerdictStatus.ABORT or state is None:
            message = "Cannot resume a run that isn't paused!"
            raise NotPausedError(message, flow_run_id=flow_run_id)
        if verdict.is_accepted:
            return state
        if state.is_failed:
            message = "Flow run can no longer be resumed."
            raise FlowPauseTimeoutError(message, flow_run_id=flow_run_id, state=state)
        message = f"Cannot resume this run: {verdict.reason}"
        raise ResumeRefusedError(message, flow_run_id=flow_run_id, verdict=verdict)

    async def cancel_flow_run(
        self, flow_run_id: Id, *, message: str | None = None, expected_version: int | None = None
    ) -> State:
        """Ask for a flow run to stop. What no process works on is cancelled at once.

        Args:
            flow_run_id: The run.
            message: Why, for a person.
            expected_version: Cancel the run only if it is at this version. None: at any.

        Returns:
            The state of the run: CANCELLING until its process has stopped, or CANCELLED. A run
            that was in one of these before stays as it is.

        Raises:
            CancelRefusedError: The run has ended otherwise.
            FlowRunNotFoundError: There is no such run.
            VersionMismatchError: The run is not at the expected version.

        Example:
            ```python
            state = await client.flow_runs.cancel_flow_run(flow_run_id, message="No longer needed.")
            print(state)
            ```
        """
        verdict = await self.set_state(
            flow_run_id,
            ProposedState(type=StateType.CANCELLING, message=message),
            expected_version=expected_version,
        )
        if verdict.state is not None and verdict.state.type in _CANCELLED:
            return verdict.state
        message = f"Flow run cannot be cancelled: {verdict.reason}"
        raise CancelRefusedError(message, flow_run_id=flow_run_id, verdict=verdict)


def _pause(name: str, key: str | None, timeout: Span | None, *, has_form: bool) -> ProposedState:
    key = str(uuid4()) if key is None else key
    if not _KEY.fullmatch(key):
        message = f"key has other characters than a-z, 0-9 and -: {key!r}."
        raise ValueError(message)
    expire_time = None if timeout is None else datetime.now(UTC) + to_timedelta(timeout, "timeout")
    return ProposedState(
        type=StateType.PAUSED,
        name=name,
        details=StateDetails(
            pause_key=key,
            pause_expire_time=expire_time,
            pause_reschedule=name == "Suspended",
            run_input_keyset=RunInputKeyset.for_pause(name, key) if has_form else None,
        ),
    )


def _form_inputs(
    pause: ProposedState, schema: Form, description: str | None
) -> Iterator[NewFlowRunInput]:
    keyset = pause.details.run_input_keyset
    if keyset is not None:
        yield NewFlowRunInput(key=keyset.schema, value=to_schema(schema))
        if description is not None:
            yield NewFlowRunInput(key=keyset.description, value=description)
    elif description is not None:
        message = "A description needs a schema: without one, nobody is asked."
        raise ValueError(message)
