"""The names of the queues and pools of runs, as they now stand: a run keeps none but that of its queue when it was sent there."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace
from sqlalchemy import Connection, select

from headgate_server.model.flow_runs import FlowRun
from headgate_server.storage.bulk import BulkSelect
from headgate_server.storage.tables import WORK_POOL, WORK_QUEUE

_NAMES: Final = BulkSelect(
    select(WORK_QUEUE.c.id, WORK_QUEUE.c.name, WORK_POOL.c.name.label("pool_name")).join_from(
        WORK_QUEUE, WORK_POOL
    ),
    WORK_QUEUE.c.id,
)


def with_queue_names(conn: Connection, runs: Sequence[FlowRun]) -> Sequence[FlowRun]:
    """Return runs with the names that their queues and pools now have.

    A run whose queue is gone has no queue and no pool any more, and keeps the name of the queue.
    """
    queue_ids = {run.work_queue_id for run in runs if run.work_queue_id is not None}
    if not queue_ids:
        return runs
    names = {row[0]: (row[1], row[2]) for row in _NAMES.run(conn, sorted(queue_ids))}
    return [_named(run, names.get(run.work_queue_id or "")) for run in runs]


def _named(run: FlowRun, names: tuple[str, str] | None) -> FlowRun:
    """Return a run with the names of its queue and its pool; None stands for a queue that is gone."""
    if run.work_queue_id is None:
        return run
    if names is None:
        return replace(run, work_queue_id=None, work_pool_name=None)
    queue_name, pool_name = names
    if run.work_queue_name == queue_name and run.work_pool_name == pool_name:
        return run
    return replace(run, work_queue_name=queue_name, work_pool_name=pool_name)
