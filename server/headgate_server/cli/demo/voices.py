"""Voices: what the processes of the demo say, each in a colour of its own."""

from typing import Any, Final

from rich.console import Console
from rich.text import Text

from headgate import StateType
from headgate_server.cli import words
from headgate_server.cli.output import out

_STYLES: Final = {
    "server": "cyan",
    "worker": "blue",
    "watcher 1": "green",
    "watcher 2": "magenta",
    "waiter": "yellow",
    "person": "bold yellow",
}
_WIDTH: Final = max(map(len, _STYLES))


class Voices:
    """Tells the play: in colours on a terminal, as plain lines elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or out()

    def title(self, text: str) -> None:
        """Begin an act."""
        self._console.print()
        self._console.print(Text(text, style="bold"))

    def say(self, who: str, what: str | Text) -> None:
        """Let somebody say something."""
        line = Text.assemble((f"{who:<{_WIDTH}} | ", _STYLES[who]), what)
        self._console.print(line)

    def typed(self, command: str) -> None:
        """Show what is typed into a shell."""
        self.say("person", Text.assemble(("$ ", "dim"), (command, "bold")))

    def change(self, who: str, event: dict[str, Any]) -> None:
        """Tell of a change that a watcher saw."""
        if event["event"] != "state_change":
            return
        state, before = event["state"], event["previous_state_type"]
        told = Text.assemble(
            f"{event['flow_run']['name']}  version {state['version']}: ",
            words.state_type(StateType(before) if before else None),
            " -> ",
            words.state_type(StateType(state["type"])),
        )
        if state["name"].upper() != state["type"]:
            told.append(f"  {state['name']}")
        told.append(f"  {state['message']}" if state["message"] else "")
        self.say(who, told)

    def verdict(self, text: str, *, holds: bool) -> None:
        """Tell whether a promise was kept."""
        mark = ("kept    ", "bold green") if holds else ("BROKEN  ", "bold red")
        self._console.print(Text.assemble(mark, text))
