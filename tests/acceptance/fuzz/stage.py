"""A stage for bad requests: things that exist on the server, and a valid request of each method about them."""

from collections.abc import Sequence
from uuid import uuid4

import grpc.aio
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from headgate import v1 as pb
from tests.service.world import COMPLETED, RUNNING, World, keyset, paused

SCHEMA = (
    '{"type": "object", "properties": {"approve": {"type": "boolean"}}, "required": ["approve"]}'
)


class Stage:
    """Some flows, runs, inputs and variables."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._world = World(channel)
        self._flow = self._spare_flow = pb.Flow()
        self._running = self._scheduled = self._paused = self._spare = pb.FlowRun()
        self._variable = ""
        self._tokens: list[str] = []
        self._request_id = ""

    async def set_up(self) -> None:
        """Make everything anew, for bad requests may have deleted what was there."""
        world = self._world
        self._flow, self._spare_flow = await world.new_flow(), await world.new_flow()
        of_flow = {"flow_id": self._flow.id, "tags": ["kept"], "parameters_json": '{"a": 1}'}
        self._request_id = str(uuid4())
        self._running = await world.new_run(RUNNING, request_id=self._request_id, **of_flow)
        self._scheduled = await world.new_run(
            pb.STATE_TYPE_SCHEDULED, idempotency_key="once", deployment_id=str(uuid4()), **of_flow
        )
        self._spare = await world.new_run(COMPLETED, **of_flow)
        self._paused = await world.new_run(RUNNING, **of_flow)
        asked = paused("1", run_input_keyset=keyset("1"))
        schema = pb.NewFlowRunInput(key=keyset("1").schema, value_json=SCHEMA)
        await world.propose(self._paused, asked, inputs=[schema])
        self._variable = f"v_{uuid4().hex}"
        await world.variables.CreateVariable(
            pb.CreateVariableRequest(name=self._variable, value="1")
        )
        page = await world.runs.ListFlowRuns(pb.ListFlowRunsRequest(page_size=1))
        watch = world.watch(flow_run_ids=[self._running.id], send_initial_state=True)
        self._tokens = [page.next_page_token, await watch.settled(), await watch.settled()]
        watch.cancel()

    def known(self) -> Sequence[str]:
        """Return ids, tokens, names and keys that mean something to the server."""
        runs = (self._running, self._scheduled, self._paused, self._spare)
        return [
            *(run.id for run in runs),
            *(self._flow.id, self._spare_flow.id, self._request_id),
            *(self._variable, keyset("1").schema, "once", "kept"),
            *self._tokens,
        ]

    def valid(self, method: str) -> Message:
        """Return a request that the server would carry out."""
        made = getattr(self, f"_{method}", None)
        request = made() if made else self._about_a_run(method)
        assert isinstance(request, Message)
        return request

    def _about_a_run(self, method: str) -> Message:
        """Return a request that needs nothing but a run, if it needs that."""
        request: Message = getattr(pb, f"{method}Request")()
        if "flow_run_id" in request.DESCRIPTOR.fields_by_name:
            request = type(request)(flow_run_id=self._running.id)
        return request

    def _CreateFlowRun(self) -> Message:  # noqa: N802 - named as the method
        state = pb.ProposedState(type=pb.STATE_TYPE_SCHEDULED, details=pb.StateDetails())
        return pb.CreateFlowRunRequest(flow_id=self._flow.id, state=state, parameters_json="{}")

    def _DeleteFlowRun(self) -> Message:  # noqa: N802
        return pb.DeleteFlowRunRequest(flow_run_id=self._spare.id)

    def _UpdateFlowRun(self) -> Message:  # noqa: N802
        run = pb.FlowRun(id=self._scheduled.id, name="new", job_variables_json="{}")
        run.policy.retries = 1
        return pb.UpdateFlowRunRequest(flow_run=run, update_mask=FieldMask(paths=["*"]))

    def _SetFlowRunState(self) -> Message:  # noqa: N802
        details = pb.StateDetails(transition_id="", pause_key="2", run_input_keyset=keyset("2"))
        return pb.SetFlowRunStateRequest(
            flow_run_id=self._running.id,
            state=pb.ProposedState(type=RUNNING, details=details, data_json="{}"),
            inputs=[pb.NewFlowRunInput(key=str(uuid4()), value_json="1")],
        )

    def _ResumeFlowRun(self) -> Message:  # noqa: N802
        return pb.ResumeFlowRunRequest(flow_run_id=self._paused.id, run_input_json="{}")

    def _WaitFlowRuns(self) -> Message:  # noqa: N802
        return pb.WaitFlowRunsRequest(flow_run_ids=[self._spare.id])

    def _CreateFlowRunInput(self) -> Message:  # noqa: N802
        left = pb.NewFlowRunInput(key=str(uuid4()), value_json="1", sender="a")
        return pb.CreateFlowRunInputRequest(flow_run_id=self._running.id, input=left)

    def _CreateFlow(self) -> Message:  # noqa: N802
        return pb.CreateFlowRequest(name=self._flow.name, tags=["a"])

    def _GetFlow(self) -> Message:  # noqa: N802
        return pb.GetFlowRequest(flow_id=self._flow.id)

    def _UpdateFlow(self) -> Message:  # noqa: N802
        return pb.UpdateFlowRequest(flow_id=self._flow.id, tags=["a"])

    def _DeleteFlow(self) -> Message:  # noqa: N802
        return pb.DeleteFlowRequest(flow_id=self._spare_flow.id)

    def _CreateVariable(self) -> Message:  # noqa: N802
        return pb.CreateVariableRequest(name=f"v_{uuid4().hex}", value="1")

    def _GetVariable(self) -> Message:  # noqa: N802
        return pb.GetVariableRequest(name=self._variable)

    def _UpdateVariable(self) -> Message:  # noqa: N802
        return pb.UpdateVariableRequest(
            name=self._variable, value="2", update_mask=FieldMask(paths=["*"])
        )

    def _DeleteVariable(self) -> Message:  # noqa: N802
        return pb.DeleteVariableRequest(name=self._variable)
