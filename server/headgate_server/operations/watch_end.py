"""The end of a watch that was asked to end with the runs it names."""

from collections.abc import Mapping, Sequence

from headgate_server.model.events import Event
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.watch_commands import WaitMode


class Until:
    """When a watch of named runs or task runs is over."""

    def __init__(
        self,
        mode: WaitMode,
        named: Sequence[str],
        revision: int,
        runs: Mapping[str, FlowRun | TaskRun],
    ) -> None:
        """Begin with how the runs stood at a revision; a run that is not there has ended."""
        self._mode = mode
        self._named = frozenset(named)
        self._revision = revision
        self._ended = {each for each in self._named if _has_ended(runs.get(each))}

    def is_met_by(self, event: Event) -> bool:
        """Note an event, and return whether the watch is over with it."""
        if event.revision > self._revision:
            change = event.change
            if _has_ended(change.task_after or change.after):
                self._ended.add(change.subject_id)
            else:
                self._ended.discard(change.subject_id)
        return self.is_met(event.revision)

    def is_met(self, position: int) -> bool:
        """Return whether the watch is over once everything up to a revision was told."""
        if position < self._revision:
            return False
        enough = 1 if self._mode is WaitMode.ANY else len(self._named)
        return len(self._ended) >= enough


def _has_ended(run: FlowRun | TaskRun | None) -> bool:
    """Return whether a run is in a terminal state or does not exist."""
    return run is None or (run.state is not None and run.state.is_terminal)
