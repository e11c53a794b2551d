"""Verdicts: what the service answers to a proposed state."""

from enum import StrEnum

import msgspec

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.task_runs import TaskRun


class VerdictStatus(StrEnum):
    """The four answers to a proposal. All of them are successful calls."""

    ACCEPT = "ACCEPT"
    """The proposed state was written."""
    REJECT = "REJECT"
    """The proposed state was not written; another may have been, in its place."""
    ABORT = "ABORT"
    """Nothing was written and the proposer should stop."""
    WAIT = "WAIT"
    """Nothing was written; propose the same state again after the delay."""


class Verdict(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The answer to one proposal, with the run as it now stands."""

    status: VerdictStatus
    run: FlowRun
    """The run after the proposal, with its current state."""
    is_written: bool = False
    """Whether this proposal wrote a state, the proposed one or a substitute."""
    reason: str | None = None
    delay_seconds: int = 0
    """For WAIT: whole seconds until the proposal may succeed."""
    revision: int = 0
    """Revision of the change in the log; 0 when nothing was written."""


class TaskVerdict(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The answer to one proposal for a task run, with the task run as it now stands."""

    status: VerdictStatus
    task_run: TaskRun
    """The task run after the proposal, with its current state."""
    is_written: bool = False
    """Whether this proposal wrote a state, the proposed one or a substitute."""
    reason: str | None = None
    delay_seconds: int = 0
    """For WAIT: whole seconds until the proposal may succeed."""
    revision: int = 0
    """Revision of the change in the log; 0 when nothing was written."""
