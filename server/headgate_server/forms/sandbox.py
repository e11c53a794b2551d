"""The Jinja environment for templates that strangers send: no reach, and no appetite.

Jinja's own sandbox keeps a template away from the server's objects. It does not keep it from
looping for an hour, nor from doubling a text forty times. So every value that a template makes goes
over the scales, and what could build a huge value in a single step is refused beforehand.
"""

import json
import re
from collections.abc import Callable
from functools import cache
from types import BuiltinMethodType
from typing import Final

from humanize import activate, deactivate
from jinja2 import ChainableUndefined, nodes, pass_context
from jinja2.filters import do_format
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from headgate_server.forms.scales import Scales, TooHeavyError, refuse_heavy

__all__ = ["ARGUMENT_MAX", "RANGE_MAX", "Sandbox", "sandbox"]

RANGE_MAX: Final = 100
"""Numbers that `range` may give."""

ARGUMENT_MAX: Final = 10_000
"""The greatest whole number that filters and built-in methods take: most often it is a width."""

_JSON_INDENT_MAX: Final = 16

_VALUE_FILTERS: Final = frozenset({"default", "d", "select", "reject", "selectattr", "rejectattr"})
"""Filters whose arguments are never widths."""

_WIDE_FORMAT: Final = re.compile(
    r"""
      % (\([^)]{0,100}\))? [-+\ \#0]* \d* \.? (\*|\d{5})  # %99999d, %.99999f, %*d
    | \{ [^{}]* \d{5}                                     # {:99999}
    | \{ [^{}]+ \{                                        # {:{width}}
    """,
    re.VERBOSE,
)
"""Format texts that ask for a width of five digits, or for one that cannot be seen in them."""

_SCOPES: Final = frozenset({"_loop_vars", "_block_vars"})
"""Arguments that Jinja adds to each call, to be seen by functions that ask for the context."""

# No template can spell these as names: they hold spaces.
_SCALES: Final = "the scales"
_WEIGH: Final = "weigh the value"
_SPEND: Final = "spend the weight"
_MODEST: Final = "refuse what is huge"


@cache
def sandbox() -> "Sandbox":
    """Give the one environment, made when it is first asked for. It keeps nothing of a template."""
    return Sandbox()


class Sandbox(ImmutableSandboxedEnvironment):
    """Renders templates without variables, undefined names as nothing, and all within bounds."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self) -> None:
        """Set up filters and globals, with bounded ones in the place of some of Jinja's own."""
        super().__init__(
            undefined=ChainableUndefined,
            extensions=["jinja2_humanize_extension.HumanizeExtension"],
            optimized=False,  # the optimizer computes while it compiles, off the scales
        )
        del self.globals["lipsum"]  # writes as much text as it is asked for
        self.globals["range"] = _short_range
        self.globals["namespace"] = _ClosedNamespace
        self.policies["json.dumps_function"] = _dump
        self.filters["format"] = _format
        self.filters["humanize_activate"] = _speak
        self.filters[_WEIGH] = _weigh
        self.filters[_SPEND] = _spend
        self.filters[_MODEST] = _modest

    def render(self, tree: nodes.Template, scales: Scales) -> str:
        """Render a template.

        Args:
            tree: What `parse` made of the template. It is rewritten, and of no further use.
            scales: What the template's values are charged to.

        Raises:
            TooHeavyError: The template asks for too much.
            Exception: Whatever else the template provokes.
        """
        _Weighing().visit(tree)
        template = self.from_string(tree)
        try:
            return template.render({_SCALES: scales})
        finally:
            deactivate()  # a language once chosen would stay with this thread

    def call(self, context: Context, obj: object, /, *args: object, **kwargs: object) -> object:
        """Call what a template calls, but hand no huge numbers to built-in methods."""
        if isinstance(obj, BuiltinMethodType):
            _modest(args)
            _modest({name: value for name, value in kwargs.items() if name not in _SCOPES})
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """Multiply, raise to a power or format, unless the result is bound to be huge."""
        match operator, left, right:
            case "*", str() | bytes() | list() | tuple(), int():
                refuse_heavy(len(left) * right)
            case "*", int(), str() | bytes() | list() | tuple():
                refuse_heavy(left * len(right))
            case "**", int(), int():
                refuse_heavy(left.bit_length() * right // 8)
            case "%", str() | bytes(), _:
                _refuse_wide_format(left)
            case _:
                pass
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: object) -> Callable[..., str] | None:
        """Wrap `str.format` as Jinja does, unless its fields are wide."""
        wrapped = super().wrap_str_format(value)
        if wrapped is not None:
            _refuse_wide_format(getattr(value, "__self__", None))
        return wrapped


