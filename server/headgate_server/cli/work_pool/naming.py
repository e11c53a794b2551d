"""How a command line names pools and queues, and options that several commands share."""

from typing import Annotated, TypeAlias

import typer

from headgate import UNSET, Unset

# fmt: off
Pool: TypeAlias = Annotated[str, typer.Argument(metavar="POOL", help="The name of the work pool.", show_default=False)]
Queue: TypeAlias = Annotated[str, typer.Argument(metavar="QUEUE", help="The name of the work queue.", show_default=False)]
Limit: TypeAlias = Annotated[int | None, typer.Option("--concurrency-limit", min=0, metavar="N", help="How many of its runs may be RUNNING or PENDING at once.")]
NoLimit: TypeAlias = Annotated[bool, typer.Option("--no-concurrency-limit", help="Any number of its runs may be RUNNING or PENDING.")]
# fmt: on


def new_limit(limit: int | None, *, is_lifted: bool) -> int | Unset | None:
    """Return the limit that options ask for; unset if they ask for none."""
    if limit is not None and is_lifted:
        raise typer.BadParameter(
            "--concurrency-limit and --no-concurrency-limit exclude each other."
        )
    return None if is_lifted else UNSET if limit is None else limit


def limit_text(limit: int | None) -> str:
    """Return a limit in words."""
    return "-" if limit is None else str(limit)
