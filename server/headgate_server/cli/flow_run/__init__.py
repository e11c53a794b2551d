"""`headgate flow-run`: flow runs from a shell."""

import typer

from headgate_server.cli.flow_run import (
    analytics,
    changes,
    making,
    pausing,
    reading,
    resuming,
    watching,
)

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="rich")
for _part in (reading, analytics, watching, making, pausing, resuming, changes):
    app.add_typer(_part.app)


@app.callback()
def flow_run() -> None:
    """List, watch, wait for, pause, resume and otherwise deal with flow runs."""
