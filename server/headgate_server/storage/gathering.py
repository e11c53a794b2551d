"""Reads that are gathered: while one is under way, what is asked for meanwhile waits for the next.

A lone caller is served at once. Many callers share a transaction, a statement and the change of threads that it costs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from headgate_server.storage.database import Connection, Database

__all__ = ["Gathered", "Gathering"]

QuestionT = TypeVar("QuestionT")
AnswerT = TypeVar("AnswerT")

_QUIET_TURNS: Final = 8
"""A turn takes a few microseconds where nothing happens, a query some hundred."""


class Gathered(Generic[QuestionT, AnswerT]):
    """Asks many questions with one read, which answers all of them."""

    def __init__(self, read: Callable[[Sequence[QuestionT]], Awaitable[AnswerT]]) -> None:
        """Gather questions for a read."""
        self._read: Callable[[Sequence[QuestionT]], Awaitable[AnswerT]] = read
        self._next: asyncio.Task[AnswerT] | None = None
        self._questions: list[QuestionT] = []
        self._turn = asyncio.Lock()

    async def ask(self, question: QuestionT) -> AnswerT:
        """Return an answer to this question, and to others, as of now or later.

        Raises:
            DatabaseUnavailableError: The database did not answer.
        """
        self._questions.append(question)
        if self._next is None:
            self._next = asyncio.create_task(self._answer())
        # One caller that gives up does not take the read away from the others.
        return await asyncio.shield(self._next)

    async def _answer(self) -> AnswerT:
        """Wait for the read under way, then ask all that was asked until now."""
        async with self._turn:
            # Those just answered may ask again, and calls arrive one by one: go on once none has for a few turns of the loop.
            seen = quiet = 0
            while quiet < _QUIET_TURNS:
                quiet = 0 if seen < len(self._questions) else quiet + 1
                seen = len(self._questions)
                await asyncio.sleep(0)
            questions, self._questions, self._next = self._questions, [], None
            return await self._read(questions)


class Gathering(Generic[AnswerT]):
    """Reads one kind of thing by id, many with one query."""

    def __init__(
        self,
        database: Database,
        load: Callable[[Connection, Sequence[str]], Mapping[str, AnswerT]],
    ) -> None:
        """Make a reader.

        Args:
            database: Where the things are.
            load: Returns those that exist among many, by id, with one statement.
        """

        def read(ids: Sequence[str]) -> Awaitable[Mapping[str, AnswerT]]:
            return database.ask(load, list(dict.fromkeys(ids)))

        self._gathered = Gathered(read)

    async def get(self, thing_id: str) -> AnswerT | None:
        """Return something as it stands now or later; None if there is none.

        Raises:
            DatabaseUnavailableError: The database did not answer.
        """
        return (await self._gathered.ask(thing_id)).get(thing_id)
