"""Checks: what a request may hold, as far as the request alone can tell.

Each check returns the value in the form the rooms behind the door use, and notes what is wrong instead of raising, so that a
caller learns of everything at once. What depends on stored facts is not checked here.
"""

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Final, TypeVar
from uuid import UUID

from headgate_server.model.errors import FieldViolation, InvalidRequestError
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert import json_text

T = TypeVar("T")

_CANONICAL_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_SPELLED_ID: Final = re.compile(
    r"(?:urn:uuid:)?(?:[0-9a-f-]+|\{[0-9a-f-]+\})", re.IGNORECASE
).fullmatch
_INPUT_KEY: Final = re.compile(r"[a-z0-9-]*").fullmatch
_VARIABLE_NAME: Final = re.compile(r"[a-z0-9_]+").fullmatch
_BANNED_IN_FLOW_NAMES: Final = re.compile(r"[/%&<>]").search


class Checks:
    """Collects what is wrong with one request.

    The methods take a value and the path of its field, and return the value as it goes on. What they return for a wrong value
    does not matter, for nothing passes then.
    """

    __slots__ = ("_violations", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._violations: list[FieldViolation] = []

    def passed(self, value: T) -> T:
        """Return what was read, if nothing is wrong.

        Raises:
            InvalidRequestError: Something is; it lists everything.
        """
        if self._violations:
            raise InvalidRequestError(self._violations)
        return value

    def wrong(self, field: str, expected: str) -> None:
        """Note that a field is wrong, and what was expected of it."""
        self._violations.append(FieldViolation(field, expected))

    def id(self, value: str, field: str) -> str:
        """Check for a UUID in any spelling; return it in canonical text."""
        if _CANONICAL_ID(value):
            return value
        if _SPELLED_ID(value):
            with suppress(ValueError):
                return str(UUID(value))
        self.wrong(field, "must be a UUID" if value else "is required, and must be a UUID")
        return value

    def id_if_given(self, value: str, field: str) -> str | None:
        """Check for a UUID unless the text is empty; return None then."""
        return self.id(value, field) if value else None

    def members(self, values: Collection[T], field: str, most: int | None = None) -> Collection[T]:
        """Check that a list is not too long; return no members if it is, so that none is looked at.

        Args:
            values: The list.
            field: The path of its field.
            most: The greatest length. None takes that of lists of ids.
        """
        members_max = self.limits.ids if most is None else most
        if len(values) <= members_max:
            return values
        self.wrong(field, f"must have at most {members_max} members")
        return ()

    def ids(self, values: Collection[str], field: str) -> tuple[str, ...]:
        """Check for a list of UUIDs, not too long."""
        values = self.members(values, field)
        if all(map(_CANONICAL_ID, values)):
            return tuple(values)
        return tuple(self.id(value, f"{field}[{index}]") for index, value in enumerate(values))

    def text(self, value: str, field: str, characters: int | None = None) -> str:
        """Check that a text is not too long and can be stored.

        Args:
            value: The text.
            field: The path of its field.
            characters: The greatest length. None takes that of names, keys and tags.
        """
        characters_max = self.limits.name_characters if characters is None else characters
        if len(value) > characters_max:
            self.wrong(field, f"must have at most {characters_max} characters")
        if "\0" in value:
            self.wrong(field, "must not contain the character U+0000")
        return value

    def message(self, value: str, field: str) -> str:
        """Check the message of a state, which is measured in bytes."""
        bytes_max = self.limits.state_message_bytes
        if len(value) > bytes_max or (not value.isascii() and len(value.encode()) > bytes_max):
            self.wrong(field, f"must have at most {bytes_max} bytes")
        if "\0" in value:
            self.wrong(field, "must not contain the character U+0000")
        return value

    def texts(self, values: Collection[str], field: str) -> tuple[str, ...]:
        """Check a list of texts, not too long and each no longer than a name."""
        values = self.members(values, field)
        return tuple(self.text(value, f"{field}[{index}]") for index, value in enumerate(values))

    def tags(self, values: Collection[str], field: str) -> tuple[str, ...]:
        """Check the tags of something."""
        values = self.members(values, field, self.limits.tags)
        return tuple(self.text(value, f"{field}[{index}]") for index, value in enumerate(values))

    def flow_name(self, value: str, field: str) -> str:
        """Check a name for a new flow."""
        if _BANNED_IN_FLOW_NAMES(value):
            self.wrong(field, "must not contain any of / % & < >")
        return self.text(value, field)

    def variable_name(self, value: str, field: str) -> str:
        """Check a name for a new variable."""
        if not _VARIABLE_NAME(value):
            self.wrong(field, "must consist of lower-case letters, digits and underscores")
        return self.text(value, field)

    def cache_key(self, value: str, field: str) -> str:
        """Check a key under which a result is kept."""
        return self.text(value, field, self.limits.cache_key_characters)

    def required_text(self, value: str, field: str) -> str:
        """Check a name by which something is looked up."""
        if not value:
            self.wrong(field, "is required")
        return self.text(value, field)

    def input_key(self, value: str, field: str) -> str:
        """Check a key for a new input."""
        if not _INPUT_KEY(value):
            self.wrong(field, "must consist of lower-case letters, digits and dashes")
        return self.text(value, field)

    def json(self, value: str, field: str) -> str:
        """Check for one JSON text; return it as it is."""
        if fault := json_text.fault_in_value(value, self.limits.json_bytes):
            self.wrong(field, fault)
        return value

    def json_object(self, value: str, field: str) -> str:
        """Check for one JSON object text; return it as it is."""
        if fault := json_text.fault_in_object(value, self.limits.json_bytes):
            self.wrong(field, fault)
        return value

    def count(self, value: int, field: str) -> int:
        """Check that a number is not negative."""
        if value < 0:
            self.wrong(field, "must not be negative")
        return value

    def choice(self, number: int, meanings: Mapping[int, T], field: str) -> T:
        """Check for a known number of an enum; return what it means.

        Args:
            number: The number on the wire.
            meanings: What the numbers mean; those that are missing are refused.
            field: The path of the field.
        """
        try:
            return meanings[number]
        except KeyError:
            known = ", ".join(map(str, meanings))
            self.wrong(field, f"must be a known value, one of the numbers {known}")
            return next(iter(meanings.values()))

    def mask(self, paths: Collection[str], known: Collection[str], field: str) -> frozenset[str]:
        """Check which fields are to be replaced; `*` stands for all that are known."""
        if not paths:
            self.wrong(field, "is required, and must name at least one field")
        for index, path in enumerate(paths):
            if path != "*" and path not in known:
                self.wrong(f"{field}.paths[{index}]", f"must be one of *, {', '.join(known)}")
        return frozenset(known if "*" in paths else paths)
