"""Deployments, as rows.

What moves without a caller is kept in columns alone: the status and the last poll are written by whoever serves workers, and a
queue is forgotten when it is deleted.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, Row, Select, bindparam, delete, select, update

from headgate_server.model.deployments import Deployment, DeploymentStatus
from headgate_server.model.states import StateType
from headgate_server.storage.bulk import BulkInsert, BulkSelect, BulkSelectTuples
from headgate_server.storage.membership import is_one_of
from headgate_server.storage.tables import (
    DEPLOYMENT,
    DEPLOYMENT_TAG,
    FLOW,
    FLOW_RUN,
    WORK_POOL,
    WORK_QUEUE,
)
from headgate_server.storage.times import from_micros, to_micros

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(Deployment).decode
_DEPLOYMENT: Final = DEPLOYMENT.c

SELECTED: Final[Select[Any]] = (
    select(
        _DEPLOYMENT.body,
        _DEPLOYMENT.work_queue_id,
        _DEPLOYMENT.work_queue_name,
        WORK_QUEUE.c.name.label("current_queue_name"),
        WORK_POOL.c.name.label("work_pool_name"),
        _DEPLOYMENT.status,
        _DEPLOYMENT.last_polled_time,
    )
    .join_from(DEPLOYMENT, WORK_QUEUE, isouter=True)
    .join(WORK_POOL, WORK_POOL.c.id == WORK_QUEUE.c.work_pool_id, isouter=True)
)
"""All that `read_deployment` needs, of each deployment with its queue and pool."""

_CHANGING: Final = (
    _DEPLOYMENT.work_queue_id,
    _DEPLOYMENT.work_queue_name,
    _DEPLOYMENT.is_paused,
    _DEPLOYMENT.is_scheduled,
    _DEPLOYMENT.has_tags,
    _DEPLOYMENT.update_time,
    _DEPLOYMENT.body,
)
_FIXED: Final = (_DEPLOYMENT.id, _DEPLOYMENT.flow_id, _DEPLOYMENT.name, _DEPLOYMENT.create_time)
_BY_ID: Final = BulkSelect(SELECTED, _DEPLOYMENT.id)
# In the order of ids, so that two servers never wait for each other.
_LOCK: Final = BulkSelect(
    SELECTED.order_by(_DEPLOYMENT.id).with_for_update(of=DEPLOYMENT), _DEPLOYMENT.id
)
_EXISTING: Final = BulkSelect(select(_DEPLOYMENT.id), _DEPLOYMENT.id)
_IDS_BY_NAME: Final = BulkSelectTuples(
    select(_DEPLOYMENT.flow_id, _DEPLOYMENT.name, _DEPLOYMENT.id),
    _DEPLOYMENT.flow_id,
    _DEPLOYMENT.name,
)
_IS_SCHEDULED: Final = (
    FLOW_RUN.c.state_type == StateType.SCHEDULED.value,
    # Every SCHEDULED run has such a time, and there is an index of the runs of deployments that have one.
    FLOW_RUN.c.next_scheduled_start_time.is_not(None),
)
_INSERT: Final = BulkInsert(*_CHANGING, *_FIXED, _DEPLOYMENT.status)
_INSERT_TAGS: Final = BulkInsert(
    DEPLOYMENT_TAG.c.deployment_id, DEPLOYMENT_TAG.c.tag, ignore_conflicts=True
)
_UPDATE: Final = (
    update(DEPLOYMENT)
    .where(_DEPLOYMENT.id == bindparam("deployment_id"))
    .values({column: bindparam(f"new_{column.name}") for column in _CHANGING})
)


def read_deployment(row: Row[Any]) -> Deployment:
    """Return a deployment from a row of `SELECTED`; there may be more columns behind."""
    return _read(*row[: len(SELECTED.selected_columns)])


def get(conn: Connection, deployment_id: str) -> Deployment | None:
    """Return the deployment with an id; None if there is none."""
    return get_many(conn, [deployment_id]).get(deployment_id)


def get_many(conn: Connection, deployment_ids: Sequence[str]) -> dict[str, Deployment]:
    """Return the deployments that exist among these, by id."""
    found = (_read(*row) for row in _BY_ID.run(conn, deployment_ids))
    return {deployment.id: deployment for deployment in found}


def existing(conn: Connection, deployment_ids: Sequence[str]) -> set[str]:
    """Return which of these deployments exist."""
    return {deployment_id for (deployment_id,) in _EXISTING.run(conn, deployment_ids)}


def get_by_name(conn: Connection, flow_name: str, name: str) -> Deployment | None:
    """Return the deployment of a flow that bears a name; None if there is none."""
    is_it = (FLOW.c.name == flow_name) & (_DEPLOYMENT.name == name)
    row = conn.execute(SELECTED.join(FLOW, FLOW.c.id == _DEPLOYMENT.flow_id).where(is_it)).first()
    return None if row is None else read_deployment(row)


def ids_by_name(conn: Connection, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the ids of the deployments that exist among these, given as pairs of flow id and name."""
    rows = _IDS_BY_NAME.run(conn, sorted(names))
    return {(flow_id, name): deployment_id for flow_id, name, deployment_id in rows}


