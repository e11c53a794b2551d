"""Questions: what a paused flow run asks."""

from dataclasses import dataclass, field

from headgate import FlowRun, FlowRunInputNotFoundError, Json
from headgate.sync import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a paused run asks."""

    version: int
    """The version of the run that asks."""
    key: str
    """Names the pause."""
    description: str | None
    """What a person is asked. None if nobody wrote it."""
    schema: Json = field(hash=False)
    """What an answer must look like. None if there is no schema, so that no answer will do."""


def read_question(client: Client, run: FlowRun) -> Question | None:
    """Return what a run asks; None if it waits for no answer."""
    keyset = run.state.details.run_input_keyset if run.state and run.state.is_paused else None
    if run.state is None or keyset is None:
        return None
    description = _input(client, run, keyset.description)
    return Question(
        version=run.version,
        key=run.state.details.pause_key,
        description=None if description is None else str(description),
        schema=_input(client, run, keyset.schema),
    )


def _input(client: Client, run: FlowRun, key: str) -> Json:
    if not key:
        return None
    try:
        return client.inputs.get(run.id, key).value
    except FlowRunInputNotFoundError:
        return None
