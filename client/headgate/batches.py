"""Batches: many flow runs created, moved on or deleted by one call, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Generic, TypeVar
from uuid import UUID

from headgate.errors import CallError
from headgate.models import FlowRun, Id, NewFlowRunInput
from headgate.states import JsonObject, ProposedState

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFlowRun:
    """A flow run that is to be created. The fields are the arguments of `FlowRuns.create`."""

    flow_id: Id
    """The flow that is run."""
    name: str = ""
    """The name. Empty: two random words."""
    state: ProposedState | None = None
    """The first state, which is written without rules. None: PENDING."""
    parameters: JsonObject | None = field(default=None, hash=False)
    """The parameters of the run. None: `{}`."""
    context: JsonObject | None = field(default=None, hash=False)
    """Free facts about the run. None: `{}`."""
    tags: Sequence[str] = ()
    """Labels for finding runs."""
    flow_version: str | None = None
    """The version of the flow's code."""
    deployment_id: Id | None = None
    """The deployment the run belongs to; it is not looked up."""
    parent_task_run_id: Id | None = None
    """For a subflow run: the task run that stands for it in the parent."""
    idempotency_key: str = ""
    """A key, unique within the flow. Empty: none."""
    idempotency_ttl: timedelta | None = None
    """How long the key is held. None: until the run is deleted."""
    retries: int | None = None
    """How often a failure is answered by a retry. None: never."""
    retry_delay: timedelta | None = None
    """The time between a failure and the next attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRunProposal:
    """A state that is to be proposed for a flow run."""

    flow_run_id: Id
    """The run."""
    state: ProposedState
    """The state."""
    force: bool = False
    """Whether to write the state without asking the rules. For repairs."""
    expected_version: int | None = None
    """Consider the state only if the run is at this version. None: at any."""
    inputs: Sequence[NewFlowRunInput] = ()
    """Inputs to create with the state, if and only if it is itself written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRunDeletion:
    """A flow run that is to be deleted."""

    flow_run_id: Id
    """The run."""
    expected_version: int | None = None
    """Delete the run only if it is at this version. None: at any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Generic[ResultT]):
    """What became of many flow runs, each by itself."""

    results: tuple[ResultT | CallError, ...]
    """The answer to each item, or what a call by itself would have raised."""
    flow_run_ids: tuple[UUID | None, ...] = ()
    """The run of each result. None where the item could not be read or made no run."""
    next_page_token: str = ""
    """By filter: goes on after the last of these runs. Empty when none is left."""
    matching_count: int = 0
    """On a dry run: how many runs match."""
    sample: tuple[FlowRun, ...] = ()
    """On a dry run: the newest 20 runs that match, in BASIC view."""

    @property
    def refusals(self) -> Mapping[int, CallError]:
        """What was refused, by its place among the results."""
        return MappingProxyType(
            {
                place: result
                for place, result in enumerate(self.results)
                if isinstance(result, CallError)
            }
        )
