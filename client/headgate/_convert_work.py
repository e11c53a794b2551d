"""Between the messages of work pools and their models: pure, and the only place that knows both."""

from typing import Final
from uuid import UUID

from headgate import v1 as pb
from headgate._convert import to_datetime, to_flow_run
from headgate._json import from_object_text
from headgate.enums import WorkerStatus, WorkStatus
from headgate.work_models import (
    DueFlowRun,
    QueueKey,
    Worker,
    WorkPool,
    WorkQueue,
    WorkQueueHealth,
)

_STATUSES: Final = {
    pb.WORK_STATUS_READY: WorkStatus.READY,
    pb.WORK_STATUS_NOT_READY: WorkStatus.NOT_READY,
    pb.WORK_STATUS_PAUSED: WorkStatus.PAUSED,
}
_WORKER_STATUSES: Final = {
    pb.WORKER_STATUS_ONLINE: WorkerStatus.ONLINE,
    pb.WORKER_STATUS_OFFLINE: WorkerStatus.OFFLINE,
}


def to_work_pool(pool: pb.WorkPool) -> WorkPool:
    """Return a work pool."""
    return WorkPool(
        id=UUID(pool.id),
        name=pool.name,
        create_time=to_datetime(pool.create_time),
        update_time=to_datetime(pool.update_time),
        type=pool.type,
        default_queue_id=UUID(pool.default_queue_id),
        description=pool.description if pool.HasField("description") else None,
        base_job_template=from_object_text(pool.base_job_template_json),
        paused=pool.paused,
        concurrency_limit=pool.concurrency_limit if pool.HasField("concurrency_limit") else None,
        status=_STATUSES.get(pool.status, WorkStatus.UNKNOWN) if pool.status else None,
    )


def to_work_queue(queue: pb.WorkQueue) -> WorkQueue:
    """Return a queue."""
    return WorkQueue(
        id=UUID(queue.id),
        work_pool_id=UUID(queue.work_pool_id),
        work_pool_name=queue.work_pool_name,
        name=queue.name,
        create_time=to_datetime(queue.create_time),
        update_time=to_datetime(queue.update_time),
        priority=queue.priority,
        status=_STATUSES.get(queue.status, WorkStatus.UNKNOWN),
        description=queue.description,
        paused=queue.paused,
        concurrency_limit=queue.concurrency_limit if queue.HasField("concurrency_limit") else None,
        last_polled_time=(
            to_datetime(queue.last_polled_time) if queue.HasField("last_polled_time") else None
        ),
    )


def to_health(health: pb.WorkQueueHealth) -> WorkQueueHealth:
    """Return how well a queue is served."""
    policy = health.health_check_policy
    return WorkQueueHealth(
        healthy=health.healthy,
        late_runs_count=health.late_runs_count,
        last_polled_time=(
            to_datetime(health.last_polled_time) if health.HasField("last_polled_time") else None
        ),
        maximum_late_runs=policy.maximum_late_runs,
        maximum_time_since_last_polled=policy.maximum_time_since_last_polled.ToTimedelta(),
    )


def to_worker(worker: pb.Worker) -> Worker:
    """Return a worker."""
    return Worker(
        id=UUID(worker.id),
        work_pool_id=UUID(worker.work_pool_id),
        name=worker.name,
        create_time=to_datetime(worker.create_time),
        last_heartbeat_time=to_datetime(worker.last_heartbeat_time),
        status=_WORKER_STATUSES.get(worker.status, WorkerStatus.UNKNOWN),
        heartbeat_interval=(
            worker.heartbeat_interval.ToTimedelta()
            if worker.HasField("heartbeat_interval")
            else None
        ),
    )


def to_due_flow_run(due: pb.DueFlowRun) -> DueFlowRun:
    """Return a run that a worker may start."""
    return DueFlowRun(
        work_pool_id=UUID(due.work_pool_id),
        work_queue_id=UUID(due.work_queue_id),
        flow_run=to_flow_run(due.flow_run),
    )


def from_queue_key(key: QueueKey) -> pb.WorkQueueKey:
    """Return the message that names a queue."""
    if isinstance(key, tuple):
        pool_name, name = key
        return pb.WorkQueueKey(path=pb.WorkQueuePath(work_pool_name=pool_name, name=name))
    return pb.WorkQueueKey(work_queue_id=str(key))
