"""Spans of time as callers may give them."""

from datetime import timedelta
from typing import TypeAlias

Span: TypeAlias = float | timedelta
"""A span of time: a number of seconds or a timedelta."""


def to_seconds(span: Span, name: str) -> float:
    """Return a span in seconds.

    Args:
        span: The span.
        name: How the caller calls it.

    Raises:
        ValueError: The span is negative.
    """
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if seconds < 0:
        message = f"{name} is negative: {span}."
        raise ValueError(message)
    return seconds


def to_timedelta(span: Span, name: str) -> timedelta:
    """Return a span as a timedelta.

    Args:
        span: The span.
        name: How the caller calls it.

    Raises:
        ValueError: The span is negative.
    """
    return timedelta(seconds=to_seconds(span, name))
