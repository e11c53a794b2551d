"""What the comments of the contract promise, read from its source."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

PROTOS: Final = Path(__file__).parents[2] / "protos" / "headgate" / "v1"
_COMMENTED: Final = re.compile(r"((?:^[ ]*//.*\n)+)^[ ]*(enum|service|rpc)? ?(\w+)", re.MULTILINE)
_TICKED: Final = re.compile(r"`(\w+)`")


class Promise(NamedTuple):
    """What is said of one reason to refuse."""

    code: str
    metadata: list[set[str]]
    """What may be told along: one of these sets of names."""
    has_retry_info: bool


def promised_reasons() -> dict[str, Promise]:
    """Return what is said of every reason, by its name without the prefix."""
    reasons = {}
    for kind, name, comment in _comments("error_reason.proto"):
        reason = name.removeprefix("ERROR_REASON_")
        if kind or reason in {name, "UNSPECIFIED"}:
            continue
        _, _, facts = comment.partition("Metadata: ")
        reasons[reason] = Promise(
            code=comment.partition(".")[0],
            metadata=[
                set(_TICKED.findall(each)) for each in facts.partition(". ")[0].split(", or ")
            ],
            has_retry_info="`google.rpc.RetryInfo`" in comment,
        )
    return reasons


def promised_refusals() -> dict[str, frozenset[str]]:
    """Return the reasons with which each method may refuse, by `Service/Method`."""
    refusals, service, common = {}, "", frozenset[str]()
    for path in sorted(PROTOS.glob("*_service.proto")):
        for kind, name, comment in _comments(path.name):
            reasons = frozenset(each for each in _TICKED.findall(comment) if each.isupper())
            if kind == "service":
                service, common = name, reasons
            elif kind == "rpc":
                refusals[f"{service}/{name}"] = reasons | common
    return refusals


def _comments(file: str) -> Iterator[tuple[str, str, str]]:
    """Yield keyword, name and comment of what has a comment in a file."""
    for comment, kind, name in _COMMENTED.findall((PROTOS / file).read_text()):
        yield kind, name, " ".join(line.strip(" /") for line in comment.splitlines())
