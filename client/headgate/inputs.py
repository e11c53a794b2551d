"""The inputs of flow runs: schemas, questions, answers and messages, as JSON under keys."""

from headgate._messages import FlowRunMessages


class FlowRunInputs(FlowRunMessages):
    """Keeps the inputs of flow runs: schemas, questions, answers and messages, as JSON under keys.

    Every method that makes one call takes `timeout`, how long the call may take with its repeats
    (None: the client's default), and may raise what any call may: `InvalidRequestError`,
    `UnavailableError`, `OverloadedError`, `DeadlineExceededError`, `InternalError` and
    `ClientClosedError`.
    """
