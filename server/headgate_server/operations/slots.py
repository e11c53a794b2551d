"""Slots: which of them the task runs of one batch take and give back, one after the other."""

from collections.abc import Collection, Iterable

from headgate_server.model.task_runs import TaskRun
from headgate_server.orchestration.draft import TagLimit
from headgate_server.storage import concurrency_slots
from headgate_server.storage.concurrency_slots import LimitInUse
from headgate_server.storage.database import Connection


class Slots:
    """The slots that the task runs of a batch want or hold: as loaded, and as decided so far."""

    def __init__(
        self, conn: Connection, *, starting: Iterable[TaskRun], concerned: Iterable[TaskRun]
    ) -> None:
        """Load them, and lock the limits that starts depend on.

        Args:
            conn: The connection of the writer's transaction.
            starting: Task runs that may need slots.
            concerned: Task runs that may hold slots.
        """
        self._conn = conn
        wanted = {tag for each in starting for tag in each.tags}
        self._limits: dict[str, LimitInUse] = {}
        if wanted:
            self._limits = {
                limit.tag: limit for limit in concurrency_slots.lock_limits(conn, wanted)
            }
        self._taken = {limit.id: limit.taken for limit in self._limits.values()}
        tagged = [each.id for each in concerned if each.tags]
        self._loaded = concurrency_slots.held_by(conn, tagged)
        self._held: dict[str, set[str]] = {}
        for limit_id, task_run_id in self._loaded:
            self._held.setdefault(task_run_id, set()).add(limit_id)

    def limits_on(self, task_run: TaskRun) -> tuple[TagLimit, ...]:
        """Return the limits on the tags of a task run that starts, in the order of tags."""
        held = self._held.get(task_run.id, ())
        return tuple(
            TagLimit(
                tag=limit.tag,
                slots=limit.slots,
                held_by_others=self._taken[limit.id] - (limit.id in held),
            )
            for limit in self._limits_of(task_run)
        )

    def take(self, task_run: TaskRun) -> None:
        """Let a task run hold a slot of each limit on its tags."""
        for limit in self._limits_of(task_run):
            held = self._held.setdefault(task_run.id, set())
            if limit.id not in held:
                held.add(limit.id)
                self._taken[limit.id] += 1

    def free(self, task_run: TaskRun) -> bool:
        """Let a task run hold no slot any longer; return whether it held one."""
        freed = self._held.pop(task_run.id, set())
        for limit_id in freed & self._taken.keys():
            self._taken[limit_id] -= 1
        return bool(freed)

    def write(self, lost: Collection[str]) -> None:
        """Write who holds slots now, but for task runs that were lost to another server."""
        held = {(limit_id, each) for each, limits in self._held.items() for limit_id in limits}
        freed, taken = self._loaded - held, held - self._loaded
        concurrency_slots.give_back(self._conn, [slot for slot in freed if slot[1] not in lost])
        concurrency_slots.take(self._conn, [slot for slot in taken if slot[1] not in lost])

    def _limits_of(self, task_run: TaskRun) -> list[LimitInUse]:
        tags = sorted(set(task_run.tags))
        return [self._limits[tag] for tag in tags if tag in self._limits]
