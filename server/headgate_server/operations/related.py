"""Related entities: what a watch tells of changes when its filters ask for more than the changes say.

The database is asked how relations stand when changes are about to be told, once for all that wait. Relations change without
a change of the run, so that alone cannot tell whether a run matched before: what was told of a run says more.
"""

from collections.abc import Awaitable, Sequence
from itertools import chain
from typing import Final, Generic

from headgate_server.feed.interests import ByQuery, R
from headgate_server.feed.subscriptions import Told
from headgate_server.model.events import Change
from headgate_server.model.watching import NoticeKind
from headgate_server.storage.database import Database
from headgate_server.storage.gathering import Gathered

REMEMBERED_MAX: Final = 20_000
"""Runs of which one watch remembers whether they match; some 3 MB."""


class Relations(Generic[R]):
    """Asks how relations stand, once for all who watch the same."""

    def __init__(self, interest: ByQuery[R], database: Database) -> None:
        """Ask for what an interest asks."""
        self.interest: ByQuery[R] = interest
        """What is watched."""

        def read(asked: Sequence[Sequence[Change]]) -> Awaitable[R]:
            return database.read(interest.relations, list(chain.from_iterable(asked)))

        self._gathered: Gathered[Sequence[Change], R] = Gathered(read)

    async def of(self, changes: Sequence[Change]) -> R:
        """Return the relations of all that changed, and perhaps of more, as they stand from now on.

        Raises:
            DatabaseUnavailableError: The database did not answer.
        """
        return await self._gathered.ask(changes)


class RelatedEvents(Generic[R]):
    """Judges the events of one watch by how relations stand."""

    def __init__(self, relations: Relations[R], *, is_first: bool) -> None:
        """Remember nothing yet.

        Args:
            relations: Tell how relations stand.
            is_first: Whether the watcher was told of nothing yet, as one that resumes was.
        """
        self._relations: Relations[R] = relations
        self._interest: ByQuery[R] = relations.interest
        self._knows_all = is_first
        self._remembered: dict[str, bool] = {}

    def remember(self, subject_id: str, *, is_match: bool = True) -> None:
        """Note that the watcher was told that something matches, or that it does not."""
        self._remembered.pop(subject_id, None)
        if not is_match and self._knows_all:
            return  # so does whatever is not remembered
        self._remembered[subject_id] = is_match
        if len(self._remembered) > REMEMBERED_MAX:
            del self._remembered[next(iter(self._remembered))]
            self._knows_all = False

    async def judge(self, taken: Sequence[Told]) -> list[Told]:
        """Return what to tell of events that may concern the watcher, in their order.

        Raises:
            DatabaseUnavailableError: The database did not answer. Nothing was told of these events.
        """
        if not taken:
            return []
        changes = [told.event.change for told in taken]
        related = await self._relations.of(changes)
        judged = ((told.event, self._kind(told.event.change, related)) for told in taken)
        return [Told(event, kind) for event, kind in judged if kind is not None]

    def _kind(self, change: Change, related: R) -> NoticeKind | None:
        matched = self._has_matched(change, related)
        if change.is_deletion:
            self._remembered.pop(change.subject_id, None)
            return NoticeKind.CHANGED if matched else None
        is_match = self._interest.matches(change, related)
        self.remember(change.subject_id, is_match=is_match)
        if is_match:
            return NoticeKind.CHANGED
        return NoticeKind.LEFT if matched else None

    def _has_matched(self, change: Change, related: R) -> bool:
        """Return whether the watcher may have to be told that something matches no more."""
        remembered = self._remembered.get(change.subject_id)
        if remembered is not None:
            return remembered
        if self._interest.matched(change, related):
            return True
        # An earlier watch may have told of it, when relations stood differently.
        return not self._knows_all and self._interest.matched(change, None)
