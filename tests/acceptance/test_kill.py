"""The program is killed at random moments while many write: what it acknowledged is there, and watchers miss nothing."""

import asyncio
import os
import random
from collections.abc import Callable

import grpc.aio
import pytest

from tests.acceptance.audit import Audit, check_watched
from tests.acceptance.ledger import Ledger
from tests.acceptance.observers import watching_inputs, watching_runs
from tests.acceptance.program import Program
from tests.acceptance.traffic import IMPATIENT, Traffic

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

SEED = int(os.environ.get("HEADGATE_TEST_SEED", random.getrandbits(32)))
"""Chooses the moments, as far as anything can: who gets how far until then is chance."""
MOST_BETWEEN_KILLS = 150
"""Changes that are acknowledged between two kills."""
DELAY_SECONDS = 0.03
"""Longest time from the last of them to the kill, so that it hits all parts of a transaction."""


async def kill_again_and_again(program: Program, *, times: int) -> None:
    chance, ledger = random.Random(SEED), Ledger()  # noqa: S311 - not for secrets
    program.start()
    async with (
        grpc.aio.insecure_channel(program.target, IMPATIENT) as channel,
        # Watches have a connection of their own, as they would have in real life.
        grpc.aio.insecure_channel(
            program.target, [*IMPATIENT, ("grpc.use_local_subchannel_pool", 1)]
        ) as watch_channel,
        asyncio.TaskGroup() as tasks,
    ):
        everything = watching_runs(watch_channel, send_initial_state=True)
        watching = [tasks.create_task(everything.observe())]
        await everything.begun()
        traffic, audit = Traffic(channel, ledger), Audit(channel, ledger)
        await traffic.prepare()
        shared = watching_runs(watch_channel, flow_run_ids=traffic.shared, send_initial_state=True)
        inputs = watching_inputs(
            watch_channel, flow_run_id=traffic.shared[0], send_initial_state=True
        )
        for observer in (shared, inputs):
            watching.append(tasks.create_task(observer.observe()))
            await observer.begun()
        flowing = tasks.create_task(traffic.flow())

        for _ in range(times):
            await ledger.reach(ledger.acknowledged + chance.randint(1, MOST_BETWEEN_KILLS))
            await asyncio.sleep(chance.uniform(0, DELAY_SECONDS))
            program.kill()
            await asyncio.to_thread(program.start)
            await audit.check_news()
        traffic.stop()
        await flowing

        histories = await audit.check_runs()
        await audit.check_inputs(histories)
        for observer in (everything, shared, inputs):
            await observer.reach(await audit.head())
            assert observer.breaks >= times
        check_watched(everything, histories, ledger.doomed)
        check_watched(shared, {run_id: histories[run_id] for run_id in traffic.shared}, ())
        created = [message.created.key for message in inputs.seen]
        assert created == await audit.input_keys(traffic.shared[0])
        for task in watching:
            task.cancel()


async def test_thirty_kills_on_sqlite_lose_nothing(
    sqlite_url: str, new_program: Callable[..., Program]
) -> None:
    await kill_again_and_again(new_program(sqlite_url), times=30)


async def test_ten_kills_on_postgresql_lose_nothing(
    durable_postgresql_url: str, new_program: Callable[..., Program]
) -> None:
    await kill_again_and_again(new_program(durable_postgresql_url), times=10)
