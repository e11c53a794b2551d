"""Every limit that the contract states of task runs: at it a request is taken, beyond it refused by the name of the field."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, Final

from headgate import v1 as pb
from tests.service.limits import Limit, fields_refused
from tests.service.tasks import limit, new_task_run, propose, proposed
from tests.service.world import RUNNING, World, lasting

Call = Awaitable[Any]

NAME: Final = 255
TAGS: Final = 100
IDS: Final = 1000
CACHE_KEY: Final = 2000
DELAYS: Final = 50


def task_run(world: World, run: pb.FlowRun, **fields: Any) -> Call:
    return new_task_run(world, run, **fields)


def slots_of(world: World, run: pb.FlowRun, count: int) -> Call:
    """Give so many slots of a limit to one task run."""

    async def give() -> object:
        await limit(world, "limited", 1)
        held = [(await new_task_run(world, run)).id] * count
        request = pb.ResetConcurrencyLimitRequest(tag="limited", active_slots=held)
        return await world.limits.ResetConcurrencyLimit(request)

    return give()


def sources(*counts: int) -> dict[str, pb.TaskInputList]:
    """Return inputs of a task, so many of each parameter."""
    source = pb.TaskInput(parameter="p")
    return {str(n): pb.TaskInputList(inputs=[source] * count) for n, count in enumerate(counts)}


def details(world: World, run: pb.FlowRun, **fields: Any) -> Call:
    """Propose a state with these details."""

    async def ask() -> object:
        made = await new_task_run(world, run)
        return await propose(world, made, proposed(RUNNING, **fields))

    return ask()


LIMITS: Final = {
    "task key": Limit(NAME, lambda w, r, n: task_run(w, r, task_key="é" * n), "task_key"),
    "dynamic key": Limit(NAME, lambda w, r, n: task_run(w, r, dynamic_key="é" * n), "dynamic_key"),
    "task run name": Limit(NAME, lambda w, r, n: task_run(w, r, name="é" * n), "name"),
    "task version": Limit(
        NAME, lambda w, r, n: task_run(w, r, task_version="é" * n), "task_version"
    ),
    "task run tag": Limit(NAME, lambda w, r, n: task_run(w, r, tags=["é" * n]), "tags[0]"),
    "parameter that a task got": Limit(
        NAME,
        lambda w, r, n: task_run(
            w,
            r,
            task_inputs={"p": pb.TaskInputList(inputs=[pb.TaskInput(parameter="é" * n)])},
        ),
        "task_inputs[p].inputs[0].parameter",
    ),
    "cache key": Limit(CACHE_KEY, lambda w, r, n: task_run(w, r, cache_key="é" * n), "cache_key"),
    "cache key of a state": Limit(
        CACHE_KEY, lambda w, r, n: details(w, r, cache_key="é" * n), "state.details.cache_key"
    ),
    "tag of a limit": Limit(NAME, lambda w, _, n: limit(w, "é" * n, 1), "tag"),
    "task run tags": Limit(TAGS, lambda w, r, n: task_run(w, r, tags=["a"] * n), "tags"),
    "retry delays": Limit(
        DELAYS,
        lambda w, r, n: task_run(
            w, r, policy=pb.TaskRunPolicy(retry_delays=[lasting(timedelta(0))] * n)
        ),
        "policy.retry_delays",
    ),
    "parameters of a task": Limit(
        IDS, lambda w, r, n: task_run(w, r, task_inputs=sources(*[0] * n)), "task_inputs"
    ),
    "inputs of a task": Limit(
        IDS, lambda w, r, n: task_run(w, r, task_inputs=sources(1, n - 1)), "task_inputs"
    ),
    "slots of a limit": Limit(IDS, slots_of, "active_slots"),
}


async def test_at_its_limit_a_field_is_taken_and_beyond_it_refused(world: World) -> None:
    assert await fields_refused(world, LIMITS) == {
        case: [bound.field] for case, bound in LIMITS.items()
    }
