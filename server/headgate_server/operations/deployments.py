"""Deployments: created, replaced, read, changed and deleted with the runs that wait for their time."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from headgate_server.forms.schedules import ScheduleInvalidError, check_schedule
from headgate_server.model.deployment_commands import (
    CreateDeployment,
    DeleteDeployment,
    DeploymentField,
    UpdateDeployment,
)
from headgate_server.model.deployments import Deployment, DeploymentSchedule, DeploymentSort
from headgate_server.model.errors import (
    DeploymentNotFoundError,
    FieldViolation,
    InvalidRequestError,
)
from headgate_server.model.filters import RunQuery
from headgate_server.model.paging import Page, PageRequest
from headgate_server.operations.deployment_changes import (
    ChangedDeployment,
    CreatedDeployment,
    create_all,
    update_all,
)
from headgate_server.operations.deployment_deletion import (
    DeletedDeployment,
    DeploymentDeletion,
    delete_all,
)
from headgate_server.operations.schema_faults import fault_in_parameter_schema
from headgate_server.storage import deployment_lists, deployments
from headgate_server.storage.database import Database
from headgate_server.storage.writer import Work, Writer


class Deployments:
    """Creates, replaces, reads, changes and deletes deployments."""

    def __init__(
        self, database: Database, writer: Writer, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._create = Work(create_all, CreatedDeployment)
        self._update = Work(update_all, ChangedDeployment)
        self._delete = Work(delete_all, DeletedDeployment)

    async def create(self, command: CreateDeployment) -> CreatedDeployment:
        """Create a deployment, or replace the one of the flow that has the name.

        Raises:
            InvalidRequestError: A schedule cannot be read or names no date, or the schema of the parameters is none.
            FlowNotFoundError: There is no such flow.
            WorkPoolNotFoundError: There is no such work pool.
        """
        await self._check("", command.schedules, command.parameter_schema_json)
        return await self._writer.write(self._create, command)

    async def get(
        self, deployment_id: str | None, flow_name: str = "", deployment_name: str = ""
    ) -> Deployment:
        """Return a deployment by its id or, without one, by the names of its flow and of itself.

        Raises:
            DeploymentNotFoundError: There is no such deployment.
        """
        if deployment_id is not None:
            found = await self._database.read(deployments.get, deployment_id)
        else:
            found = await self._database.read(deployments.get_by_name, flow_name, deployment_name)
        if found is None:
            raise DeploymentNotFoundError(
                deployment_id, flow_name=flow_name, deployment_name=deployment_name
            )
        return found

    async def list_page(
        self, query: RunQuery, sort: DeploymentSort, page: PageRequest
    ) -> Page[Deployment]:
        """Return a page of the deployments that match.

        Raises:
            PageTokenMismatchError: The token belongs to another list.
        """
        return await self._database.read(deployment_lists.list_page, query, sort, page)

    async def count(self, query: RunQuery) -> int:
        """Return how many deployments match."""
        return await self._database.read(deployment_lists.count, query)

    async def update(self, command: UpdateDeployment) -> Deployment:
        """Replace fields of a deployment, and return it as it now stands.

        Raises:
            InvalidRequestError: A schedule cannot be read, names no date, or has an id that the deployment does not know; or
                the schema of the parameters is none.
            DeploymentNotFoundError: There is no such deployment.
            WorkPoolNotFoundError: There is no such work pool.
            RequestIdReusedError: The request id belongs to another request.
        """
        names_schema = DeploymentField.PARAMETER_SCHEMA_JSON in command.fields
        await self._check(
            "deployment.",
            command.schedules if DeploymentField.SCHEDULES in command.fields else (),
            command.parameter_schema_json if names_schema else None,
        )
        return (await self._writer.write(self._update, command)).deployment

    async def delete(self, command: DeleteDeployment) -> int:
        """Delete a deployment with its SCHEDULED runs; return how many runs that were.

        Runs go some hundred in a transaction, and the deployment with the last of them.

        Raises:
            DeploymentNotFoundError: There is no such deployment.
            RequestIdReusedError: The request id belongs to another request.
        """
        deletion = DeploymentDeletion(request=command)
        return (await self._writer.write(self._delete, deletion)).deleted_flow_runs

    async def _check(
        self, path: str, schedules: Sequence[DeploymentSchedule], schema_json: str | None
    ) -> None:
        """See that schedules and a schema can be used, beside the loop: it may take a while.

        Raises:
            InvalidRequestError: They cannot; the error lists all faults.
        """
        if schedules or schema_json is not None:
            now = self._clock()
            faults = await asyncio.to_thread(_faults_in, path, schedules, schema_json, now)
            if faults:
                raise InvalidRequestError(faults)


def _faults_in(
    path: str, schedules: Sequence[DeploymentSchedule], schema_json: str | None, now: datetime
) -> list[FieldViolation]:
    """Return why the next date of a schedule cannot be worked out, and why a schema is none."""
    faults: list[FieldViolation] = []
    for place, schedule in enumerate(schedules):
        try:
            check_schedule(schedule.rule, now)
        except ScheduleInvalidError as error:
            kind = type(schedule.rule).__name__.removesuffix("Schedule").lower()
            where = f"{path}schedules[{place}].{kind}.{error.member}"
            faults.append(FieldViolation(where, str(error)))
    if schema_json is not None and (fault := fault_in_parameter_schema(schema_json)):
        faults.append(FieldViolation(f"{path}parameter_schema_json", fault))
    return faults
