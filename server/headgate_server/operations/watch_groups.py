"""Groups: events on their way to a watcher as notices, those of one call marked as belonging together."""

from collections.abc import Iterator, Sequence

from headgate_server.feed.positions import Tokens
from headgate_server.feed.subscriptions import Told
from headgate_server.model.watching import Notice


class Groups:
    """Turns events into notices, and marks those that belong together."""

    def __init__(self, tokens: Tokens, position: int) -> None:
        self._tokens = tokens
        self._held: Told | None = None
        self._held_is_coalesced = False
        self.position = position
        """Everything up to this revision has been told."""

    def notices(
        self, taken: Sequence[Told], position: int, *, latest_only: bool
    ) -> Iterator[Notice]:
        """Return the notices of some events.

        Args:
            taken: The events, in order.
            position: Everything up to this revision has now been taken.
            latest_only: Whether to skip the events of runs that have later ones here.
        """
        last = {told.event.change.subject_id: told for told in taken} if latest_only else {}
        skipped: set[str] = set()
        for told in taken:
            subject_id = told.event.change.subject_id
            if last.get(subject_id, told) is not told:
                skipped.add(subject_id)
                continue
            if self._held is not None:
                more_follows = told.event.revision <= self._held.event.last_revision
                yield self._notice(self._held, is_fragment=more_follows)
            self._held, self._held_is_coalesced = told, subject_id in skipped
        if self._held is not None and self._held.event.last_revision <= position:
            yield self._notice(self._held, is_fragment=False)
            self._held = None
        if self._held is None:
            self.position = max(self.position, position)

    def _notice(self, told: Told, *, is_fragment: bool) -> Notice:
        self.position = told.event.revision
        return Notice(
            kind=told.kind,
            resume_token=self._tokens.at(told.event.revision),
            event=told.event,
            is_fragment=is_fragment,
            is_coalesced=self._held_is_coalesced,
        )
