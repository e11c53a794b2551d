"""Retention: which flow runs need not be kept any longer."""

from datetime import timedelta

import msgspec

from headgate_server.model.states import TERMINAL, StateType


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """Which trees of runs may go: those whose run at the root ended so long ago, and in which every run has ended."""

    age: timedelta
    """How long ago the run at the root must have ended."""
    states: frozenset[StateType] = TERMINAL
    """The states in which it may have ended."""


class RetentionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What went, or what would go."""

    trees: int = 0
    """Trees: runs that no other run started, with all their subflow runs."""
    flow_runs: int = 0
    """Runs in these trees."""
    kept_trees: int = 0
    """Trees whose root is old enough, and that stay because a subflow run has not ended or has just changed."""
