"""Variables: created, read, changed and deleted."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from headgate_server.model.commands import CreateVariable, DeleteVariable, UpdateVariable
from headgate_server.model.conflicts import VariableExistsError
from headgate_server.model.errors import VariableNotFoundError
from headgate_server.model.ids import new_id
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.variables import Variable
from headgate_server.storage import variable_lists, variables
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.writer import Outcome, Work, Writer, Written


class DeletedVariable(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to say of a variable that was deleted."""

    name: str


class Variables:
    """Creates, reads, changes and deletes variables."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self._create = Work(_create_all, Variable)
        self._update = Work(_update_all, Variable)
        self._delete = Work(_delete_all, DeletedVariable)

    async def create(self, command: CreateVariable) -> Variable:
        """Create a variable.

        Raises:
            VariableExistsError: The name is taken.
            RequestIdReusedError: The request id belongs to another request.
        """
        return await self._writer.write(self._create, command)

    async def get(self, name: str) -> Variable:
        """Return a variable.

        Raises:
            VariableNotFoundError: There is none with this name.
        """
        found = await self._database.read(variables.get, name)
        if found is None:
            raise VariableNotFoundError(name)
        return found

    async def list_page(self, name_prefix: str, page: PageRequest) -> Page[Variable]:
        """Return a page of the variables, by name.

        Raises:
            PageTokenMismatchError: The token belongs to another list.
        """
        return await self._database.read(variable_lists.list_variables, name_prefix, page)

    async def update(self, command: UpdateVariable) -> Variable:
        """Replace the value, the tags or both, and return the variable as it now stands.

        Raises:
            VariableNotFoundError: There is none with this name.
        """
        return await self._writer.write(self._update, command)

    async def delete(self, command: DeleteVariable) -> None:
        """Delete a variable.

        Raises:
            VariableNotFoundError: There is none with this name.
            RequestIdReusedError: The request id belongs to another request.
        """
        await self._writer.write(self._delete, command)


def _create_all(
    conn: Connection, now: datetime, commands: Sequence[CreateVariable]
) -> list[Outcome[Variable]]:
    """Create variables. The first to ask for a name gets it."""
    taken = set(variables.get_many(conn, list({each.name for each in commands})))
    created: list[Variable] = []
    outcomes: list[Outcome[Variable]] = []
    for command in commands:
        if command.name in taken:
            outcomes.append(VariableExistsError(command.name))
            continue
        taken.add(command.name)
        created.append(
            Variable(
                id=new_id(),
                name=command.name,
                value=command.value,
                create_time=now,
                update_time=now,
                tags=command.tags,
            )
        )
        outcomes.append(Written(created[-1]))
    variables.insert(conn, created)
    return outcomes


def _update_all(
    conn: Connection, now: datetime, commands: Sequence[UpdateVariable]
) -> list[Outcome[Variable]]:
    """Change variables, in order."""
    standing = variables.lock(conn, list({each.name for each in commands}))
    changed: dict[str, Variable] = {}
    outcomes: list[Outcome[Variable]] = []
    for command in commands:
        variable = standing.get(command.name)
        if variable is None:
            outcomes.append(VariableNotFoundError(command.name))
            continue
        variable = replace(
            variable,
            value=variable.value if command.value is None else command.value,
            tags=variable.tags if command.tags is None else command.tags,
            update_time=now,
        )
        standing[variable.name] = changed[variable.name] = variable
        outcomes.append(Written(variable))
    variables.update_bodies(conn, list(changed.values()))
    return outcomes


def _delete_all(
    conn: Connection, _now: datetime, commands: Sequence[DeleteVariable]
) -> list[Outcome[DeletedVariable]]:
    """Delete variables. The first to ask for one gets it."""
    standing = variables.lock(conn, list({each.name for each in commands}))
    variables.delete_names(conn, list(standing))
    return [
        VariableNotFoundError(command.name)
        if standing.pop(command.name, None) is None
        else Written(DeletedVariable(name=command.name))
        for command in commands
    ]
