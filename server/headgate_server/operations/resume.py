"""Resuming: an answer is filled in, held against the schema that the pause names, and rides with the next state.

Answers are checked outside the writer's transaction, for a template may take long; what is proposed then names the version
of the run that the answer was checked for.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from headgate_server.forms.hydrate import HydrationError, hydrate, variables_needed
from headgate_server.forms.schema import (
    AnswerRefusedError,
    CircularSchemaError,
    SchemaInvalidError,
    ValidationTooLongError,
    check_answer,
)
from headgate_server.model.commands import Proposal, Resume
from headgate_server.model.conflicts import VersionMismatchError
from headgate_server.model.errors import FlowRunNotFoundError
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.inputs import NewFlowRunInput
from headgate_server.model.states import (
    RESUMING_NAME,
    ProposedState,
    RunInputKeyset,
    StateType,
)
from headgate_server.model.verdicts import Verdict, VerdictStatus
from headgate_server.operations.transitions import carry_out
from headgate_server.storage import flow_runs, inputs, requests, variables
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.writer import ATTEMPTS, Outcome, Work, Writer

NOT_PAUSED: Final = "Cannot resume a flow run that is not paused."
SCHEMA_NOT_NAMED: Final = "Run input schema not named by the pause."
SCHEMA_NOT_FOUND: Final = "Run input schema not found."
SCHEMA_NOT_JSON: Final = "Run input schema is not valid JSON."
TOO_LARGE: Final = "Run input is too large once its placeholders are filled in."


class Resumption(msgspec.Struct, frozen=True, kw_only=True):
    """A request to resume whose answer was found good, and what it proposes."""

    request: Resume
    proposal: Proposal

    @property
    def request_id(self) -> str | None:
        """The id of the request, by which a repeat is known."""
        return self.request.request_id


class _Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a request to resume finds."""

    run: FlowRun | None
    schema_json: str | None = None
    """The schema that the pause names; None if it names none, or none that is there."""
    variables: Mapping[str, str] = {}
    answered: Verdict | None = None
    """What was answered to this very request before."""


