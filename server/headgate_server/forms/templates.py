"""Check and render the Jinja templates that an answer may hold.

Templates see no variables at all. A template that is wrong is an error; one that fails while it
renders is not: its value says so, and the answer's schema decides what that is worth.
"""

from typing import Final

from jinja2 import TemplateSyntaxError, nodes

from headgate_server.forms.sandbox import sandbox
from headgate_server.forms.scales import Scales, TooHeavyError

__all__ = ["InvalidTemplateError", "render_template"]

_LOOPS_MAX: Final = 10
_LOOP_DEPTH_MAX: Final = 2

# To parse and compile takes longer than to render, so it is paid for as well: about 400 templates
# in one input, or 60,000 characters of them.
_TEMPLATE_WEIGHT: Final = 600
_CHARACTER_WEIGHT: Final = 4


class InvalidTemplateError(Exception):
    """The text is no template, or not one that may be rendered here."""


def render_template(text: str, scales: Scales) -> str:
    """Render a template, or give the text back when there is nothing in it to render.

    Args:
        text: The template.
        scales: What the templates of the same input may still build.

    Returns:
        The rendered text; where rendering failed, a text that says why and quotes the template.

    Raises:
        InvalidTemplateError: The syntax is wrong, there are too many loops or too deep ones, or the
            template asks for more than the scales allow.
    """
    is_template = "{{" in text or "{%" in text
    if not is_template and "{#" not in text:
        return text
    try:
        scales.spend(_TEMPLATE_WEIGHT + _CHARACTER_WEIGHT * len(text))
        tree = _parse(text)
        _refuse_many_loops(tree)
        return _render(tree, text, scales) if is_template else text
    except TooHeavyError as error:
        raise InvalidTemplateError(str(error)) from error


def _render(tree: nodes.Template, text: str, scales: Scales) -> str:
    try:
        return sandbox().render(tree, scales)
    except TooHeavyError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever else a template raises is its value
        return (
            f"Failed to render template due to the following error: {error!r}\n"
            f"Template source:\n{text}"
        )


def _parse(text: str) -> nodes.Template:
    try:
        return sandbox().parse(text)
    except RecursionError as error:
        raise InvalidTemplateError("nested too deeply") from error
    except (TemplateSyntaxError, ValueError) as error:  # ValueError: a number of too many digits
        raise InvalidTemplateError(str(error)) from error


def _refuse_many_loops(tree: nodes.Template) -> None:
    """Count the loops, and how deep they lie in each other."""
    count = deepest = 0
    unseen: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while unseen:
        node, depth = unseen.pop()
        if isinstance(node, nodes.For):
            count += 1
            depth += 1
            deepest = max(deepest, depth)
        unseen.extend((child, depth) for child in node.iter_child_nodes())
    if count > _LOOPS_MAX:
        raise InvalidTemplateError(
            f"Contains {count} for loops. "
            f"Templates can contain no more than {_LOOPS_MAX} for loops."
        )
    if deepest > _LOOP_DEPTH_MAX:
        raise InvalidTemplateError(
            f"Contains nested for loops at a depth of {deepest}. "
            f"Templates can nest for loops no more than {_LOOP_DEPTH_MAX} loops deep."
        )
