"""What the filters mean, judged in memory: for watches, where no database is asked.

The SQL in `headgate_server.storage.filters` means the same, on both databases. Text is compared by code point. `like` ignores
the case of the letters A to Z and of no others, because that is what every database can do alike.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from operator import attrgetter
from typing import Final, Protocol, TypeAlias

import msgspec

from headgate_server.model.filters import (
    FlowFilter,
    FlowRunFilter,
    IdFilter,
    KeyFilter,
    NameFilter,
    Operator,
    PresenceFilter,
    ReferenceFilter,
    RunQuery,
    StateFilter,
    TagsFilter,
    TimeFilter,
)
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.states import State


class Matcher(Protocol):
    """A query made ready to judge many runs."""

    def __call__(
        self,
        run: FlowRun,
        flow: Flow,
        *,
        parent_flow_run_id: str | None = None,
        has_deployments: bool = False,
    ) -> bool:
        """Return whether a run matches.

        Args:
            run: The run.
            flow: The flow of the run.
            parent_flow_run_id: The run whose task run stands for this one; None if there is none.
            has_deployments: Whether a deployment belongs to the flow.
        """


def matches(
    query: RunQuery,
    run: FlowRun,
    flow: Flow,
    *,
    parent_flow_run_id: str | None = None,
    has_deployments: bool = False,
) -> bool:
    """Return whether a run matches a query; `compile_query` is quicker for many runs."""
    return compile_query(query)(
        run, flow, parent_flow_run_id=parent_flow_run_id, has_deployments=has_deployments
    )


def compile_query(query: RunQuery) -> Matcher:
    """Return a function that judges runs by a query. It costs about a microsecond a run."""
    holds = _all_of([
        *([] if query.flows is None else [_flow_condition(query.flows)]),
        *([] if query.flow_runs is None else [_run_condition(query.flow_runs)]),
    ])  # fmt: skip

    def is_match(
        run: FlowRun,
        flow: Flow,
        *,
        parent_flow_run_id: str | None = None,
        has_deployments: bool = False,
    ) -> bool:
        return holds(_Subject(run, flow, parent_flow_run_id, has_deployments))

    return is_match
