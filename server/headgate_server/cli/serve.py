"""`headgate serve`: runs the server until it is told to stop."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import fields
from importlib.metadata import version
from inspect import Parameter, Signature
from typing import Annotated, Any, Final

import structlog
import typer
from rich.markup import escape

from headgate_server import logs
from headgate_server.app import AddressInUseError, App
from headgate_server.cli.databases import prepared, reachable, shown
from headgate_server.cli.examples import examples
from headgate_server.cli.outcomes import ExitCode, ProgramError
from headgate_server.cli.output import err, is_terminal
from headgate_server.settings import Settings

try:
    import uvloop
except ImportError:  # there is none for this platform
    _new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
else:
    _new_event_loop = uvloop.new_event_loop

_LOG: Final = structlog.stdlib.get_logger(__name__)

_METAVARS: Final = {
    "database": "URL",
    "listen": "HOST:PORT",
    "metrics_listen": "HOST:PORT",
    "retention_age": "SPAN|OFF",
    "retention_states": "STATES",
    "timedelta": "SPAN",
    "int": "N",
    "bool": "ON|OFF",
    "str": "WORD",
}
"""What stands for the value of a setting in the help, by its name or else by its type."""

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command a flag for each setting."""
    annotations: dict[str, Any] = {}
    for setting in fields(Settings):
        default = setting.metadata["default"]
        told = f" Default: {default}." if default else ""
        option = typer.Option(
            f"--{setting.name.replace('_', '-')}",
            help=escape(f"{setting.metadata['meaning']}{told}"),
            metavar=_METAVARS.get(setting.name) or _METAVARS[getattr(setting.type, "__name__", "")],
            show_default=False,
        )
        annotations[setting.name] = Annotated[str | None, option]
    command.__annotations__ = annotations
    command.__dict__["__signature__"] = Signature(
        [
            Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, annotation in annotations.items()
        ]
    )
    return command


@app.command(
    epilog=examples(
        "headgate serve",
        "headgate serve --database sqlite:///runs.db --listen 127.0.0.1:0",
        "HEADGATE_LATE_AFTER=1m headgate serve --log-format json",
    )
)
@with_settings
def serve(**flags: str | None) -> None:
    """Run the server until it is told to stop.

    Every setting can also be given in the environment, as HEADGATE_LATE_AFTER
    for --late-after; flags win. The database is a SQLite file among the user's
    data unless told otherwise; it is made and brought up to date by itself, while
    PostgreSQL needs `headgate db upgrade` once.

    SIGTERM or Ctrl-C drain the server: calls under way are finished, watches end
    with a position to go on from. A second Ctrl-C quits at once; what was
    acknowledged is kept all the same.

    With port 0 the log line `serving` tells the port that was free.
    """
    settings = Settings.read(
        os.environ,
        {name.replace("_", "-"): value for name, value in flags.items() if value is not None},
    )
    logs.configure(settings.log_level, settings.log_format)
    _LOG.info("starting", version=version("headgate"), database=shown(settings.database))
    prepared(settings)
    with asyncio.Runner(loop_factory=_new_event_loop) as runner:
        runner.run(_serve(settings))


def collect_seldom() -> None:
    """Have cycles of garbage looked for less often than Python does by itself, and not among what is loaded for good.

    A server makes many objects and few cycles: looking for them took a fifth of the time of large changes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    server = App(settings)
    try:
        await _start(server, settings)
        collect_seldom()
    except BaseException:
        await server.database.close()
        raise
    if is_terminal(sys.stderr):
        _greet(settings, server.port)
    failing = asyncio.create_task(server.failure())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([failing, stopping], return_when=asyncio.FIRST_COMPLETED)
    has_failed = failing.done()
    failing.cancel()
    stopping.cancel()
    await server.stop()
    if has_failed:
        await failing


async def _start(server: App, settings: Settings) -> None:
    """Start a server.

    Raises:
        AddressInUseError: The address is not free.
        ProgramError: The database does not answer, or the address for metrics is not free.
    """
    with reachable(settings):
        try:
            await server.start()
        except AddressInUseError as error:
            error.add_note("Another program listens there; choose another address with --listen.")
            raise
        except OSError as error:
            raise ProgramError(
                f"Cannot serve metrics on {settings.metrics_listen}: {error}",
                ExitCode.ADDRESS_IN_USE,
            ) from error


def _stop_on_signals(stop: asyncio.Event) -> None:
    """Set an event on SIGTERM and on the first Ctrl-C; the second one ends the process."""
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, interrupted)


def _greet(settings: Settings, port: int) -> None:
    """Tell a person where the server is and how to stop it."""
    host = settings.listen.rpartition(":")[0]
    console = err()
    console.print(
        f"[bold]headgate {version('headgate')}[/] serves at [bold green]{escape(f'{host}:{port}')}[/] "
        f"from {escape(shown(settings.database))}"
    )
    console.print("[dim]Stop it with Ctrl-C. In another terminal: headgate flow-run watch[/]")
