"""`headgate demo`: two real jobs against a server of their own, on a new SQLite file in a directory that is removed."""

import asyncio
import signal
import sys
from typing import Annotated

import typer

from headgate_server.cli.demo.play import Play
from headgate_server.cli.demo.stage import Stage
from headgate_server.cli.demo.voices import Voices
from headgate_server.cli.examples import examples
from headgate_server.cli.outcomes import ExitCode, ProgramError
from headgate_server.cli.output import is_terminal

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command(epilog=examples("headgate demo"))
def demo(
    *,
    answer: Annotated[
        bool, typer.Option("--answer", help="Answer the first job's question yourself.")
    ] = False,
) -> None:
    """Play two real jobs against a server of their own, and check what headgate promises.

    The first job pauses for a person's decision: a wrong answer is refused with
    the reason, the right one lets it go on. Two watchers in other processes print
    each state as it comes, and a waiter is told the end.

    In the middle of the second job the server is killed and started again: nothing
    that was acknowledged is lost, and job and watchers go on by themselves.

    Ends with 9 if a promise was broken. Everything is removed afterwards.
    """
    if answer and not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        raise typer.BadParameter("--answer needs a terminal to ask at.")
    try:
        broken = asyncio.run(_play(has_person=answer))
    except asyncio.CancelledError:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if broken:
        raise ProgramError(f"{broken} of the promises were broken.", ExitCode.UNFORESEEN)


async def _play(*, has_person: bool) -> int:
    """Play, tell how it went, and return how many promises were broken."""
    # Whoever ends us otherwise than by Ctrl-C still gets everything cleaned up.
    playing = asyncio.current_task()
    assert playing is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
    voices = Voices()
    async with Stage() as stage:
        promises = await Play(stage, voices, has_person=has_person).perform()
    voices.title("What was promised")
    for promise in promises:
        voices.verdict(promise.text, holds=promise.holds)
    return sum(not promise.holds for promise in promises)
