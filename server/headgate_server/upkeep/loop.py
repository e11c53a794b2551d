"""The loop that runs a pass again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

import structlog

from headgate_server.metrics import Metrics
from headgate_server.model.errors import HeadgateError

_LOG: Final = structlog.stdlib.get_logger(__name__)


async def repeat(
    name: str, run_once: Callable[[], Awaitable[int]], interval_seconds: float, metrics: Metrics
) -> None:
    """Run a pass, then wait until an interval after its start; for ever.

    A pass that fails is logged, and the next one comes in its time. One that takes longer than the interval is logged too,
    and followed by the next at once.

    Args:
        name: What the pass is called in the log.
        run_once: Runs the pass once and returns how many things it changed.
        interval_seconds: From start to start.
        metrics: Where the duration of each pass is noted.
    """
    while True:
        started = monotonic()
        try:
            changed = await run_once()
            if changed:
                _LOG.info("pass", name=name, changed=changed)
        except HeadgateError as error:
            # The database is away, or the server too busy: no fault of the pass.
            _LOG.warning("pass put off", name=name, reason=str(error))
        except Exception:  # noqa: BLE001 - whatever goes wrong, the next pass must come
            _LOG.exception("pass failed", name=name)
        took = monotonic() - started
        metrics.upkeep_seconds.labels(name).observe(took)
        if took > interval_seconds:
            _LOG.warning("pass took longer than its interval", name=name, seconds=round(took, 3))
        await asyncio.sleep(max(0.0, interval_seconds - took))