class _Weighing(NodeTransformer):
    """Rewrite a template so that each value it makes goes over the scales."""

    def visit(self, node: nodes.Node) -> nodes.Node:
        self.generic_visit(node)
        match node:
            case nodes.Output():
                node.nodes = [weighed for child in node.nodes for weighed in _weigh_output(child)]
            case nodes.CallBlock(call=nodes.Filter(node=nodes.Call() as call)):
                node.call = call  # only a bare call can be handed the block
            case nodes.Const() | nodes.TemplateData() | nodes.Slice() | nodes.NSRef():
                pass
            case nodes.Expr() if getattr(node, "ctx", "load") == "load":
                if isinstance(node, nodes.Filter):
                    _restrain(node)
                return _through(_WEIGH, node, node)
            case _:
                pass
        return node


def _weigh_output(child: nodes.Expr) -> list[nodes.Expr]:
    """Charge for text between expressions too, as often as a loop repeats it."""
    match child:
        case nodes.TemplateData():
            return [_through(_SPEND, nodes.Const(len(child.data)), child), child]
        case nodes.Const():
            return [_through(_WEIGH, child, child)]
        case _:
            return [child]


def _restrain(node: nodes.Filter) -> None:
    """Keep a filter's arguments modest, and weigh the text that a filter block takes."""
    if node.node is None:
        node.node = _through(_WEIGH, None, node)
    if node.name not in _VALUE_FILTERS:
        node.args = [_through(_MODEST, argument, node) for argument in node.args]
        for keyword in node.kwargs:
            keyword.value = _through(_MODEST, keyword.value, node)
        if node.dyn_args is not None:
            node.dyn_args = _through(_MODEST, node.dyn_args, node)
        if node.dyn_kwargs is not None:
            node.dyn_kwargs = _through(_MODEST, node.dyn_kwargs, node)


def _through(name: str, node: nodes.Expr | None, place: nodes.Node) -> nodes.Filter:
    """Put a filter of ours around an expression; None is the text of the block around it."""
    attributes = {"lineno": place.lineno, "environment": place.environment}
    return nodes.Filter(node, name, [], [], None, None, **attributes)


@pass_context
def _weigh(context: Context, value: object) -> object:
    scales: Scales = context[_SCALES]
    return scales.weigh(value)


@pass_context
def _spend(context: Context, weight: int) -> str:
    scales: Scales = context[_SCALES]
    scales.spend(weight)
    return ""


def _modest(value: object) -> object:
    """Give an argument on, unless it is a huge number or a format text with wide fields."""
    match value:
        case int() if value > ARGUMENT_MAX:
            raise TooHeavyError(f"A template may pass on no number above {ARGUMENT_MAX}.")
        case str() | bytes():
            _refuse_wide_format(value)
        case list() | tuple():
            for member in value:
                _modest(member)
        case dict():
            _modest(list(value.values()))
        case _:
            pass
    return value


def _refuse_wide_format(text: object) -> None:
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    if isinstance(text, str) and _WIDE_FORMAT.search(text):
        raise TooHeavyError(
            "A format in the template is wider than four digits, or of no fixed width."
        )


def _short_range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > RANGE_MAX:
        raise OverflowError(f"Range too big. A template may count no further than {RANGE_MAX}.")
    return numbers


def _format(text: str, /, *args: object, **kwargs: object) -> str:
    _refuse_wide_format(text)
    return do_format(text, *args, **kwargs)


def _dump(value: object, *, indent: int | None = None, sort_keys: bool = False) -> str:
    if indent is not None and indent > _JSON_INDENT_MAX:
        raise TooHeavyError(f"JSON in a template is indented by {_JSON_INDENT_MAX} at most.")
    return json.dumps(value, indent=indent, sort_keys=sort_keys)


def _speak(locale: str) -> object:
    """Choose the language of the rendering. Unlike humanize's own, it reads no other directory."""
    return activate(locale)


class _ClosedNamespace(Namespace):
    """A namespace that does not write down what it holds, as that cannot be weighed."""

    def __repr__(self) -> str:
        return "<Namespace>"
