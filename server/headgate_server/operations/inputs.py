"""Inputs of flow runs: left with a run, read and taken away again."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from headgate_server.model.commands import CreateInput, DeleteInput
from headgate_server.model.conflicts import InputKeyExistsError
from headgate_server.model.errors import FlowRunInputNotFoundError, FlowRunNotFoundError
from headgate_server.model.events import Change, EventKind
from headgate_server.model.ids import new_id
from headgate_server.model.inputs import FlowRunInput
from headgate_server.model.paging import Page, PageRequest
from headgate_server.storage import input_lists, inputs
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.writer import Outcome, Work, Writer, Written


class ChangedInput(msgspec.Struct, frozen=True, kw_only=True):
    """An input that was created."""

    input: FlowRunInput
    revision: int = 0
    """Revision of the change."""


class DeletedInput(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to say of an input that was deleted."""

    revision: int = 0
    """Revision of the change."""


class Inputs:
    """Creates, reads and deletes inputs. In whatever state the run is."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self._create = Work(_create_all, ChangedInput)
        self._delete = Work(_delete_all, DeletedInput)

    async def create(self, command: CreateInput) -> ChangedInput:
        """Leave an input with a run.

        Raises:
            FlowRunNotFoundError: There is no such run.
            InputKeyExistsError: The key is taken.
            RequestIdReusedError: The request id belongs to another request.
        """
        return await self._writer.write(self._create, command)

    async def get(self, flow_run_id: str, key: str) -> FlowRunInput:
        """Return the input of a run with this very key.

        Raises:
            FlowRunInputNotFoundError: There is none.
        """
        found = await self._database.read(inputs.get, flow_run_id, key)
        if found is None:
            raise FlowRunInputNotFoundError(flow_run_id, key)
        return found

    async def list_page(
        self, flow_run_id: str, key_prefix: str, exclude_keys: tuple[str, ...], page: PageRequest
    ) -> Page[FlowRunInput]:
        """Return a page of the inputs of a run, from oldest to newest. A run that does not exist has none.

        Raises:
            PageTokenMismatchError: The token belongs to another list.
        """
        return await self._database.read(
            input_lists.list_inputs, flow_run_id, key_prefix, exclude_keys, page
        )

    async def delete(self, command: DeleteInput) -> int:
        """Delete an input by its exact key; return the revision of the change.

        Raises:
            FlowRunInputNotFoundError: There is none.
            RequestIdReusedError: The request id belongs to another request.
        """
        return (await self._writer.write(self._delete, command)).revision


def _create_all(
    conn: Connection, now: datetime, commands: Sequence[CreateInput]
) -> list[Outcome[ChangedInput]]:
    """Create inputs. The first to ask for a key gets it."""
    runs = inputs.runs_among(conn, list({each.flow_run_id for each in commands}))
    taken = inputs.existing(conn, [(each.flow_run_id, each.input.key) for each in commands])
    created: list[FlowRunInput] = []
    outcomes: list[Outcome[ChangedInput]] = []
    for command in commands:
        pair = (command.flow_run_id, command.input.key)
        if command.flow_run_id not in runs:
            outcomes.append(FlowRunNotFoundError(command.flow_run_id))
        elif pair in taken:
            outcomes.append(InputKeyExistsError(*pair))
        else:
            taken.add(pair)
            created.append(_new_input(command, now))
            change = Change(
                kind=EventKind.INPUT_CREATED, flow_run_id=command.flow_run_id, input=created[-1]
            )
            outcomes.append(Written(ChangedInput(input=created[-1]), (change,)))
    inputs.insert(conn, created)
    return outcomes


def _new_input(command: CreateInput, now: datetime) -> FlowRunInput:
    """Return the input that a command asks for."""
    return FlowRunInput(
        id=new_id(),
        flow_run_id=command.flow_run_id,
        key=command.input.key,
        value_json=command.input.value_json,
        sender=command.input.sender,
        create_time=now,
    )


def _delete_all(
    conn: Connection, _now: datetime, commands: Sequence[DeleteInput]
) -> list[Outcome[DeletedInput]]:
    """Delete inputs. The first to ask for one gets it."""
    gone = inputs.delete_keys(conn, list({(each.flow_run_id, each.key) for each in commands}))
    return [
        _deletion(command, gone.pop((command.flow_run_id, command.key), None))
        for command in commands
    ]


def _deletion(command: DeleteInput, gone: FlowRunInput | None) -> Outcome[DeletedInput]:
    """Return what became of a deletion."""
    if gone is None:
        return FlowRunInputNotFoundError(command.flow_run_id, command.key)
    change = Change(kind=EventKind.INPUT_DELETED, flow_run_id=command.flow_run_id, input=gone)
    return Written(DeletedInput(), (change,))
