"""Every unary method carries what is asked to its operation, and the answer back."""

from datetime import timedelta

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from headgate import v1 as pb
from headgate_server.model.commands import (
    CreateFlow,
    CreateInput,
    CreateVariable,
    DeleteFlow,
    DeleteInput,
    DeleteVariable,
    UpdateVariable,
)
from headgate_server.model.filters import FlowFilter, RunQuery
from headgate_server.model.flows import FlowSort
from headgate_server.model.inputs import NewFlowRunInput
from headgate_server.model.paging import Page
from headgate_server.operations.inputs import ChangedInput
from headgate_server.operations.waiting import WaitOutcome
from tests.fakes_operations import Door
from tests.rpc.called import FIRST_PAGE, FLOW, INFO, INPUT, NEXT, RUN, VARIABLE, Call
from tests.rpc.run_calls import RUN_CALLS

CALLS = RUN_CALLS | {
    "CreateFlow": Call(
        pb.FlowServiceStub,
        pb.CreateFlowRequest(name="a"),
        lambda door: door.flows,
        "create",
        (CreateFlow(name="a"),),
        (FLOW, True),
        lambda response: (response.flow.id, response.created),
        (FLOW.id, True),
    ),
    "GetFlow": Call(
        pb.FlowServiceStub,
        pb.GetFlowRequest(name="a"),
        lambda door: door.flows,
        "get",
        (None, "a"),
        FLOW,
        lambda response: response.flow.id,
        FLOW.id,
    ),
    "ListFlows": Call(
        pb.FlowServiceStub,
        pb.ListFlowsRequest(flows=pb.FlowFilter()),
        lambda door: door.flows,
        "list_page",
        (RunQuery(flows=FlowFilter()), FlowSort.NAME_ASC, FIRST_PAGE),
        Page(items=(FLOW,), next_token=NEXT),
        lambda response: ([flow.id for flow in response.flows], response.next_page_token),
        ([FLOW.id], NEXT),
    ),
    "CountFlows": Call(
        pb.FlowServiceStub,
        pb.CountFlowsRequest(),
        lambda door: door.flows,
        "count",
        (RunQuery(),),
        7,
        lambda response: response.count,
        7,
    ),
    "UpdateFlow": Call(
        pb.FlowServiceStub,
        pb.UpdateFlowRequest(flow_id=FLOW.id, tags=["a"]),
        lambda door: door.flows,
        "update_tags",
        (FLOW.id, ("a",)),
        FLOW,
        lambda response: response.flow.id,
        FLOW.id,
    ),
    "DeleteFlow": Call(
        pb.FlowServiceStub,
        pb.DeleteFlowRequest(flow_id=FLOW.id),
        lambda door: door.flows,
        "delete",
        (DeleteFlow(flow_id=FLOW.id),),
        3,
        lambda response: response.deleted_flow_runs,
        3,
    ),
    "CreateFlowRunInput": Call(
        pb.FlowRunInputServiceStub,
        pb.CreateFlowRunInputRequest(
            flow_run_id=RUN.id, input=pb.NewFlowRunInput(key="key", value_json="1")
        ),
        lambda door: door.inputs,
        "create",
        (CreateInput(flow_run_id=RUN.id, input=NewFlowRunInput(key="key", value_json="1")),),
        ChangedInput(input=INPUT, revision=5),
        lambda response: (response.input.id, response.revision),
        (INPUT.id, 5),
    ),
    "GetFlowRunInput": Call(
        pb.FlowRunInputServiceStub,
        pb.GetFlowRunInputRequest(flow_run_id=RUN.id, key="key"),
        lambda door: door.inputs,
        "get",
        (RUN.id, "key"),
        INPUT,
        lambda response: response.input.id,
        INPUT.id,
    ),
    "ListFlowRunInputs": Call(
        pb.FlowRunInputServiceStub,
        pb.ListFlowRunInputsRequest(flow_run_id=RUN.id, key_prefix="k", exclude_keys=["x"]),
        lambda door: door.inputs,
        "list_page",
        (RUN.id, "k", ("x",), FIRST_PAGE),
        Page(items=(INPUT,), next_token=NEXT),
        lambda response: ([each.id for each in response.inputs], response.next_page_token),
        ([INPUT.id], NEXT),
    ),
    "DeleteFlowRunInput": Call(
        pb.FlowRunInputServiceStub,
        pb.DeleteFlowRunInputRequest(flow_run_id=RUN.id, key="key"),
        lambda door: door.inputs,
        "delete",
        (DeleteInput(flow_run_id=RUN.id, key="key"),),
        5,
        lambda response: response.revision,
        5,
    ),
    "CreateVariable": Call(
        pb.VariableServiceStub,
        pb.CreateVariableRequest(name="name"),
        lambda door: door.variables,
        "create",
        (CreateVariable(name="name"),),
        VARIABLE,
        lambda response: response.variable.id,
        VARIABLE.id,
    ),
    "GetVariable": Call(
        pb.VariableServiceStub,
        pb.GetVariableRequest(name="name"),
        lambda door: door.variables,
        "get",
        ("name",),
        VARIABLE,
        lambda response: response.variable.id,
        VARIABLE.id,
    ),
    "ListVariables": Call(
        pb.VariableServiceStub,
        pb.ListVariablesRequest(name_prefix="n"),
        lambda door: door.variables,
        "list_page",
        ("n", FIRST_PAGE),
        Page(items=(VARIABLE,), next_token=NEXT),
        lambda response: ([each.id for each in response.variables], response.next_page_token),
        ([VARIABLE.id], NEXT),
    ),
    "UpdateVariable": Call(
        pb.VariableServiceStub,
        pb.UpdateVariableRequest(name="name", value="v", update_mask=FieldMask(paths=["value"])),
        lambda door: door.variables,
        "update",
        (UpdateVariable(name="name", value="v"),),
        VARIABLE,
        lambda response: response.variable.id,
        VARIABLE.id,
    ),
    "DeleteVariable": Call(
        pb.VariableServiceStub,
        pb.DeleteVariableRequest(name="name"),
        lambda door: door.variables,
        "delete",
        (DeleteVariable(name="name"),),
        None,
        lambda response: response,
        pb.DeleteVariableResponse(),
    ),
    "GetServerInfo": Call(
        pb.ServerServiceStub,
        pb.GetServerInfoRequest(),
        lambda door: door.facts,
        "info",
        (),
        INFO,
        lambda response: (response.version, response.head_revision),
        ("0.1.0", 9),
    ),
}


