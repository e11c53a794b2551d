"""When a failed call may be tried again, and how long to wait before. Pure but for chance."""

import random
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Final

from google.protobuf.message import Message

from headgate import v1 as pb
from headgate.errors import CallError, OverloadedError, ServerDrainingError, UnavailableError

_NOTHING_WAS_DONE: Final = (OverloadedError, ServerDrainingError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait between attempts: longer each time, and never the same for two callers."""

    first_seconds: float = 0.2
    """The longest wait before the second attempt."""
    factor: float = 2.0
    """How much longer each further wait may be."""
    max_seconds: float = 5.0
    """The longest wait of all."""

    def seconds(self, attempt: int, asked: timedelta | None = None) -> float:
        """Return how long to wait after a failed attempt.

        Args:
            attempt: How many attempts have failed.
            asked: How long the server asks to wait, which is then the least.
        """
        longest = min(self.first_seconds * self.factor ** min(attempt - 1, 32), self.max_seconds)
        least = 0.0 if asked is None else asked.total_seconds()
        chance = random.uniform(0.5, 1)  # noqa: S311 - nobody gains from guessing it
        return max(longest, least * 2) * chance


DEFAULT_BACKOFF: Final = Backoff()
"""Five attempts within some three seconds, which a server that restarts often needs."""


def may_repeat(request: Message) -> bool:
    """Tell whether sending a request twice does no more than sending it once.

    That is so if the contract says so of the method, or if the request bears a name by which the
    server knows it again.
    """
    return (
        request.DESCRIPTOR.full_name in _idempotent_requests()
        or bool(getattr(request, "request_id", ""))
        or (
            isinstance(request, pb.SetFlowRunStateRequest | pb.SetTaskRunStateRequest)
            and bool(request.state.details.transition_id)
        )
    )


def may_retry(error: CallError, request: Message) -> bool:
    """Tell whether a call that failed so may be made again with the same request."""
    if isinstance(error, _NOTHING_WAS_DONE):
        return True
    return isinstance(error, UnavailableError) and may_repeat(request)


@cache
def _idempotent_requests() -> frozenset[str]:
    """Return the names of the requests of methods that the contract calls idempotent."""
    kinds = (each for each in vars(pb).values() if isinstance(each, type))
    files = {
        kind.DESCRIPTOR.file.name: kind.DESCRIPTOR.file
        for kind in kinds
        if issubclass(kind, Message)
    }
    return frozenset(
        method.input_type.full_name
        for file in files.values()
        for service in file.services_by_name.values()
        for method in service.methods
        if method.GetOptions().idempotency_level
    )
