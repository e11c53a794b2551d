"""Updates of flow runs, many at once inside the writer's transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from headgate_server.model.commands import FlowRunField, UpdateFlowRun
from headgate_server.model.conflicts import (
    DeploymentRequiredError,
    StateNotAllowedError,
    VersionMismatchError,
)
from headgate_server.model.errors import FlowRunNotFoundError, HeadgateError
from headgate_server.model.events import Change, EventKind
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.names import random_name
from headgate_server.model.states import StateType
from headgate_server.storage import deployments, flow_runs
from headgate_server.storage.database import Connection
from headgate_server.storage.writer import LostRace, Outcome, Written

_IN_PAYLOAD = frozenset({FlowRunField.PARAMETERS_JSON, FlowRunField.JOB_VARIABLES_JSON})


class ChangedFlowRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as a change left it, in FULL view."""

    run: FlowRun
    revision: int = 0
    """Revision of the change."""


def update_all(
    conn: Connection, now: datetime, commands: Sequence[UpdateFlowRun]
) -> list[Outcome[ChangedFlowRun]]:
    """Replace fields of runs."""
    loaded = flow_runs.load(conn, list({each.flow_run_id for each in commands}))
    full = flow_runs.load_full(conn, list(loaded))
    deployed = _deployments_of_job_variables(conn, commands, full)
    outcomes: list[Outcome[ChangedFlowRun]] = []
    named: dict[str, set[FlowRunField]] = {}
    for command in commands:
        run_id = command.flow_run_id
        if refusal := _refusal(command, full.get(run_id), deployed):
            outcomes.append(refusal)
            continue
        before, full[run_id] = full[run_id], _updated(full[run_id], command, now)
        named.setdefault(run_id, set()).update(command.fields)
        change = Change(
            kind=EventKind.RUN_UPDATE,
            flow_run_id=run_id,
            before=flow_runs.basic(before),
            after=flow_runs.basic(full[run_id]),
            flow=loaded[run_id].flow,
        )
        outcomes.append(Written(ChangedFlowRun(run=full[run_id]), (change,)))
    won = flow_runs.update(conn, [(full[run_id], loaded[run_id]) for run_id in named])
    for run_id in won:
        if named[run_id] & _IN_PAYLOAD:
            flow_runs.replace_payload(conn, full[run_id])
        if FlowRunField.TAGS in named[run_id]:
            flow_runs.replace_tags(conn, full[run_id])
    return [
        LostRace(_moved_on(outcome.value.run))
        if isinstance(outcome, Written) and outcome.value.run.id not in won
        else outcome
        for outcome in outcomes
    ]


def refusal_of_job_variables(run: FlowRun, deployed: Collection[str]) -> HeadgateError | None:
    """Return why a run cannot be given job variables, whichever they are; None if it can.

    Args:
        run: The run.
        deployed: Has the deployment of the run, if it still exists.
    """
    if run.state is None:
        return StateNotAllowedError(
            "Flow run state is required to update job variables but none exists",
            flow_run_id=run.id,
        )
    if run.state.type is not StateType.SCHEDULED:
        return StateNotAllowedError(
            f"Job variables for a flow run in state {run.state.type} cannot be updated",
            flow_run_id=run.id,
            state_type=run.state.type,
        )
    return None if run.deployment_id in deployed else DeploymentRequiredError(run.id)


def _refusal(
    command: UpdateFlowRun, run: FlowRun | None, deployed: Collection[str]
) -> HeadgateError | None:
    """Return why an update cannot be made; None if it can."""
    if run is None:
        return FlowRunNotFoundError(command.flow_run_id)
    if command.expected_version not in {None, run.version}:
        return VersionMismatchError(run.id, command.expected_version or 0, run.version)
    return refusal_of_job_variables(run, deployed) if gives_job_variables(command) else None


def gives_job_variables(command: UpdateFlowRun) -> bool:
    """Return whether a run is to get job variables; to clear them needs nothing."""
    is_named = FlowRunField.JOB_VARIABLES_JSON in command.fields
    return is_named and command.job_variables_json is not None


def _deployments_of_job_variables(
    conn: Connection, commands: Sequence[UpdateFlowRun], runs: Mapping[str, FlowRun]
) -> set[str]:
    """Return the deployments that exist among those of the runs that are to get job variables."""
    run_ids = {each.flow_run_id for each in commands if gives_job_variables(each)}
    named = {runs[run_id].deployment_id for run_id in run_ids if run_id in runs}
    return deployments.existing(conn, [each for each in named if each is not None])


def _updated(run: FlowRun, command: UpdateFlowRun, now: datetime) -> FlowRun:
    """Return a run with the named fields replaced."""
    policy = run.policy
    if FlowRunField.RETRIES in command.fields:
        policy = replace(policy, retries=command.retries)
    if FlowRunField.RETRY_DELAY in command.fields:
        policy = replace(policy, retry_delay=command.retry_delay)
    values: dict[FlowRunField, object] = {
        FlowRunField.NAME: command.name or random_name(),
        FlowRunField.FLOW_VERSION: command.flow_version,
        FlowRunField.PARAMETERS_JSON: command.parameters_json,
        FlowRunField.TAGS: command.tags,
        FlowRunField.INFRASTRUCTURE_PID: command.infrastructure_pid,
        FlowRunField.JOB_VARIABLES_JSON: command.job_variables_json or "{}",
    }
    replaced = {field.value: value for field, value in values.items() if field in command.fields}
    return replace(run, policy=policy, update_time=now, **replaced)


def _moved_on(run: FlowRun) -> VersionMismatchError:
    """Return what to say of a run that others change faster than it can be looked at."""
    return VersionMismatchError(run.id, run.version, run.version + 1)
