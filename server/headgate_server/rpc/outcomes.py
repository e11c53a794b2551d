"""Outcomes: how the calls of a method end. Each is counted and logged, and a failure is sent as a status."""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Final, NoReturn, TypeAlias
from uuid import uuid4

import grpc
import grpc.aio

from headgate_server.metrics import Metrics
from headgate_server.model.errors import HeadgateError
from headgate_server.rpc.access_log import AccessLog, Context
from headgate_server.rpc.errors import DETAILS_KEY, STATUS, InternalError, Refusal, refusal_for

Meter: TypeAlias = Callable[[float], None]
"""Takes the duration of a call in seconds."""

OK: Final = grpc.StatusCode.OK.name
CANCELLED: Final = grpc.StatusCode.CANCELLED.name


class Outcomes:
    """Notes how the calls of one method end."""

    def __init__(self, method: str, meter_for: Callable[[str], Meter], log: AccessLog) -> None:
        """Note nothing yet.

        Args:
            method: The full name of the method.
            meter_for: Gives what counts the calls that end with a code, asked once for each code.
            log: Where each call is noted.
        """
        self._method = method
        self._meter_for = meter_for
        self._meters: dict[str, Meter] = {}
        self._log = log

    def note(
        self, context: Context, code: str, began: float, refusal: Refusal | None = None
    ) -> None:
        """Count and log a call.

        Args:
            context: The context of the call.
            code: The name of its status code.
            began: When it began, on `perf_counter`.
            refusal: What it was refused with, if it was.
        """
        seconds = perf_counter() - began
        meter = self._meters.get(code)
        if meter is None:
            meter = self._meters[code] = self._meter_for(code)
        meter(seconds)
        self._log.note(context, self._method, code, seconds, refusal)

    async def refuse(self, context: Context, error: Exception, began: float) -> NoReturn:
        """Count and log a call that fails, and send the status that stands for its error.

        What is not in the table of errors is a bug: the caller gets an id, and the log says what lies behind it.
        """
        if not isinstance(error, HeadgateError) or type(error) not in STATUS:
            error_id = str(uuid4())
            self._log.note_failure(self._method, error_id, error)
            error = InternalError(error_id)
        refusal = refusal_for(error)
        self.note(context, refusal.code.name, began, refusal)
        try:
            await context.abort(refusal.code, refusal.message, ((DETAILS_KEY, refusal.details),))
        except grpc.aio.InternalError:  # the caller has left, so there is nobody to tell
            raise asyncio.CancelledError from None


def of_unary_calls(metrics: Metrics, log: AccessLog, method: str) -> Outcomes:
    """Make what notes the calls of a unary method: it times them."""
    return Outcomes(method, lambda code: metrics.rpc_seconds.labels(method, code).observe, log)


def of_streams(metrics: Metrics, log: AccessLog, method: str, label: str | None = None) -> Outcomes:
    """Make what notes the streams of a method: it counts them, for how long one lives says nothing.

    Args:
        metrics: Where to count.
        log: Where each stream is noted.
        method: The full name of the method.
        label: What to count it by. None takes the name.
    """

    def meter_for(code: str) -> Meter:
        streams = metrics.rpc_streams.labels(label or method, code)
        return lambda _seconds: streams.inc()

    return Outcomes(method, meter_for, log)
