"""`headgate task-run`: task runs from a shell."""

import typer

from headgate_server.cli.task_run import reading, watching

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="rich")
for _part in (reading, watching):
    app.add_typer(_part.app)


@app.callback()
def task_run() -> None:
    """List, show and watch task runs, the executions of tasks within flow runs."""
