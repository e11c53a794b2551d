"""ResumeFlowRun: what one answer may cost the others."""

import asyncio

from headgate import v1 as pb
from tests.service.pauses import ANSWER, asked
from tests.service.world import ACCEPT, PAUSED, World

BACKTRACKING = {"properties": {"a": {"pattern": "^(a|aa)+$"}}}


async def test_a_check_that_would_not_end_is_given_up_while_others_are_served(
    world: World,
) -> None:
    run = await asked(world, BACKTRACKING)
    resumed = asyncio.ensure_future(world.resume(run, {"a": "a" * 5000 + "!"}))
    await world.get(run)  # by now the other call has begun

    for _ in range(5):
        await world.server.GetServerInfo(pb.GetServerInfoRequest())

    assert not resumed.done()
    answer = await resumed
    assert answer.reject.reason == "Validation took too long. It was given up after 1 s."
    assert answer.state.type == PAUSED


async def test_a_run_whose_answer_was_given_up_takes_another(world: World) -> None:
    run = await asked(world, BACKTRACKING)
    await world.resume(run, {"a": "a" * 5000 + "!"})

    assert (await world.resume(run, ANSWER)).status == ACCEPT
