"""A validator of JSON Schema (Draft 2020-12) that stops when its time is up.

It is the one of jsonschema. Each step looks at the clock first, and the keywords whose single step
could last for ever, or for the square of what they look at, are written anew.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError, best_match, relevance
from jsonschema.validators import extend
from referencing.jsonschema import EMPTY_REGISTRY, Schema

from headgate_server.forms.budget import Budget
from headgate_server.forms.evaluated import evaluated_items, evaluated_properties
from headgate_server.forms.patterns import Patterns, compile_pattern

__all__ = ["find_fault_of_answer", "find_fault_of_schema"]

_Keyword = Callable[[Any, Any, Any, Any], Iterable[ValidationError] | None]


class _Work:
    """What one validation has at hand."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.patterns = Patterns(budget)


_work: ContextVar[_Work] = ContextVar("_work")
"""Set while a validator works; jsonschema has no place where its keywords could find it."""


def find_fault_of_schema(schema: object, budget: Budget) -> ValidationError | None:
    """Give the first fault that makes a value no schema, if there is one.

    Args:
        schema: The value.
        budget: The time there is.

    Raises:
        ValidationTooLongError: The time was up before.
        PatternTooLargeError: The schema has a pattern that is too large.
    """
    token = _work.set(_Work(budget))
    try:
        return next(_META_VALIDATOR.iter_errors(schema), None)
    finally:
        _work.reset(token)


def find_fault_of_answer(schema: Schema, answer: object, budget: Budget) -> ValidationError | None:
    """Give the fault of an answer that matters most, if there is one.

    Args:
        schema: The schema. Parts of it that name another draft are read as of this one as well.
        answer: The answer.
        budget: The time there is.

    Raises:
        ValidationTooLongError: The time was up before.
        Exception: Anything, where a reference leads into what is no schema.
    """

    def in_time(error: ValidationError) -> Any:
        budget.left()
        return relevance(error)

    token = _work.set(_Work(budget))
    try:
        validator = _Bounded(schema, registry=EMPTY_REGISTRY)
        fault: ValidationError | None = best_match(validator.iter_errors(answer), key=in_time)
    finally:
        _work.reset(token)
    return fault


def _in_time(keyword: _Keyword) -> _Keyword:
    """Let a keyword look at the clock before it begins."""

    def begin(
        validator: Any, operand: Any, value: Any, schema: Any
    ) -> Iterable[ValidationError] | None:
        _work.get().budget.left()
        return keyword(validator, operand, value, schema)

    return begin


def _pattern(_: Any, pattern: Any, text: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(text, str) and not _search(pattern, text):
        yield ValidationError(f"{text!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Any, members: Any, _: Any
) -> Iterator[ValidationError]:
    if not isinstance(members, dict):
        return
    for pattern, schema in patterns.items():
        for name, value in members.items():
            if _search(pattern, name):
                yield from validator.descend(value, schema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, operand: Any, members: Any, schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(members, dict):
        return
    named = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    extras = [
        name
        for name in members
        if name not in named and not any(_search(pattern, name) for pattern in patterns)
    ]
    if isinstance(operand, dict):
        for name in extras:
            yield from validator.descend(members[name], operand, path=name)
    elif not operand and extras:
        if "patternProperties" in schema:
            verb = "does" if len(extras) == 1 else "do"
            wanted = ", ".join(map(repr, sorted(patterns)))
            names = ", ".join(map(repr, sorted(extras)))
            yield ValidationError(f"{names} {verb} not match any of the regexes: {wanted}")
        else:
            told = _unexpected(sorted(extras))
            yield ValidationError(f"Additional properties are not allowed ({told} unexpected)")


def _unevaluated_properties(
    validator: Any, operand: Any, members: Any, schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(members, dict):
        return
    known = evaluated_properties(validator, members, schema, _search)
    extras = [name for name in members if name not in known]
    if not extras:
        return
    if operand is False:
        told = _unexpected(sorted(extras))
        yield ValidationError(f"Unevaluated properties are not allowed ({told} unexpected)")
    else:
        yield ValidationError(
            "Unevaluated properties are not valid under the given schema "
            f"({_unexpected(extras)} unevaluated and invalid)"
        )


def _unevaluated_items(
    validator: Any, _: Any, items: Any, schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(items, list):
        return
    known = evaluated_items(validator, items, schema)
    extras = [item for at, item in enumerate(items) if at not in known]
    if extras:
        yield ValidationError(
            f"Unevaluated items are not allowed ({_unexpected(extras)} unexpected)"
        )


def _unique_items(_: Any, is_asked: Any, items: Any, __: Any) -> Iterator[ValidationError]:
    if not is_asked or not isinstance(items, list):
        return
    budget = _work.get().budget
    seen = set()
    for item in items:
        budget.left()  # numbers can be chosen so that a set of them is slow
        form = _canonical(item)
        if form in seen:
            yield ValidationError(f"{items!r} has non-unique elements")
            return
        seen.add(form)


def _canonical(value: object) -> object:
    """Give a form that is equal for equal JSON values alone, and hashable."""
    match value:
        case bool():
            return (bool, value)
        case list():
            return (list, tuple(map(_canonical, value)))
        case dict():
            return (dict, frozenset((name, _canonical(member)) for name, member in value.items()))
        case _:
            return value


def _unexpected(extras: Iterable[object]) -> str:
    told = [repr(extra) for extra in extras]
    return f"{', '.join(told)} {'was' if len(told) == 1 else 'were'}"


def _search(pattern: str, text: str) -> bool:
    return _work.get().patterns.search(pattern, text)


def _is_pattern(value: object) -> bool:
    _work.get().budget.left()
    if isinstance(value, str):
        compile_pattern(value)
    return True


_OWN: Final[Mapping[str, _Keyword]] = {
    "additionalProperties": _additional_properties,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "unevaluatedItems": _unevaluated_items,
    "unevaluatedProperties": _unevaluated_properties,
    "uniqueItems": _unique_items,
}

_Bounded: Final[Any] = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        name: _in_time(keyword)
        for name, keyword in {**Draft202012Validator.VALIDATORS, **_OWN}.items()
    },
)

_evolve_freely: Final = _Bounded.evolve


def _evolve(validator: Any, **changes: Any) -> Any:
    """Evolve a validator into one of the same kind, even for a schema that names another draft."""
    _work.get().budget.left()
    evolved = _evolve_freely(validator, **changes)
    if isinstance(evolved, _Bounded):
        return evolved
    return _Bounded(
        evolved.schema,
        format_checker=validator.format_checker,
        registry=EMPTY_REGISTRY,
        _resolver=evolved._resolver,  # noqa: SLF001 - the way evolving hands it on
    )


_Bounded.evolve = _evolve

_FORMATS: Final = FormatChecker(formats=())
"""Formats a schema itself must keep: patterns must be some. The others are for show."""

_FORMATS.checks("regex", raises=re.error)(_is_pattern)

_META_VALIDATOR: Final = _Bounded(
    Draft202012Validator.META_SCHEMA, format_checker=_FORMATS, registry=EMPTY_REGISTRY
)
