"""Commands to watch and to wait, as values."""

from datetime import timedelta
from enum import StrEnum

from headgate_server.model.commands import Command
from headgate_server.model.filters import RunQuery


class WaitMode(StrEnum):
    """Which of the runs must have ended."""

    ALL = "ALL"
    ANY = "ANY"


class Watch(Command, frozen=True, kw_only=True):
    """What every watch is told."""

    resume_token: str = ""
    """Empty begins now."""
    send_initial_state: bool = False
    until: WaitMode | None = None
    """None never ends by itself. Needs runs named by id."""
    progress_interval: timedelta = timedelta(seconds=15)
    latest_only: bool = False
    """Whether changes may be skipped that newer ones of the same run follow."""


class WatchRuns(Watch, frozen=True, kw_only=True):
    """Watch flow runs: those named by id, or all that match the query."""

    flow_run_ids: tuple[str, ...] = ()
    """Empty means by query."""
    query: RunQuery = RunQuery()


class WatchTaskRuns(Watch, frozen=True, kw_only=True):
    """Watch task runs: those of some flow runs, those named by id, or all that match the query."""

    flow_run_ids: tuple[str, ...] = ()
    task_run_ids: tuple[str, ...] = ()
    """Both empty means by query; at most one is given."""
    query: RunQuery = RunQuery()


class WatchInputs(Watch, frozen=True, kw_only=True):
    """Watch the inputs of one run."""

    flow_run_id: str
    key_prefix: str = ""
