"""The audit: what the service says in the end, held against what callers and watchers know for certain."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import grpc.aio

from headgate import v1 as pb
from tests.acceptance.ledger import Ledger
from tests.acceptance.observers import Observer

History = list[tuple[int, str]]
"""The states of a run as version and id, in order."""


class Audit:
    """Reads what the service says."""

    def __init__(self, channel: grpc.aio.Channel, ledger: Ledger) -> None:
        self._runs = pb.FlowRunServiceStub(channel)
        self._inputs = pb.FlowRunInputServiceStub(channel)
        self._server = pb.ServerServiceStub(channel)
        self._ledger = ledger
        self._checked: dict[str, int] = defaultdict(int)

    async def head(self) -> int:
        """Return the revision of the newest change."""
        request = pb.GetServerInfoRequest()
        return (await self._server.GetServerInfo(request, wait_for_ready=True)).head_revision

    async def check_news(self) -> None:
        """Check the runs of which something was acknowledged since the last time. Others may write meanwhile."""
        news = [
            run_id
            for run_id, states in self._ledger.states.items()
            if len(states) != self._checked[run_id] and run_id not in self._ledger.doomed
        ]
        for run_id in news:
            self._checked[run_id] = len(self._ledger.states[run_id])
        await asyncio.gather(*(self._check_run(run_id) for run_id in news))

    async def check_runs(self) -> dict[str, list[pb.State]]:
        """Check every run once nobody writes, and return the histories of those that are left."""
        known = [each for each in self._ledger.states if each not in self._ledger.doomed]
        histories = await asyncio.gather(*(self._check_run(run_id) for run_id in known))
        gone = await asyncio.gather(*(self._states(each) for each in self._ledger.doomed))
        assert not any(gone), "A run that was deleted came back."
        request = pb.CountFlowRunsRequest()
        count = (await self._runs.CountFlowRuns(request, wait_for_ready=True)).count
        assert count == len(known), "There are runs that nobody was told of."
        twice = {key: runs for key, runs in self._ledger.created.items() if len(runs) != 1}
        assert not twice, "One request made several runs."
        return dict(zip(known, histories, strict=True))

    async def check_inputs(self, histories: dict[str, list[pb.State]]) -> None:
        """Check that an input is there if, and only if, the state is that it rode with."""
        expected: dict[str, set[str]] = defaultdict(set)
        for run_id, states in histories.items():
            for state, following in zip(states, [*states[1:], None], strict=True):
                asked = self._ledger.asked.get(state.details.transition_id)
                if asked is not None and asked.input_key:
                    expected[run_id].add(asked.input_key)
                response = state.details.run_input_keyset.response
                if response and following is not None:
                    expected[run_id].add(response)
        kept = await asyncio.gather(*(self.input_keys(run_id) for run_id in histories))
        for run_id, keys in zip(histories, kept, strict=True):
            assert len(set(keys)) == len(keys)
            assert set(keys) == expected[run_id]
            assert self._ledger.answers[run_id] <= set(keys)

    async def _check_run(self, run_id: str) -> list[pb.State]:
        """Check one run, and return its history."""
        acknowledged = set(self._ledger.states[run_id].items())
        run = await self._run(run_id)
        states = await self._states(run_id)
        if run is None or not states:
            assert run_id in self._ledger.doomed, f"run {run_id} is lost"
            return []
        assert [state.version for state in states] == list(range(1, len(states) + 1))
        assert states[run.version - 1].id == run.state.id
        history = _history(states)
        assert acknowledged <= set(history), f"run {run_id} lost acknowledged states"
        times = [state.timestamp.ToMicroseconds() for state in states]
        assert times == sorted(set(times))
        transitions = [each for state in states if (each := state.details.transition_id)]
        assert len(transitions) == len(set(transitions)), "One transition was made twice."
        return states

    async def _run(self, run_id: str) -> pb.FlowRun | None:
        request = pb.GetFlowRunRequest(flow_run_id=run_id)
        try:
            return (await self._runs.GetFlowRun(request, wait_for_ready=True)).flow_run
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise

    async def _states(self, run_id: str) -> list[pb.State]:
        states: list[pb.State] = []
        request = pb.ListFlowRunStatesRequest(flow_run_id=run_id, page_size=1000)
        while True:
            page = await self._runs.ListFlowRunStates(request, wait_for_ready=True)
            states += page.states
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return states

    async def input_keys(self, run_id: str) -> list[str]:
        """Return the keys of the inputs of a run, oldest first."""
        keys: list[str] = []
        request = pb.ListFlowRunInputsRequest(flow_run_id=run_id, page_size=1000)
        while True:
            page = await self._inputs.ListFlowRunInputs(request, wait_for_ready=True)
            keys += [each.key for each in page.inputs]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return keys


def check_watched(
    observer: Observer, histories: dict[str, list[pb.State]], deleted: Collection[str]
) -> None:
    """Check that a watcher saw each state of each run once and in order, and nothing else."""
    seen: dict[str, History] = defaultdict(list)
    seen_to_end = set()
    began_at = {
        each.snapshot.flow_run.id: each.snapshot.flow_run.version for each in observer.snapshots
    }
    for message in observer.seen:
        if message.WhichOneof("event") == "deleted":
            seen_to_end.add(message.deleted.flow_run.id)
            continue
        change = message.state_change
        assert change.flow_run.id not in seen_to_end
        seen[change.flow_run.id].append((change.state.version, change.state.id))
    assert seen_to_end == set(deleted)
    for run_id in deleted:
        versions = [version for version, _ in seen.pop(run_id)]
        assert versions == list(range(1, len(versions) + 1))
    assert seen == {
        run_id: _history(states)[began_at.get(run_id, 0) :] for run_id, states in histories.items()
    }


def _history(states: Sequence[Any]) -> History:
    return [(state.version, state.id) for state in states]
