"""Task runs: create them, propose states for them, read and watch them."""

from headgate._task_run_watching import TaskRunWatching


class TaskRuns(TaskRunWatching):
    """Keeps task runs, the executions of tasks within flow runs, and their states.

    Every method that makes one call takes `timeout`, how long the call may take with its repeats
    (None: the client's default), and may raise what any call may: `InvalidRequestError`,
    `UnavailableError`, `OverloadedError`, `DeadlineExceededError`, `InternalError` and
    `ClientClosedError`.
    """
