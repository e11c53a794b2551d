"""Filters: the conditions on runs that the options of a command line mean."""

from collections.abc import Sequence
from uuid import UUID

from headgate import (
    FlowFilter,
    FlowRunFilter,
    IdFilter,
    NameFilter,
    Operator,
    StateFilter,
    StateType,
    TagsFilter,
    TaskRunFilter,
)
from headgate_server.cli.options import STATE_TYPES


def flow_filter(names: Sequence[str] | None) -> FlowFilter | None:
    """Return the condition that a run is of one of these flows."""
    return FlowFilter(name=NameFilter(any=names)) if names else None


def flow_run_filter(
    states: Sequence[str] | None, name: str | None, tags: Sequence[str] | None
) -> FlowRunFilter | None:
    """Return the conditions on runs.

    Args:
        states: Types of states in any case, or names of states.
        name: A text that the name contains.
        tags: Tags that the run has, all of them.
    """
    if not (states or name or tags):
        return None
    return FlowRunFilter(
        state=state_filter(states) if states else None,
        name=NameFilter(like=name) if name else None,
        tags=TagsFilter(all=tags) if tags else None,
    )


def flow_run_id_filter(ids: Sequence[UUID] | None) -> FlowRunFilter | None:
    """Return the condition that a task run belongs to one of these flow runs."""
    return FlowRunFilter(id=IdFilter(any=ids)) if ids else None


def task_run_filter(
    states: Sequence[str] | None, name: str | None, tags: Sequence[str] | None
) -> TaskRunFilter | None:
    """Return the conditions on task runs; the arguments are as those of `flow_run_filter`."""
    if not (states or name or tags):
        return None
    return TaskRunFilter(
        state=state_filter(states) if states else None,
        name=NameFilter(like=name) if name else None,
        tags=TagsFilter(all=tags) if tags else None,
    )


def state_filter(states: Sequence[str]) -> StateFilter:
    """Return the condition on the current state: a type of state in any case, or the name of one."""
    types = [StateType(state.upper()) for state in states if state.upper() in STATE_TYPES]
    names = [state for state in states if state.upper() not in STATE_TYPES]
    return StateFilter(operator=Operator.OR, type_any=types or None, name_any=names or None)
