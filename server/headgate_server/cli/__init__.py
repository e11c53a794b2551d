"""The program `headgate`: it serves, and it does from a shell what a client does.

A command is loaded when it is called, so that help and completion need not wait for what they do not use.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from headgate_server.cli.outcomes import ExitCode, exit_code, is_expected, table
from headgate_server.cli.output import print_error

# The transport tells its troubles on the standard error, beside what we say about them.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

_COMMANDS: Final = {
    "serve": "Run the server.",
    "demo": "Play two real jobs against a server of their own, and check what headgate promises.",
    "flow-run": "List, watch, wait for, pause, resume and otherwise deal with flow runs.",
    "task-run": "List, show and watch task runs.",
    "flow": "List and create flows.",
    "deployment": "List, create, run, schedule, pause and delete deployments.",
    "work-pool": "List, create, pause and delete work pools and their queues, and see what is due.",
    "top": "Show runs by state, late runs, changes, work queues and watches, live until Ctrl-C.",
    "info": "Tell what a server is and what it takes.",
    "db": "Look after the database.",
}
"""The commands with their help, in the order of the help. Each is the `app` of the module of its name."""

_EPILOG: Final = "\n".join(
    [
        "Commands that talk to a server find it by --target or HEADGATE_TARGET. With",
        "--json they print one JSON object a line, also for errors.",
        "",
        "[bold]Exit codes[/]",
        *(f"  {line}" for line in table()),
    ]
)


class _Commands(TyperGroup):
    """The commands; each is loaded when it is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the name, the command itself instead of what stands for it, and its arguments."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and name in _COMMANDS:
            module = import_module(f"headgate_server.cli.{name.replace('-', '_')}")
            command = get_command(module.app)
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command that is called. Nobody is told that the reader of the output has seen enough."""
        try:
            ended = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Nor may Python try to write the rest when it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return None
        return ended


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _help in _COMMANDS.items():
    app.command(_name, help=_help)(lambda: None)


def _print_version(value: bool) -> None:  # noqa: FBT001  Typer calls it so
    if value:
        print(f"headgate {version('headgate')}")  # noqa: T201
        raise typer.Exit


@app.callback()
def headgate(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Keep the truth about flow runs, their states and their inputs: a gRPC service that can be watched."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit.

    Args:
        arguments: The command line without the program. None: that of this process.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    sys.exit(_run(given))


def _run(arguments: list[str]) -> int:
    """Run the program and return how it ended."""
    try:
        ended = app(args=arguments, prog_name="headgate", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001  the last border
        # Whoever typed no command was shown the help instead.
        if type(error).__name__ != "NoArgsIsHelpError":
            _tell(error, is_json="--json" in arguments)
        return exit_code(error)
    return int(ended or 0)


def _tell(error: Exception, *, is_json: bool) -> None:
    """Print an error, with the place in the program if it is a fault of the program."""
    if is_expected(error):
        print_error(error, is_json=is_json)
    else:
        traceback.print_exception(error)
