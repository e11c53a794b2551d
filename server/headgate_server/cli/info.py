"""`headgate info`: what a server is and what it takes."""

from dataclasses import fields
from datetime import timedelta
from typing import Any

import typer
from rich.text import Text

from headgate import ServerInfo
from headgate_server.cli import words
from headgate_server.cli.examples import examples
from headgate_server.cli.options import DEFAULT_TARGET, AsJson, Target, connected
from headgate_server.cli.output import out, print_json

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command(epilog=examples("headgate info", "headgate info --json"))
def info(*, target: Target = DEFAULT_TARGET, as_json: AsJson = False) -> None:
    """Tell what a server is and what it takes."""
    with connected(target) as client:
        told = client.server.get_info()
        if as_json:
            print_json(told)
        else:
            _print_info(client.target, told)


def _print_info(target: str, told: ServerInfo) -> None:
    facts: dict[str, Any] = {
        "target": target,
        "version": told.version,
        "database": told.database_kind,
        "schema": told.schema_revision,
        "epoch": told.epoch,
        "head revision": told.head_revision,
        "oldest revision": told.oldest_revision,
        "watches": told.watch_count,
        "capabilities": ", ".join(told.capabilities),
    }
    limits = {each.name: getattr(told.limits, each.name) for each in fields(told.limits)}
    console = out()
    for name, fact in facts.items():
        console.print(Text.assemble((f"{name:<26}", "dim"), str(fact)))
    console.print(Text("limits", style="bold"))
    for name, limit in limits.items():
        text = words.span(limit) if isinstance(limit, timedelta) else str(limit)
        console.print(Text.assemble((f"  {name.replace('_', ' '):<24}", "dim"), text))
