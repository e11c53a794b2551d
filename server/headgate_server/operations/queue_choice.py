"""The work queue that a deployment or a run of it is sent to, by name; made if the pool has none of that name."""

from datetime import datetime

from headgate_server.model.errors import WorkPoolNotFoundError
from headgate_server.model.work_pools import WorkQueue
from headgate_server.storage import work_pools
from headgate_server.storage.database import Connection


class QueueChoice:
    """Finds queues within one transaction, each once."""

    def __init__(self, conn: Connection, now: datetime) -> None:
        self._conn = conn
        self._now = now
        self._found: dict[tuple[str, str | None], WorkQueue] = {}

    def choose(self, work_pool_name: str, work_queue_name: str | None) -> WorkQueue:
        """Return a queue of a pool, or its default queue.

        Raises:
            WorkPoolNotFoundError: There is no such pool.
        """
        names = (work_pool_name, work_queue_name)
        if names not in self._found:
            self._found[names] = self._look_up(*names)
        return self._found[names]

    def _look_up(self, work_pool_name: str, work_queue_name: str | None) -> WorkQueue:
        pool = work_pools.get_pool(self._conn, work_pool_name)
        queue: WorkQueue | None = None
        if pool is not None and work_queue_name is None:
            queue = work_pools.get_queue(self._conn, pool.default_queue_id)
        elif pool is not None and work_queue_name is not None:
            queue = work_pools.find_or_create_queue(self._conn, self._now, pool.id, work_queue_name)
        if queue is None:
            raise WorkPoolNotFoundError(work_pool_name)
        return queue
