"""Logs: structured events, for people on a terminal and one JSON object a line for machines."""

import asyncio
import logging
import sys
from typing import Any, BinaryIO, ClassVar

import msgspec
import structlog


def configure(level: str, form: str) -> None:
    """Say how events are logged. Called once, by the program and not by libraries.

    Args:
        level: Least severe event that is logged, as in `info`.
        form: `console`, `json`, or `auto` for the former on a terminal.
    """
    is_console = form == "console" or (form == "auto" and sys.stderr.isatty())
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if is_console:
        structlog.configure(
            processors=[*shared, structlog.dev.ConsoleRenderer()],
            wrapper_class=structlog.make_filtering_bound_logger(threshold),
            logger_factory=structlog.WriteLoggerFactory(sys.stderr),
            cache_logger_on_first_use=True,
        )
        return
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: _GatheringLogger(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


class _GatheringLogger:
    """Writes the lines of one turn of the event loop at once.

    A busy server ends many calls in one turn, and a write of its own for each of their lines would cost as much as the calls.
    """

    _lines: ClassVar[list[bytes]] = []

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def msg(self, line: bytes) -> None:
        """Write a line before the next turn of the event loop; at once where there is none."""
        self._lines.append(line)
        if len(self._lines) > 1:
            return
        try:
            asyncio.get_running_loop().call_soon(self._write)
        except RuntimeError:
            self._write()

    debug = info = warning = error = critical = exception = msg

    def _write(self) -> None:
        content = b"\n".join([*self._lines, b""])
        self._lines.clear()
        self._file.write(content)
        self._file.flush()


def _to_json(event: object, **_options: Any) -> bytes:
    """Return an event as JSON; what JSON does not know is told by its text."""
    return msgspec.json.encode(event, enc_hook=str)
