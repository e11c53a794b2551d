"""Flow runs: create them, propose states for them, watch them, wait for them."""

from headgate._pausing import FlowRunPausing


class FlowRuns(FlowRunPausing):
    """Keeps flow runs and their states.

    Every method that makes one call takes `timeout`, how long the call may take with its repeats
    (None: the client's default), and may raise what any call may: `InvalidRequestError`,
    `UnavailableError`, `OverloadedError`, `DeadlineExceededError`, `InternalError` and
    `ClientClosedError`.
    """
