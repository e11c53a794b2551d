"""Examples at the end of a command's help, each a line that can be typed as it stands."""

from typing import Final

from rich.markup import escape

ALL: Final[list[str]] = []
"""Every example of the commands that are loaded."""


def examples(*lines: str) -> str:
    """Return the end of a command's help."""
    ALL.extend(lines)
    return "\n".join(["[bold]Examples[/]", *(escape(f"  $ {line}") for line in lines)])
