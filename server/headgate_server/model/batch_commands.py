"""Batch commands: what callers ask the service to do with many flow runs at once."""

from typing import TypeAlias

from headgate_server.model.commands import Command, CreateFlowRun, DeleteFlowRun, Proposal
from headgate_server.model.errors import HeadgateError
from headgate_server.model.filters import RunQuery
from headgate_server.model.paging import PageRequest
from headgate_server.model.states import ProposedState


class NamedProposal(Proposal, frozen=True, gc=False, kw_only=True):
    """A state proposed for a flow run, by a request that may be repeated."""

    request_id: str | None = None


Creation: TypeAlias = CreateFlowRun | HeadgateError
"""One run to create, or why it cannot be read."""
Proposing: TypeAlias = NamedProposal | HeadgateError
"""One state to propose, or why it cannot be read."""
Deletion: TypeAlias = DeleteFlowRun | HeadgateError
"""One run to delete, or why it cannot be read."""


class ChangeMatching(Command, frozen=True, kw_only=True):
    """Change a page of the flow runs that match, newest first."""

    query: RunQuery
    page: PageRequest
    dry_run: bool = False
    """Only tell what would be changed."""
    request_id: str | None = None


class ProposeMatching(ChangeMatching, frozen=True, kw_only=True):
    """Propose a state for a page of the flow runs that match."""

    state: ProposedState
    force: bool = False


class DeleteMatching(ChangeMatching, frozen=True, kw_only=True):
    """Delete a page of the flow runs that match."""


def item_request_id(request_id: str | None, index: int) -> str | None:
    """Return the request id of one item of a batch, which is nobody's UUID; None if the batch has none."""
    return None if request_id is None else f"{request_id}/{index}"
