"""Every unary method carries what is asked to its operation, and the answer back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from headgate import v1 as pb
from headgate_server.model.batch_commands import DeleteMatching, ProposeMatching
from headgate_server.model.commands import (
    CreateFlow,
    CreateFlowRun,
    CreateInput,
    CreateVariable,
    DeleteFlow,
    DeleteFlowRun,
    DeleteInput,
    DeleteVariable,
    FlowRunField,
    Proposal,
    Resume,
    UpdateFlowRun,
    UpdateVariable,
)
from headgate_server.model.errors import FlowNotFoundError
from headgate_server.model.filters import FlowFilter, FlowRunFilter, FlowRunSort, RunQuery
from headgate_server.model.flows import FlowSort
from headgate_server.model.graphs import FlowRunGraph
from headgate_server.model.history import HistoryInterval, HistorySpan
from headgate_server.model.inputs import NewFlowRunInput
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import DatabaseKind, Limits, ServerInfo
from headgate_server.model.states import ProposedState, StateType
from headgate_server.model.verdicts import Verdict, VerdictStatus
from headgate_server.model.watch_commands import WaitMode
from headgate_server.operations.batches import Changed, Preview
from headgate_server.operations.creation import CreatedFlowRun
from headgate_server.operations.inputs import ChangedInput
from headgate_server.operations.updates import ChangedFlowRun
from headgate_server.operations.waiting import WaitOutcome
from tests.builders import NOW, a_flow, a_flow_run, a_state, a_task_run, a_variable, an_input
from tests.fakes_operations import Door, Scripted

FLOW = a_flow()
RUN = a_flow_run(FLOW, a_state(StateType.RUNNING, timestamp=a_state(StateType.RUNNING).timestamp))
INPUT = an_input(RUN, "key")
VARIABLE = a_variable("name")
A_SECOND = Duration(seconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SPAN = HistorySpan(start=EPOCH, end=EPOCH + timedelta(seconds=9), interval=timedelta(seconds=1))
NEXT = "next"
FIRST_PAGE = PageRequest()
INFO = ServerInfo(
    version="0.1.0",
    capabilities=("a",),
    limits=Limits(),
    database_kind=DatabaseKind.SQLITE,
    head_revision=9,
    oldest_revision=1,
    epoch="epoch",
    schema_revision="0003",
    watch_count=0,
)
RUNNING = pb.ProposedState(type=pb.STATE_TYPE_RUNNING)
ACCEPTED = Verdict(status=VerdictStatus.ACCEPT, run=RUN, is_written=True, revision=5)


class Call(NamedTuple):
    """A call, what its operation is to be asked and to answer, and what of it must reach the caller."""

    service: type
    request: Message
    room: Callable[[Door], Scripted]
    operation: str
    asked: tuple[object, ...]
    answer: object
    seen: Callable[[Any], object]
    expected: object


CALLS = {
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
    "CreateFlowRun": Call(
        pb.FlowRunServiceStub,
        pb.CreateFlowRunRequest(flow_id=FLOW.id),
        lambda door: door.flow_runs,
        "create",
        (CreateFlowRun(flow_id=FLOW.id, state=ProposedState(type=StateType.PENDING)),),
        CreatedFlowRun(run=RUN, created=True, revision=5),
        lambda response: (response.flow_run.id, response.created, response.revision),
        (RUN.id, True, 5),
    ),
    "GetFlowRun": Call(
        pb.FlowRunServiceStub,
        pb.GetFlowRunRequest(flow_run_id=RUN.id, min_revision=4),
        lambda door: door.flow_runs,
        "get",
        (RUN.id, True, 4),
        RUN,
        lambda response: (response.flow_run.id, response.flow_run.parameters_json),
        (RUN.id, "{}"),
    ),
    "ListFlowRuns": Call(
        pb.FlowRunServiceStub,
        pb.ListFlowRunsRequest(min_revision=4),
        lambda door: door.flow_runs,
        "list_page",
        (RunQuery(), FlowRunSort.ID_DESC, FIRST_PAGE, False, 4),
        Page(items=(RUN,), next_token=NEXT),
        lambda response: ([run.id for run in response.flow_runs], response.next_page_token),
        ([RUN.id], NEXT),
    ),
    "CountFlowRuns": Call(
        pb.FlowRunServiceStub,
        pb.CountFlowRunsRequest(),
        lambda door: door.flow_runs,
        "count",
        (RunQuery(),),
        7,
        lambda response: response.count,
        7,
    ),
    "UpdateFlowRun": Call(
        pb.FlowRunServiceStub,
        pb.UpdateFlowRunRequest(
            flow_run=pb.FlowRun(id=RUN.id, name="new"), update_mask=FieldMask(paths=["name"])
        ),
        lambda door: door.flow_runs,
        "update",
        (UpdateFlowRun(flow_run_id=RUN.id, fields=frozenset({FlowRunField.NAME}), name="new"),),
        ChangedFlowRun(run=RUN, revision=5),
        lambda response: (response.flow_run.id, response.revision),
        (RUN.id, 5),
    ),
    "DeleteFlowRun": Call(
        pb.FlowRunServiceStub,
        pb.DeleteFlowRunRequest(flow_run_id=RUN.id),
        lambda door: door.flow_runs,
        "delete",
        (DeleteFlowRun(flow_run_id=RUN.id),),
        5,
        lambda response: response.revision,
        5,
    ),
    "SetFlowRunState": Call(
        pb.FlowRunServiceStub,
        pb.SetFlowRunStateRequest(flow_run_id=RUN.id, state=RUNNING),
        lambda door: door.transitions,
        "propose",
        (Proposal(flow_run_id=RUN.id, state=ProposedState(type=StateType.RUNNING)),),
        ACCEPTED,
        lambda response: (response.status, response.state.name, response.revision),
        (pb.VERDICT_STATUS_ACCEPT, "Running", 5),
    ),
    "ResumeFlowRun": Call(
        pb.FlowRunServiceStub,
        pb.ResumeFlowRunRequest(flow_run_id=RUN.id),
        lambda door: door.resuming,
        "resume",
        (Resume(flow_run_id=RUN.id),),
        ACCEPTED,
        lambda response: (response.status, response.state.name, response.revision),
        (pb.VERDICT_STATUS_ACCEPT, "Running", 5),
    ),
    "ListFlowRunStates": Call(
        pb.FlowRunServiceStub,
        pb.ListFlowRunStatesRequest(flow_run_id=RUN.id),
        lambda door: door.flow_runs,
        "list_states",
        (RUN.id, FIRST_PAGE),
        Page(items=(a_state(StateType.PENDING),), next_token=NEXT),
        lambda response: ([each.name for each in response.states], response.next_page_token),
        (["Pending"], NEXT),
    ),
    "WaitFlowRuns": Call(
        pb.FlowRunServiceStub,
        pb.WaitFlowRunsRequest(flow_run_ids=[RUN.id], mode=pb.WAIT_MODE_ANY),
        lambda door: door.waiting,
        "wait",
        ((RUN.id,), WaitMode.ANY, timedelta(seconds=30)),
        WaitOutcome(done=True, runs=(RUN,)),
        lambda response: (response.done, [run.id for run in response.flow_runs]),
        (True, [RUN.id]),
    ),
    "BatchCreateFlowRuns": Call(
        pb.FlowRunServiceStub,
        pb.BatchCreateFlowRunsRequest(items=[pb.NewFlowRun(flow_id=FLOW.id)] * 2),
        lambda door: door.batches,
        "create",
        ([CreateFlowRun(flow_id=FLOW.id, state=ProposedState(type=StateType.PENDING))] * 2,),
        [CreatedFlowRun(run=RUN, created=True, revision=7), FlowNotFoundError(FLOW.id)],
        lambda response: (
            [result.flow_run.id for result in response.results],
            response.results[0].revision,
            response.results[1].refusal.reason,
            response.refused_count,
        ),
        ([RUN.id, ""], 7, pb.ERROR_REASON_FLOW_NOT_FOUND, 1),
    ),
    "BatchSetFlowRunStates": Call(
        pb.FlowRunServiceStub,
        pb.BatchSetFlowRunStatesRequest(
            state=pb.ProposedState(type=pb.STATE_TYPE_CANCELLED),
            flow_runs=pb.FlowRunFilter(),
            page_token=NEXT,
        ),
        lambda door: door.batches,
        "set_states",
        (
            ProposeMatching(
                query=RunQuery(flow_runs=FlowRunFilter()),
                page=PageRequest(token=NEXT),
                state=ProposedState(type=StateType.CANCELLED),
            ),
        ),
        Changed(
            flow_run_ids=(RUN.id,),
            outcomes=[Verdict(status=VerdictStatus.ABORT, run=RUN, reason="no")],
            next_token=NEXT,
        ),
        lambda response: (
            response.results[0].flow_run_id,
            response.results[0].abort.reason,
            response.next_page_token,
        ),
        (RUN.id, "no", NEXT),
    ),
    "BatchDeleteFlowRuns": Call(
        pb.FlowRunServiceStub,
        pb.BatchDeleteFlowRunsRequest(flow_runs=pb.FlowRunFilter(), dry_run=True),
        lambda door: door.batches,
        "delete",
        (
            DeleteMatching(
                query=RunQuery(flow_runs=FlowRunFilter()), page=PageRequest(), dry_run=True
            ),
        ),
        Changed(preview=Preview(matching_count=5, sample=(RUN,))),
        lambda response: (response.matching_count, response.sample[0].id),
        (5, RUN.id),
    ),
    "GetFlowRunHistory": Call(
        pb.FlowRunServiceStub,
        pb.GetFlowRunHistoryRequest(
            start_time=Timestamp(seconds=0), end_time=Timestamp(seconds=9), interval=A_SECOND
        ),
        lambda door: door.analytics,
        "flow_run_history",
        (RunQuery(), SPAN),
        (HistoryInterval(start=NOW, end=NOW),),
        lambda response: len(response.intervals),
        1,
    ),
    "GetFlowRunLateness": Call(
        pb.FlowRunServiceStub,
        pb.GetFlowRunLatenessRequest(),
        lambda door: door.analytics,
        "average_lateness",
        (RunQuery(),),
        timedelta(seconds=1),
        lambda response: response.average_lateness,
        A_SECOND,
    ),
    "GetFlowRunGraph": Call(
        pb.FlowRunServiceStub,
        pb.GetFlowRunGraphRequest(flow_run_id=RUN.id),
        lambda door: door.analytics,
        "graph",
        (RUN.id, None),
        FlowRunGraph(flow_run_id=RUN.id, start_time=None, end_time=None, nodes=(), states=()),
        lambda response: response.graph.flow_run_id,
        RUN.id,
    ),
    "ListFlowRunDependencies": Call(
        pb.FlowRunServiceStub,
        pb.ListFlowRunDependenciesRequest(flow_run_id=RUN.id),
        lambda door: door.analytics,
        "list_dependencies",
        (RUN.id, FIRST_PAGE),
        Page(items=(a_task_run(RUN, name="task"),), next_token=NEXT),
        lambda response: ([each.name for each in response.task_runs], response.next_page_token),
        (["task"], NEXT),
    ),
    "GetTaskRunHistory": Call(
        pb.TaskRunServiceStub,
        pb.GetTaskRunHistoryRequest(
            start_time=Timestamp(seconds=0), end_time=Timestamp(seconds=9), interval=A_SECOND
        ),
        lambda door: door.analytics,
        "task_run_history",
        (RunQuery(), SPAN),
        (),
        lambda response: len(response.intervals),
        0,
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
