"""How many runs were expected to start when, and how they stand."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from headgate.states import StateType


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryState:
    """The runs of one interval that are in states of the same type and name."""

    state_type: StateType | None
    """The type of the state. None for runs without a state."""
    state_name: str
    """The name of the state. Empty for runs without a state."""
    count_runs: int
    """How many runs there are."""
    sum_estimated_run_time: timedelta
    """The sum of `estimated_run_time` of these runs."""
    sum_estimated_lateness: timedelta
    """The sum of `estimated_start_time_delta` of these runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryInterval:
    """The runs that were expected to start within one interval of time."""

    start_time: datetime
    """When the interval begins. A run that was expected at this time belongs to it."""
    end_time: datetime
    """When the interval ends. A run that was expected at this time belongs to the next one."""
    states: tuple[HistoryState, ...] = ()
    """By type, then by name. Empty if no run was expected in the interval."""
