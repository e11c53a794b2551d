import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rich.console import Console

from headgate_server.cli.asking import ask, show_question
from headgate_server.cli.questions import Question

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the lines that the person is going to type."""
    lines: list[str] = []
    typed: Iterator[str] = iter(lines)
    monkeypatch.setattr("builtins.input", lambda _prompt="": next(typed))
    return lines


def question(**properties: Any) -> Question:
    required = [name for name, member in properties.items() if member.pop("is_required", False)]
    schema = {"type": "object", "properties": properties, "required": required}
    return Question(version=3, key="k", description="Shall it go on?", schema=schema)


def shown_on(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_question_is_shown_with_its_description(console: Console) -> None:
    show_question(console, question())

    assert "Shall it go on?" in shown_on(console)


def test_a_field_is_asked_for_with_everything_that_is_known_of_it(
    console: Console, answers: list[str]
) -> None:
    answers += ["yes"]
    asked = question(
        go={
            "type": "boolean",
            "title": "Go on",
            "description": "It cannot be undone.",
            "is_required": True,
        }
    )

    assert ask(console, asked, {}) == {"go": True}
    assert shown_on(console).splitlines()[:2] == [
        "go Go on (yes or no)",
        "  It cannot be undone.",
    ]


def test_a_text_that_cannot_be_read_is_asked_for_again(
    console: Console, answers: list[str]
) -> None:
    answers += ["many", "3"]

    assert ask(console, question(count={"type": "integer"}), {}) == {"count": 3}
    assert "Not so: expected a whole number." in shown_on(console)


def test_a_field_that_is_required_is_asked_for_until_it_is_there(
    console: Console, answers: list[str]
) -> None:
    answers += ["", '""']

    assert ask(console, question(name={"type": "string", "is_required": True}), {}) == {"name": ""}
    assert 'It is required. An empty text is "".' in shown_on(console)


def test_a_field_that_is_not_required_may_be_left_out(console: Console, answers: list[str]) -> None:
    answers += [""]

    assert ask(console, question(name={"type": "string"}), {}) == {}
    assert "Enter leaves it out" in shown_on(console)


def test_a_default_is_taken_by_enter(console: Console, answers: list[str]) -> None:
    answers += [""]

    assert ask(console, question(size={"enum": ["s", "l"], "default": "l"}), {}) == {"size": "l"}
    assert "(one of s, l; Enter means l)" in shown_on(console)


def test_what_was_answered_before_is_offered_again(console: Console, answers: list[str]) -> None:
    answers += ["", "4"]
    asked = question(name={"type": "string", "default": "x"}, count={"type": "integer"})

    assert ask(console, asked, {"name": "y", "count": 3}) == {"name": "y", "count": 4}
    assert "Enter means y" in shown_on(console)


def test_a_schema_without_members_asks_for_a_whole_object(
    console: Console, answers: list[str]
) -> None:
    answers += ["[]", '{"a": [1]}']
    free = Question(version=1, key="k", description=None, schema={"type": "object"})

    assert ask(console, free, {}) == {"a": [1]}
    assert "Not so: expected a JSON object." in shown_on(console)
