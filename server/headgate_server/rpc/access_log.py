"""The access log: one line for each call, with its outcome."""

import logging
import re
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import grpc.aio
import structlog

from headgate_server.rpc.errors import Refusal

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
"""What gRPC gives with each call."""

_TRACE_PARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}").match
_REQUEST_ID_CHARACTERS: Final = 128


class AccessLog:
    """Writes a line for each call. Made after logging is configured, for it looks only once whether anybody listens."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("headgate.access").bind()
        self._is_on = bool(self._log.is_enabled_for(logging.INFO))

    def note(
        self,
        context: Context,
        method: str,
        code: str,
        seconds: float,
        refusal: Refusal | None = None,
    ) -> None:
        """Write how a call ended.

        Args:
            context: The context of the call.
            method: Its full name.
            code: The name of its status code.
            seconds: How long it took.
            refusal: What it was refused with, if it was.
        """
        if not self._is_on:
            return
        facts = _names_given_by_the_caller(context.invocation_metadata() or ())
        if refusal is not None:
            facts["reason"] = refusal.reason
            if refusal.error_id is not None:
                facts["error_id"] = refusal.error_id
        self._log.info(
            "call",
            method=method,
            code=code,
            duration_ms=round(seconds * 1000, 3),
            peer=context.peer(),
            **facts,
        )

    def note_failure(self, method: str, error_id: str, error: Exception) -> None:
        """Write why a call ends with an internal error, with the traceback."""
        self._log.error("call failed", method=method, error_id=error_id, exc_info=error)


def _names_given_by_the_caller(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    """Return what the caller calls the request and its trace, as far as it does."""
    names = {}
    for key, value in metadata:
        if key == "x-request-id":
            names["request_id"] = str(value)[:_REQUEST_ID_CHARACTERS]
        elif key == "traceparent" and (match := _TRACE_PARENT(str(value))):
            names["trace_id"] = match[1]
    return names
