"""`headgate deployment`: deployments from a shell."""

import typer

from headgate_server.cli.deployment import changing, reading, running

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="rich")
for _part in (reading, changing, running):
    app.add_typer(_part.app)


@app.callback()
def deployment() -> None:
    """List, create, run, schedule, pause and delete deployments: flows that are ready to be run."""
