"""What callers asked for and what they were told, to hold against what the service says in the end."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A state that was proposed, under a transition id."""

    flow_run_id: str
    input_key: str
    """The key of the input that rides with the state; empty if none does."""


@dataclass
class Ledger:
    """Everything that callers know for certain."""

    states: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    """Ids of the states that were acknowledged, by run and version."""
    asked: dict[str, Asked] = field(default_factory=dict)
    """What was proposed, by transition id, acknowledged or not."""
    created: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Runs that were answered to a request to create one, by request id."""
    doomed: set[str] = field(default_factory=set)
    """Runs that a caller began to delete; once every caller was answered, they are gone."""
    answers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Keys of the answers of resumes that were acknowledged, by run."""
    acknowledged: int = 0
    """How many changes were acknowledged."""
    _counted: asyncio.Event = field(default_factory=asyncio.Event)

    def note_state(self, flow_run_id: str, version: int, state_id: str) -> None:
        """Note that a state was acknowledged."""
        known = self.states[flow_run_id].setdefault(version, state_id)
        assert known == state_id, f"run {flow_run_id} has two states with version {version}"
        self.count()

    def count(self) -> None:
        """Note that something was acknowledged."""
        self.acknowledged += 1
        self._counted.set()

    async def reach(self, acknowledged: int) -> None:
        """Wait until so many changes were acknowledged."""
        while self.acknowledged < acknowledged:
            self._counted.clear()
            await self._counted.wait()
