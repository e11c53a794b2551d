"""JSON texts of the contract and the Python values they mean.

Numbers stay what they are: an int of any size is an int, and 1.0 is not 1.
"""

import json

from headgate.states import Json, JsonObject


def to_text(value: Json, field: str) -> str:
    """Return a value as a compact JSON text.

    Args:
        value: The value.
        field: How the caller calls the value.

    Raises:
        ValueError: The value holds NaN or Infinity, itself, half a surrogate pair, or something
            that JSON cannot say.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        message = f"{field} is not JSON: {error}"
        raise ValueError(message) from error
    return text


def to_object_text(value: JsonObject, field: str) -> str:
    """Return an object as a compact JSON text.

    Args:
        value: The object.
        field: How the caller calls the object.

    Raises:
        ValueError: The value is no mapping with texts as keys, or holds what JSON cannot say.
    """
    if not isinstance(value, dict):
        try:
            value = dict(value)
        except (TypeError, ValueError):
            message = f"{field} is not a JSON object but {type(value).__name__}."
            raise ValueError(message) from None
    return to_text(value, field)


def from_text(text: str) -> Json:
    """Return the value that a JSON text means."""
    return json.loads(text)


def from_object_text(text: str) -> dict[str, Json]:
    """Return the object that a JSON text means."""
    value: dict[str, Json] = json.loads(text)
    return value
