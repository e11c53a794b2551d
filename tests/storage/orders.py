"""The orders of lists, by what their names say."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from headgate_server.model.filters import FlowRunSort
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow, FlowSort

_RUN_KEYS: Final[Mapping[str, Callable[[FlowRun], Any]]] = {
    "ID": lambda run: run.id,
    "START_TIME": lambda run: run.start_time or run.expected_start_time,
    "EXPECTED_START_TIME": lambda run: run.expected_start_time,
    "NAME": lambda run: run.name.encode(),
    "NEXT_SCHEDULED_START_TIME": lambda run: run.next_scheduled_start_time,
    "END_TIME": lambda run: run.end_time,
}
_FLOW_KEYS: Final[Mapping[str, Callable[[Flow], Any]]] = {
    "NAME": lambda flow: flow.name.encode(),
    "CREATED": lambda flow: flow.create_time,
    "UPDATED": lambda flow: flow.update_time,
}


def runs_in_order(runs: Iterable[FlowRun], sort: FlowRunSort) -> list[str]:
    """Return the ids of runs in an order."""
    return _in_order(runs, _RUN_KEYS, sort)


def flows_in_order(flows: Iterable[Flow], sort: FlowSort) -> list[str]:
    """Return the ids of flows in an order."""
    return _in_order(flows, _FLOW_KEYS, sort)


def _in_order(
    items: Iterable[Any], keys: Mapping[str, Callable[[Any], Any]], sort: str
) -> list[str]:
    """Return the ids of items by a key, those without it last, then by id in the same direction."""
    name, direction = sort.rsplit("_", 1)
    key, is_descending = keys[name], direction == "DESC"
    everything = list(items)
    with_key = [each for each in everything if key(each) is not None]
    without_key = [each for each in everything if key(each) is None]
    with_key.sort(key=lambda each: (key(each), each.id), reverse=is_descending)
    without_key.sort(key=lambda each: each.id, reverse=is_descending)
    return [each.id for each in (*with_key, *without_key)]
