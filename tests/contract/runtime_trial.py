"""Run by another Python environment, with nothing but the client's dependencies: does the client work there?

Prints the versions that it ran on, for the test that started it.
"""

import asyncio
import json
import sys
from importlib.metadata import version

from google.protobuf import json_format

import headgate
import headgate.sync
from headgate import v1 as pb


def round_trip() -> None:
    """Send a message through its bytes and through JSON and back."""
    details = pb.StateDetails(pause_key="1", run_input_keyset=pb.RunInputKeyset(schema="s"))
    details.scheduled_time.FromJsonString("2030-01-01T12:00:00.000001Z")
    state = pb.State(type=pb.STATE_TYPE_SCHEDULED, version=2**53 + 1, details=details)
    run = pb.FlowRun(id="x", state=state, tags=["a", "b"], parameters_json='{"n": 1}')
    event = pb.WatchFlowRunsResponse(
        state_change=pb.StateChange(state=state, flow_run=run), resume_token="t"
    )

    assert pb.WatchFlowRunsResponse.FromString(event.SerializeToString()) == event
    text = json_format.MessageToJson(event)
    assert json_format.Parse(text, pb.WatchFlowRunsResponse()) == event


async def talk(target: str) -> None:
    """Play one job against a real server, watched and waited for."""
    async with headgate.Client(target) as client:
        flow = (await client.flows.create("trial")).flow
        run = (await client.flow_runs.create(flow.id, parameters={"n": 2**60 + 1})).flow_run
        assert (await client.flow_runs.get(run.id)).parameters == {"n": 2**60 + 1}
        waiting = asyncio.create_task(client.flow_runs.wait_for_flow_run(run.id, timeout=20))
        for proposed in (headgate.Running(), headgate.Completed()):
            await client.flow_runs.set_state(run.id, proposed)
        ended = (await waiting).state
        assert ended is not None
        assert ended.is_completed
        refusal = None
        try:
            await client.flow_runs.get(flow.id)
        except headgate.FlowRunNotFoundError as error:
            refusal = error
        assert refusal is not None
        assert refusal.metadata["flow_run_id"] == str(flow.id)


def talk_without_asyncio(target: str) -> None:
    """Ask a real server through the blocking face."""
    with headgate.sync.Client(target) as client:
        assert [flow.name for flow in client.flows.list().items] == ["trial"]


if __name__ == "__main__":
    round_trip()
    asyncio.run(talk(sys.argv[1]))
    talk_without_asyncio(sys.argv[1])
    print(json.dumps({name: version(name) for name in ("grpcio", "grpcio-status", "protobuf")}))  # noqa: T201
