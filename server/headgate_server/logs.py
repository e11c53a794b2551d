"""Logs: structured events, for people on a terminal and one JSON object a line for machines."""

import logging
import sys
from typing import Any

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
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def _to_json(event: object, **_options: Any) -> bytes:
    """Return an event as JSON; what JSON does not know is told by its text."""
    return msgspec.json.encode(event, enc_hook=str)
