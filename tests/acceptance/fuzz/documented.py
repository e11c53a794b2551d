"""What the contract says about how each method may refuse a call, read from its comments."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PROTOS: Final = Path(__file__).parents[3] / "protos/headgate/v1"
_NAMED: Final = re.compile(r"((?:^[ ]*//.*\n)+)[ ]*(service|rpc) (\w+)", re.MULTILINE)
_REASON: Final = re.compile(r"((?:^[ ]*//.*\n)+)[ ]*ERROR_REASON_(\w+) = ", re.MULTILINE)
_QUOTED: Final = re.compile(r"`([\w.]+)`")


def codes() -> dict[str, str]:
    """Return the status code that goes with each reason."""
    text = (_PROTOS / "error_reason.proto").read_text()
    return {
        reason: comment.split("//")[1].split(".")[0].strip()
        for comment, reason in _REASON.findall(text)
    }


def reasons() -> Mapping[str, frozenset[str]]:
    """Return the reasons with which each method may refuse a call, by its full name."""
    known = codes()
    quoted: dict[str, set[str]] = {}
    for file in sorted(_PROTOS.glob("*_service.proto")):
        service, of_service = "", set()
        for comment, kind, name in _NAMED.findall(file.read_text()):
            words = set(_QUOTED.findall(comment))
            if kind == "service":
                service, of_service = name, words
            else:
                quoted[f"{service}.{name}"] = words | of_service
    # One method may say that its statuses are those of another.
    for words in quoted.values():
        for other in words & quoted.keys():
            words |= quoted[other]
    return {
        f"/headgate.v1.{method.replace('.', '/')}": frozenset(words & known.keys())
        for method, words in quoted.items()
    }
