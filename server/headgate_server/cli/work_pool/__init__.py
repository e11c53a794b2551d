"""`headgate work-pool`: work pools, their queues and their workers from a shell."""

import typer

from headgate_server.cli.work_pool import changing, due, queues, reading

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="rich")
for _part in (reading, changing, due):
    app.add_typer(_part.app)
app.add_typer(queues.app, name="queue")


@app.callback()
def work_pool() -> None:
    """List, create, pause and delete work pools and their queues, and see what is due."""
