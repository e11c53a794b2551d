"""Requests that nobody should send: valid ones with one thing wrong, made-up ones, and bytes that are none."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.acceptance.fuzz.values import length, values_for

_DEEPEST: Final = 7
_FIELD_ODDS: Final = 0.3
_EDITS: Final = 6
_LIST_BYTES: Final = 300_000
"""Longest list, far below the longest message, which the transport refuses."""


class Requests:
    """Makes requests of one type."""

    def __init__(self, valid: Message, known: Sequence[str], chance: random.Random) -> None:
        """Make none yet.

        Args:
            valid: A request that the server would carry out.
            known: Ids, tokens, names and keys that mean something to the server.
            chance: Decides everything.
        """
        self._valid = valid
        self._known = known
        self._chance = chance

    def with_one_wrong(self, most: int) -> Iterator[bytes]:
        """Yield the valid request with one field after the other replaced.

        By every value if the field holds JSON, for most of what can go wrong goes wrong there, else by at most so many.
        """
        for path in _paths(self._valid.DESCRIPTOR):
            values: Sequence[Any] = (
                values_for(path[-1], self._known) if path[-1].message_type is None else (None,)
            )
            count = len(values) if path[-1].name.endswith("_json") else min(most, len(values))
            for value in self._chance.sample(values, count):
                request = type(self._valid)()
                request.CopyFrom(self._valid)
                self._replace(request, path, value)
                yield request.SerializeToString()

    def made_up(self, count: int) -> Iterator[bytes]:
        """Yield requests in which any field may hold anything."""
        for _ in range(count):
            yield self._made_up(self._valid.DESCRIPTOR, _DEEPEST).SerializeToString()

    def garbled(self, count: int) -> Iterator[bytes]:
        """Yield the bytes of the valid request, and of made-up ones, with some of them changed."""
        for _ in range(count):
            made_up = self._made_up(self._valid.DESCRIPTOR, _DEEPEST)
            content = bytearray(self._chance.choice([self._valid, made_up]).SerializeToString())
            for _ in range(self._chance.randint(1, _EDITS)):
                self._edit(content)
            yield bytes(content)

    def noise(self, count: int) -> Iterator[bytes]:
        """Yield bytes that were never a request."""
        for _ in range(count):
            yield self._chance.randbytes(self._chance.randint(0, 300))

    def _replace(self, request: Message, path: Sequence[FieldDescriptor], value: object) -> None:
        """Put a value where a path leads; None for a message that is there and empty."""
        *parents, field = path
        for parent in parents:
            inner = getattr(request, parent.name)
            if _is_map(parent):
                request = inner["a"]
            else:
                request = (inner[0] if inner else inner.add()) if parent.is_repeated else inner
        if field.message_type is not None:
            if _is_map(field):
                for number in range(length(self._chance)):
                    getattr(request, field.name)[str(number)].SetInParent()
            elif field.is_repeated:
                for _ in range(length(self._chance)):
                    getattr(request, field.name).add()
            else:
                getattr(request, field.name).SetInParent()
        elif field.is_repeated:
            getattr(request, field.name)[:] = [value, *self._several(lambda: value)]
        else:
            setattr(request, field.name, value)

    def _made_up(self, descriptor: Any, deepest: int) -> Message:
        message: Any = GetMessageClass(descriptor)()
        for field in descriptor.fields:
            if self._chance.random() > _FIELD_ODDS:
                continue
            make = self._maker(field, deepest)
            if _is_map(field):
                for entry in self._several(make):
                    getattr(message, field.name)[entry.key].CopyFrom(entry.value)
            elif field.is_repeated:
                getattr(message, field.name).extend(self._several(make))
            elif field.message_type is not None:
                getattr(message, field.name).CopyFrom(make())
            else:
                setattr(message, field.name, make())
        return message  # type: ignore[no-any-return]

    def _several(self, make: Callable[[], Any]) -> list[Any]:
        made: list[Any] = []
        size = 0
        for _ in range(length(self._chance)):
            made.append(make())
            size += len(str(made[-1]))
            if size > _LIST_BYTES:
                break
        return made

    def _maker(self, field: FieldDescriptor, deepest: int) -> Callable[[], Any]:
        if field.message_type is not None:
            inner = field.message_type
            return lambda: self._made_up(inner, deepest - 1 if deepest else 0)
        values = values_for(field, self._known)
        return lambda: self._chance.choice(values)

    def _edit(self, content: bytearray) -> None:
        place = self._chance.randint(0, len(content))
        match self._chance.randrange(4):
            case 0:
                content[place : place + 1] = self._chance.randbytes(1)
            case 1:
                content[place:place] = self._chance.randbytes(self._chance.randint(1, 8))
            case 2:
                del content[place : place + self._chance.randint(1, 8)]
            case _:
                content[place:place] = content[: self._chance.randint(0, len(content))]


def _paths(
    descriptor: Any, above: tuple[FieldDescriptor, ...] = ()
) -> Iterator[tuple[FieldDescriptor, ...]]:
    """Yield the way to every field of a message and of the messages in it."""
    for field in descriptor.fields:
        path = (*above, field)
        yield path
        if _is_map(field):
            yield from _paths(field.message_type.fields_by_name["value"].message_type, path)
        elif field.message_type is not None and len(path) < _DEEPEST:
            yield from _paths(field.message_type, path)


def _is_map(field: FieldDescriptor) -> bool:
    """Tell whether a field holds messages by name."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)
