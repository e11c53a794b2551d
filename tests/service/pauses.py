"""Runs that are paused and ask something."""

from typing import Any, Final
from uuid import uuid4

from headgate import v1 as pb
from tests.service.world import RUNNING, World, keyset, new_input, paused

SCHEMA: Final = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean"},
        "note": {"type": "string"},
        "by": {"type": "string", "default": "nobody"},
    },
    "required": ["approved"],
}
ANSWER: Final = {"approved": True}


async def asked(
    world: World, schema: object = SCHEMA, *, suspended: bool = False, **details: Any
) -> pb.FlowRun:
    """Return a run that is paused and waits for an answer."""
    run = await world.new_run(RUNNING, deployment_id=str(uuid4()))
    details.setdefault("run_input_keyset", keyset())
    inputs = [] if schema is None else [new_input("paused-1-schema", schema)]
    await world.propose(run, paused(suspended=suspended, **details), inputs=inputs)
    return run


async def answer_of(world: World, run: pb.FlowRun) -> object:
    """Return the answer that is stored; None if none is."""
    return (await world.input_values(run)).get("paused-1-response")
