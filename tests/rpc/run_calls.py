"""The calls about flow runs, and what each asks of its operation."""

from datetime import timedelta

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from headgate import v1 as pb
from headgate_server.model.batch_commands import DeleteMatching, ProposeMatching
from headgate_server.model.commands import (
    CreateFlowRun,
    DeleteFlowRun,
    FlowRunField,
    Proposal,
    Resume,
    UpdateFlowRun,
)
from headgate_server.model.errors import FlowNotFoundError
from headgate_server.model.filters import FlowRunFilter, FlowRunSort, RunQuery
from headgate_server.model.graphs import FlowRunGraph
from headgate_server.model.history import HistoryInterval
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.states import ProposedState, StateType
from headgate_server.model.verdicts import Verdict, VerdictStatus
from headgate_server.model.watch_commands import WaitMode
from headgate_server.operations.batches import Changed, Preview
from headgate_server.operations.creation import CreatedFlowRun
from headgate_server.operations.updates import ChangedFlowRun
from headgate_server.operations.waiting import WaitOutcome
from tests.builders import NOW, a_state, a_task_run
from tests.rpc.called import A_SECOND, ACCEPTED, FIRST_PAGE, FLOW, NEXT, RUN, RUNNING, SPAN, Call

RUN_CALLS = {
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
}