class Resuming:
    """Resumes paused runs."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        *,
        clock: Callable[[], datetime],
        answer_bytes: int,
    ) -> None:
        """Make the operation; answers of more than `answer_bytes` are rejected."""
        self._database = database
        self._writer = writer
        self._clock = clock
        self._answer_bytes = answer_bytes
        self._resume = Work(resume_all, Verdict)

    async def resume(self, command: Resume) -> Verdict:
        """Resume a paused run with the answer it waits for.

        Returns:
            ACCEPT if it was resumed; REJECT, with what is wrong, if the answer or the time is; ABORT if it was not paused.

        Raises:
            FlowRunNotFoundError: There is no such run.
            VersionMismatchError: The run is not at the version expected.
            InputKeyExistsError: An answer is stored already.
            RequestIdReusedError: The request id belongs to another request.
        """
        for _ in range(ATTEMPTS):
            look = await self._database.read(_look, command, self._clock())
            if look.answered is not None:
                return look.answered
            proposed = await asyncio.to_thread(_check, command, look, self._answer_bytes)
            if isinstance(proposed, Verdict):
                return proposed
            try:
                return await self._writer.write(self._resume, proposed)
            except VersionMismatchError:
                if command.expected_version is not None:
                    raise
        raise VersionMismatchError(command.flow_run_id, 0, 0)


def resume_all(
    conn: Connection, now: datetime, resumptions: Sequence[Resumption]
) -> Sequence[Outcome[Verdict]]:
    """Let the rules judge what resumptions propose, and write what they let through."""
    return carry_out(conn, now, [each.proposal for each in resumptions])


def _look(conn: Connection, command: Resume, now: datetime) -> _Look:
    """Load what it takes to check an answer."""
    answered = requests.recall(conn, now, command, Verdict)
    run = flow_runs.load_full(conn, [command.flow_run_id]).get(command.flow_run_id)
    if run is None or answered is not None:
        return _Look(run=None, answered=answered)
    keyset = _keyset_of(run)
    if keyset is None or keyset.schema is None:
        return _Look(run=run)
    pair = (run.id, keyset.schema)
    schema = inputs.find(conn, [pair]).get(pair)
    try:
        needed = variables_needed(_given_answer(command))
    except HydrationError:
        needed = False  # the answer is refused before any would be looked up
    return _Look(
        run=run,
        schema_json=None if schema is None else schema.value_json,
        variables=variables.get_values(conn) if needed else {},
    )


def _given_answer(command: Resume) -> object:
    """Return the answer as it was given.

    Raises:
        HydrationError: It holds a number of more digits than can be read.
    """
    try:
        return json.loads(command.run_input_json or "{}")
    except ValueError as error:
        raise HydrationError(f"Invalid JSON: {error}") from error


def _check(command: Resume, look: _Look, answer_bytes: int) -> Resumption | Verdict:
    """Return what to propose, or why not to.

    Raises:
        FlowRunNotFoundError: There is no such run.
        VersionMismatchError: The run is not at the version expected.
    """
    run = look.run
    if run is None:
        raise FlowRunNotFoundError(command.flow_run_id)
    if command.expected_version not in {None, run.version}:
        raise VersionMismatchError(run.id, command.expected_version or 0, run.version)
    if run.state is None or run.state.type is not StateType.PAUSED:
        return Verdict(status=VerdictStatus.ABORT, run=run, reason=NOT_PAUSED)
    keyset = _keyset_of(run)
    inputs_of_answer: tuple[NewFlowRunInput, ...] = ()
    if keyset is not None:
        try:
            answer = _good_answer(command, keyset, look)
            inputs_of_answer = _response(keyset, answer, answer_bytes)
        except _BadAnswerError as error:
            return Verdict(status=VerdictStatus.REJECT, run=run, reason=str(error))
    if run.state.details.pause_reschedule:
        proposed = ProposedState(type=StateType.SCHEDULED, name=RESUMING_NAME)
    else:
        proposed = ProposedState(type=StateType.RUNNING)
    return Resumption(
        request=command,
        proposal=Proposal(
            flow_run_id=run.id,
            state=proposed,
            expected_version=run.version,
            inputs=inputs_of_answer,
        ),
    )


class _BadAnswerError(Exception):
    """The answer cannot be taken; the text is the reason of the REJECT."""


def _good_answer(command: Resume, keyset: RunInputKeyset, look: _Look) -> dict[str, object]:
    """Return the answer with its placeholders filled in, if it fits the schema of the pause."""
    try:
        answer = hydrate(_given_answer(command), look.variables)
    except HydrationError as error:
        raise _BadAnswerError(f"Error hydrating run input: {error}") from error
    if keyset.schema is None:
        raise _BadAnswerError(SCHEMA_NOT_NAMED)
    if look.schema_json is None:
        raise _BadAnswerError(SCHEMA_NOT_FOUND)
    try:
        check_answer(json.loads(look.schema_json), answer)
    except ValueError as error:
        raise _BadAnswerError(SCHEMA_NOT_JSON) from error
    except AnswerRefusedError as error:
        raise _BadAnswerError(f"Reason: {error}") from error
    except (CircularSchemaError, SchemaInvalidError, ValidationTooLongError) as error:
        raise _BadAnswerError(str(error)) from error
    return answer


def _response(
    keyset: RunInputKeyset, answer: Mapping[str, object], answer_bytes: int
) -> tuple[NewFlowRunInput, ...]:
    """Return the input that keeps an answer; an empty answer is not kept."""
    if not keyset.response or not answer:
        return ()
    text = json.dumps(answer, separators=(",", ":"), ensure_ascii=False)
    if len(text.encode()) > answer_bytes:
        raise _BadAnswerError(TOO_LARGE)
    return (NewFlowRunInput(key=keyset.response, value_json=text),)


def _keyset_of(run: FlowRun) -> RunInputKeyset | None:
    """Return the keyset of the pause that a run is in; None if it waits for no answer."""
    return None if run.state is None else run.state.details.run_input_keyset
