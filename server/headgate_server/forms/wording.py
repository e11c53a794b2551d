"""How long a reason may be that quotes what somebody sent."""

from typing import Final

__all__ = ["REASON_LENGTH_MAX", "shorten"]

REASON_LENGTH_MAX: Final = 2000
"""Characters in a quoting reason. Enough to find the fault, far below any message size limit."""

_GAP: Final = " […] "


def shorten(text: str) -> str:
    """Make a text fit to be sent: not too long, and encodable as UTF-8.

    The middle goes first, because quoted values stand in front and the complaint stands behind.

    Args:
        text: A reason that may quote a whole answer, or half of a surrogate pair.

    Returns:
        The text itself where nothing is wrong with it.
    """
    if len(text) > REASON_LENGTH_MAX:
        half = (REASON_LENGTH_MAX - len(_GAP)) // 2
        text = text[:half] + _GAP + text[-half:]
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
