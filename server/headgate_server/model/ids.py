"""Ids: UUIDs of version 7 as text, so that what is made later sorts later."""

from random import getrandbits
from threading import Lock
from time import time_ns
from typing import Final

_RANDOM_BITS: Final = 74
_LOW_BITS: Final = 62
_LOW: Final = (1 << _LOW_BITS) - 1
_HIGH: Final = (1 << (_RANDOM_BITS - _LOW_BITS)) - 1


class _Sequence:
    """Makes ids, each greater than the one before, whatever the clock does meanwhile."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._last = 0
        """The last id without its version and variant: milliseconds, then random bits."""

    def __call__(self) -> str:
        milliseconds = time_ns() // 1_000_000
        with self._lock:
            if milliseconds > self._last >> _RANDOM_BITS:
                self._last = milliseconds << _RANDOM_BITS | getrandbits(_RANDOM_BITS - 1)
            else:
                # The random bits count on from where they are; one bit was left free to make room for that.
                self._last += 1
            made = self._last
        time, random = made >> _RANDOM_BITS, made & _LOW
        return (
            f"{time >> 16:08x}-{time & 0xFFFF:04x}-7{made >> _LOW_BITS & _HIGH:03x}-"
            f"{random >> 48 | 0x8000:04x}-{random & 0xFFFFFFFFFFFF:012x}"
        )


_SEQUENCE: Final = _Sequence()


def new_id() -> str:
    """Return a new id in canonical text, greater than every id this process made before. Safe in any thread."""
    return _SEQUENCE()
