"""Asking: a person at the terminal is shown what a run asks, and answers field by field."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

from headgate import JsonObject
from headgate_server.cli.fields import MISSING, Field, Missing, fields_of, read, shown
from headgate_server.cli.questions import Question


def show_question(console: Console, question: Question) -> None:
    """Show what a run asks."""
    text = question.description or "The run waits for an answer."
    console.print(
        Panel(Text(text), title="The run asks", title_align="left", border_style="yellow")
    )


def ask(console: Console, question: Question, before: JsonObject) -> dict[str, Any]:
    """Ask for each field of an answer, until each can be read.

    Args:
        console: Where to ask.
        question: What is asked.
        before: An answer that was refused; its values are offered again.

    Raises:
        EOFError: The person has closed the input.
    """
    fields = fields_of(question.schema)
    if not fields:
        return _ask_object(console, before)
    answer: dict[str, Any] = {}
    for field in fields:
        value = _ask_field(console, field, before.get(field.name, field.default))
        if not isinstance(value, Missing):
            answer[field.name] = value
    return answer


def _ask_field(console: Console, field: Field, offered: Any) -> Any:
    """Ask for one field, and return its value; MISSING if it is left out."""
    console.print(_heading(field, offered))
    while True:
        text = console.input("[bold yellow]> [/]").strip()
        if not text:
            if not isinstance(offered, Missing):
                return offered
            if not field.is_required:
                return MISSING
            console.print("[red]It is required.[/]" + _hint(field))
            continue
        try:
            return read(field, text)
        except ValueError as error:
            console.print(f"[red]{escape(f'Not so: {error}')}.[/]")


def _hint(field: Field) -> str:
    return ' An empty text is "".' if field.kind == "string" else ""


def _heading(field: Field, offered: Any) -> Text:
    heading = Text.assemble((field.name, "bold"))
    if field.title and field.title.casefold() != field.name.replace("_", " ").casefold():
        heading.append(f" {field.title}")
    notes = [field.expected]
    if not isinstance(offered, Missing):
        notes.append(f"Enter means {shown(offered)}")
    elif not field.is_required:
        notes.append("Enter leaves it out")
    heading.append(f" ({'; '.join(notes)})", style="dim")
    if field.description:
        heading.append(f"\n  {field.description}", style="dim")
    return heading


def _ask_object(console: Console, before: JsonObject) -> dict[str, Any]:
    """Ask for a whole answer, where the schema names no fields."""
    whole = Field(name="answer", kind="object", is_required=True)
    value: dict[str, Any] = _ask_field(console, whole, dict(before) or MISSING)
    return value
