"""Versions that callers expect runs to be at."""

from typing import TypeAlias

from headgate import v1 as pb
from headgate_server.rpc.convert.checks import Checks

Expecting: TypeAlias = (
    pb.SetFlowRunStateRequest
    | pb.ResumeFlowRunRequest
    | pb.UpdateFlowRunRequest
    | pb.DeleteFlowRunRequest
    | pb.SetTaskRunStateRequest
    | pb.UpdateTaskRunRequest
    | pb.DeleteTaskRunRequest
    | pb.FlowRunProposal
    | pb.FlowRunDeletion
)
"""The requests that may name a version."""


def read_expected_version(request: Expecting, checks: Checks) -> int | None:
    """Read the version a run must be at; None for any."""
    if not request.HasField("expected_version"):
        return None
    return checks.count(request.expected_version, "expected_version")