@pytest.mark.parametrize("method", CALLS)
async def test_a_call_is_carried_to_its_operation_and_its_answer_back(
    door: Door, method: str
) -> None:
    call = CALLS[method]
    operations = call.room(door)
    operations.answers[call.operation] = call.answer

    response = await getattr(call.service(door.channel), method)(call.request)

    assert operations.asked == [call.asked]
    assert call.seen(response) == call.expected


async def test_estimates_are_made_for_the_time_of_the_answer(door: Door) -> None:
    door.flow_runs.answers["get"] = RUN
    door.clock.advance(timedelta(seconds=4))

    response = await pb.FlowRunServiceStub(door.channel).GetFlowRun(
        pb.GetFlowRunRequest(flow_run_id=RUN.id)
    )

    assert response.flow_run.estimated_run_time.ToTimedelta() == timedelta(seconds=4)


async def test_a_wait_ends_before_the_deadline_of_its_call(door: Door) -> None:
    door.waiting.answers["wait"] = WaitOutcome(done=False, runs=())

    await pb.FlowRunServiceStub(door.channel).WaitFlowRuns(
        pb.WaitFlowRunsRequest(flow_run_ids=[RUN.id]), timeout=10
    )

    [(_, _, timeout)] = door.waiting.asked
    assert timedelta(seconds=9) < timeout < timedelta(seconds=9.8)