def lock(conn: Connection, deployment_ids: Collection[str]) -> dict[str, Deployment]:
    """Return the deployments that exist among these, by id, and let nobody else change them until the commit."""
    found = (_read(*row) for row in _LOCK.run(conn, sorted(deployment_ids)))
    return {deployment.id: deployment for deployment in found}


def lock_auto_scheduled_runs(conn: Connection, deployment_ids: Collection[str]) -> dict[str, str]:
    """Return the runs that the scheduler made and that are still SCHEDULED, and let nobody else change them until the commit.

    Returns:
        The id of the deployment of each run, by the id of the run, ascending.
    """
    run = FLOW_RUN.c
    statement = select(run.id, run.deployment_id).where(
        is_one_of(run.deployment_id, deployment_ids), *_IS_SCHEDULED, run.auto_scheduled == 1
    )
    rows = conn.execute(statement.order_by(run.id).with_for_update())
    return {row.id: row.deployment_id for row in rows}


def lock_scheduled_runs(conn: Connection, deployment_id: str, limit: int) -> list[str]:
    """Return the ids of the SCHEDULED runs that are due first, and let nobody else change them until the commit.

    Returns:
        The ids, ascending; at most `limit`.
    """
    run = FLOW_RUN.c
    conditions = (run.deployment_id == deployment_id, *_IS_SCHEDULED)
    first = select(run.id).where(*conditions).order_by(run.next_scheduled_start_time).limit(limit)
    # PostgreSQL: whoever waits for a lock looks at these conditions again, but not at those within.
    statement = select(run.id).where(run.id.in_(first), *conditions)
    return list(conn.execute(statement.order_by(run.id).with_for_update()).scalars())


def insert(conn: Connection, deployments: Sequence[Deployment]) -> None:
    """Insert new deployments, whose names are free."""
    _INSERT.run(
        conn,
        [
            (*_changing(each), *_fixed(each), each.status.value)
            # In the order of names, so that two servers never wait for each other.
            for each in sorted(deployments, key=lambda each: (each.flow_id, each.name))
        ],
    )
    _INSERT_TAGS.run(conn, [(each.id, tag) for each in deployments for tag in each.tags])


def update_all(conn: Connection, deployments: Sequence[Deployment]) -> None:
    """Write deployments that are locked as they now stand, but for their status and their last poll."""
    if not deployments:
        return
    names = [f"new_{column.name}" for column in _CHANGING]
    rows: list[Mapping[str, Any]] = [
        {"deployment_id": each.id, **dict(zip(names, _changing(each), strict=True))}
        for each in deployments
    ]
    conn.execute(_UPDATE, rows)
    ids = [each.id for each in deployments]
    conn.execute(delete(DEPLOYMENT_TAG).where(is_one_of(DEPLOYMENT_TAG.c.deployment_id, ids)))
    _INSERT_TAGS.run(conn, [(each.id, tag) for each in deployments for tag in each.tags])


def delete_ids(conn: Connection, deployment_ids: Collection[str]) -> None:
    """Delete deployments that are locked."""
    conn.execute(delete(DEPLOYMENT).where(is_one_of(_DEPLOYMENT.id, deployment_ids)))


def _read(
    body: bytes,
    queue_id: str | None,
    kept_queue_name: str | None,
    queue_name: str | None,
    pool_name: str | None,
    status: str,
    last_polled: int | None,
) -> Deployment:
    return replace(
        _DECODE(body),
        work_queue_id=queue_id,
        work_queue_name=queue_name or kept_queue_name,
        work_pool_name=pool_name,
        status=DeploymentStatus(status),
        last_polled_time=None if last_polled is None else from_micros(last_polled),
    )


def _changing(deployment: Deployment) -> tuple[Any, ...]:
    """Return the columns of a deployment that callers change."""
    is_scheduled = not deployment.is_paused and any(
        schedule.is_active for schedule in deployment.schedules
    )
    body = replace(
        deployment,
        work_queue_id=None,
        work_queue_name=None,
        work_pool_name=None,
        status=DeploymentStatus.NOT_READY,
        last_polled_time=None,
    )
    return (
        deployment.work_queue_id,
        deployment.work_queue_name,
        int(deployment.is_paused),
        int(is_scheduled),
        int(bool(deployment.tags)),
        to_micros(deployment.update_time),
        _ENCODE(body),
    )


def _fixed(deployment: Deployment) -> tuple[str, str, str, int]:
    """Return the columns of a deployment that never change."""
    return (
        deployment.id,
        deployment.flow_id,
        deployment.name,
        to_micros(deployment.create_time),
    )
