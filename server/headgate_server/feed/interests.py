"""Interests: which events concern a watcher, as values that can be compared, so that equal ones are judged once."""

from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from typing import Final

import msgspec

from headgate_server.model.events import Event, EventKind
from headgate_server.model.filters import RunQuery
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.matching import compile_query
from headgate_server.model.watching import NoticeKind

_RUN_KINDS: Final = frozenset({EventKind.STATE_CHANGE, EventKind.RUN_UPDATE, EventKind.RUN_DELETED})
_ENCODE: Final = msgspec.json.Encoder(order="deterministic").encode


class RunsById(msgspec.Struct, frozen=True):
    """Some runs, named by id."""

    flow_run_ids: frozenset[str]

    def judge(self, event: Event) -> NoticeKind | None:
        """Return what to tell of an event of one of the runs; None for nothing."""
        return NoticeKind.CHANGED if event.change.kind in _RUN_KINDS else None


class RunsByQuery(msgspec.Struct, frozen=True, dict=True):
    """All runs that match a query."""

    query: RunQuery

    @cached_property
    def _matches(self) -> Callable[[FlowRun, Flow], bool]:
        return compile_query(self.query)

    def judge(self, event: Event) -> NoticeKind | None:
        """Return what to tell of an event, by the run before it and after it; None for nothing."""
        change = event.change
        if change.flow is None:
            return None
        if change.after is None:
            is_told = change.before is not None and self._matches(change.before, change.flow)
            return NoticeKind.CHANGED if is_told else None
        if self._matches(change.after, change.flow):
            return NoticeKind.CHANGED
        if change.before is not None and self._matches(change.before, change.flow):
            return NoticeKind.LEFT
        return None


class InputsOf(msgspec.Struct, frozen=True):
    """The inputs of one run whose keys begin with a prefix, and the end of that run."""

    flow_run_id: str
    key_prefix: str

    def judge(self, event: Event) -> NoticeKind | None:
        """Return what to tell of an event of the run; None for nothing."""
        change = event.change
        if change.input is not None:
            is_told = change.input.key.startswith(self.key_prefix)
        else:
            is_told = change.kind is EventKind.RUN_DELETED
        return NoticeKind.CHANGED if is_told else None


Interest = RunsById | RunsByQuery | InputsOf


def runs_of(interest: Interest) -> frozenset[str] | None:
    """Return the runs whose events can concern an interest; None if it may be any."""
    if isinstance(interest, RunsById):
        return interest.flow_run_ids
    if isinstance(interest, InputsOf):
        return frozenset({interest.flow_run_id})
    return None


def fingerprint(interest: Interest) -> bytes:
    """Return what tells two interests apart, the same on every server and after every restart."""
    return sha256(type(interest).__name__.encode() + _ENCODE(interest)).digest()
