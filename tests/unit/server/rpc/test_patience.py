import asyncio
from datetime import timedelta

import pytest

from headgate_server.rpc.patience import Patience, current_task

SOON = timedelta(milliseconds=20)
NEVER = timedelta(hours=1)


async def busy(patience: Patience, until: asyncio.Event | None = None) -> str:
    """Be busy until something happens, and tell how it ended."""
    task = current_task()
    patience.begin(task)
    try:
        await (until or asyncio.Event()).wait()
    except asyncio.CancelledError:
        if patience.is_lost_with(task):
            return "took too long"
        raise
    finally:
        patience.end(task)
    return "done"


async def test_what_takes_too_long_is_ended() -> None:
    assert await busy(Patience(SOON)) == "took too long"


async def test_a_task_that_took_too_long_can_go_on() -> None:
    patience = Patience(SOON)

    await busy(patience)
    await asyncio.sleep(0)

    assert current_task().cancelling() == 0


async def test_what_is_done_in_time_is_left_alone() -> None:
    patience = Patience(SOON)
    quick = asyncio.Event()
    quick.set()

    assert await busy(patience, quick) == "done"
    assert await busy(patience) == "took too long"


async def test_every_task_has_its_own_time() -> None:
    patience = Patience(SOON)

    ends = await asyncio.gather(*(busy(patience) for _ in range(3)))

    assert ends == ["took too long"] * 3
    assert len(patience) == 0


async def test_a_task_that_is_cancelled_by_others_stays_cancelled() -> None:
    patience = Patience(NEVER)
    task = asyncio.create_task(busy(patience))
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_is_cancelled_by_others_too_stays_cancelled() -> None:
    patience = Patience(SOON)
    task = asyncio.create_task(busy(patience))
    await asyncio.sleep(0)
    patience._began[task] = 0.0
    patience._look()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert not patience._lost


async def test_busy_tasks_are_counted() -> None:
    patience = Patience(NEVER)
    end = asyncio.Event()
    tasks = [asyncio.create_task(busy(patience, end)) for _ in range(2)]
    await asyncio.sleep(0)

    assert len(patience) == 2

    end.set()
    await asyncio.gather(*tasks)
    assert len(patience) == 0


async def test_a_task_that_comes_after_a_quiet_time_is_looked_at_too() -> None:
    patience = Patience(SOON)
    await busy(patience)
    patience._look()

    assert await busy(patience) == "took too long"
