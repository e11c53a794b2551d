"""A stage for bad requests: things that exist on the server, and a valid request of each method about them."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

import grpc.aio
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from headgate import v1 as pb
from tests.builders import NOW
from tests.service.deploying import by_cron, by_rrule, deployed, every
from tests.service.tasks import new_task_run
from tests.service.work import new_pool, new_queue
from tests.service.world import COMPLETED, RUNNING, World, at, keyset, lasting, paused

DAY = timedelta(days=1)
SCHEMA = (
    '{"type": "object", "properties": {"approve": {"type": "boolean"}}, "required": ["approve"]}'
)


class Stage:
    """Some flows, runs, inputs and variables."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._world = World(channel)
        self._flow = self._spare_flow = pb.Flow()
        self._running = self._scheduled = self._paused = self._spare = pb.FlowRun()
        self._task_run = self._spare_task_run = pb.TaskRun()
        self._deployment = self._spare_deployment = pb.Deployment()
        self._pool = self._spare_pool = pb.WorkPool()
        self._queue = self._spare_queue = pb.WorkQueue()
        self._variable = self._tag = ""
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
        self._tag = str(uuid4())
        await world.limits.CreateConcurrencyLimit(
            pb.CreateConcurrencyLimitRequest(tag=self._tag, concurrency_limit=1)
        )
        self._task_run, self._spare_task_run = [
            await new_task_run(world, self._running, tags=[self._tag]) for _ in range(2)
        ]
        self._deployment, self._spare_deployment = [
            await deployed(world, self._flow.id, name, schedules=[every(DAY)])
            for name in ("prod", "spare")
        ]
        self._pool, self._spare_pool = [
            await new_pool(world, f"pool {uuid4()}", type=kind) for kind in ("process", "docker")
        ]
        self._queue, self._spare_queue = [
            await new_queue(world, name, self._pool.name) for name in ("fast", "slow")
        ]
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
            *(self._deployment.id, self._deployment.schedules[0].id, self._spare_deployment.id),
            *(self._task_run.id, self._spare_task_run.id, self._tag),
            *(self._pool.id, self._pool.name, self._spare_pool.name),
            *(self._queue.id, self._queue.name, self._spare_queue.id),
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
        known = {
            "flow_run_id": self._running.id,
            "task_run_id": self._task_run.id,
            "tag": self._tag,
            "deployment_id": self._deployment.id,
            "work_pool_name": self._pool.name,
        }
        for name, value in known.items():
            if name in request.DESCRIPTOR.fields_by_name:
                setattr(request, name, value)
        if "work_queue" in request.DESCRIPTOR.fields_by_name:
            request.work_queue.work_queue_id = self._queue.id  # type: ignore[attr-defined]
        return request

    def _CreateFlowRun(self) -> Message:  # noqa: N802 - named as the method
        state = pb.ProposedState(type=pb.STATE_TYPE_SCHEDULED, details=pb.StateDetails())
        return pb.CreateFlowRunRequest(flow_id=self._flow.id, state=state, parameters_json="{}")

    def _BatchCreateFlowRuns(self) -> Message:  # noqa: N802
        state = pb.ProposedState(type=RUNNING, details=pb.StateDetails(), data_json="{}")
        item = pb.NewFlowRun(flow_id=self._flow.id, state=state, parameters_json="{}")
        return pb.BatchCreateFlowRunsRequest(items=[item] * 2)

    def _BatchSetFlowRunStates(self) -> Message:  # noqa: N802
        proposed = self._SetFlowRunState().SerializeToString()
        return pb.BatchSetFlowRunStatesRequest(items=[pb.FlowRunProposal.FromString(proposed)])

    def _BatchDeleteFlowRuns(self) -> Message:  # noqa: N802
        chosen = pb.FlowRunFilter(id=pb.IdFilter(any=pb.StringList(values=[self._spare.id])))
        return pb.BatchDeleteFlowRunsRequest(flow_runs=chosen)

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

    def _GetFlowRunHistory(self) -> Message:  # noqa: N802
        return pb.GetFlowRunHistoryRequest(
            start_time=at(NOW), end_time=at(NOW + DAY), interval=lasting(DAY / 100)
        )

    def _GetTaskRunHistory(self) -> Message:  # noqa: N802
        asked = self._GetFlowRunHistory().SerializeToString()
        return pb.GetTaskRunHistoryRequest.FromString(asked)

    def _CreateFlowRunInput(self) -> Message:  # noqa: N802
        left = pb.NewFlowRunInput(key=str(uuid4()), value_json="1", sender="a")
        return pb.CreateFlowRunInputRequest(flow_run_id=self._running.id, input=left)

    def _CreateTaskRun(self) -> Message:  # noqa: N802
        policy = pb.TaskRunPolicy(retries=1, retry_jitter_factor=0.5)
        policy.retry_delays.add(seconds=1)
        request = pb.CreateTaskRunRequest(
            flow_run_id=self._running.id, task_key="a", dynamic_key=str(uuid4()), policy=policy
        )
        request.task_inputs["a"].inputs.add(task_run_id=self._task_run.id)
        return request

    def _UpdateTaskRun(self) -> Message:  # noqa: N802
        task_run = pb.TaskRun(id=self._task_run.id, name="new")
        return pb.UpdateTaskRunRequest(task_run=task_run, update_mask=FieldMask(paths=["*"]))

    def _DeleteTaskRun(self) -> Message:  # noqa: N802
        return pb.DeleteTaskRunRequest(task_run_id=self._spare_task_run.id)

    def _SetTaskRunState(self) -> Message:  # noqa: N802
        details = pb.StateDetails(cache_key="a", retriable=False)
        state = pb.ProposedState(type=RUNNING, details=details, data_json="{}")
        return pb.SetTaskRunStateRequest(task_run_id=self._task_run.id, state=state)

    def _ResetConcurrencyLimit(self) -> Message:  # noqa: N802
        slots = [self._task_run.id]
        return pb.ResetConcurrencyLimitRequest(tag=self._tag, active_slots=slots)

    def _CreateDeployment(self) -> Message:  # noqa: N802
        schedules = [by_cron("0 9 * * 1-5", "Europe/Berlin"), by_rrule("FREQ=WEEKLY;BYDAY=MO")]
        return pb.CreateDeploymentRequest(
            flow_id=self._flow.id,
            name="prod",
            parameters_json="{}",
            parameter_schema_json="{}",
            schedules=[every(DAY, anchor_time=NOW), *schedules],
        )

    def _UpdateDeployment(self) -> Message:  # noqa: N802
        return pb.UpdateDeploymentRequest(
            deployment=pb.Deployment(id=self._deployment.id, schedules=[by_cron("@daily")]),
            update_mask=FieldMask(paths=["*"]),
        )

    def _DeleteDeployment(self) -> Message:  # noqa: N802
        return pb.DeleteDeploymentRequest(deployment_id=self._spare_deployment.id)

    def _CreateDeploymentFlowRun(self) -> Message:  # noqa: N802
        return pb.CreateDeploymentFlowRunRequest(
            deployment_id=self._deployment.id, parameters_json="{}", enforce_parameter_schema=False
        )

    def _ScheduleDeployment(self) -> Message:  # noqa: N802
        return pb.ScheduleDeploymentRequest(
            deployment_id=self._deployment.id, start_time=at(NOW), min_time=lasting(DAY), min_runs=1
        )

    def _CreateWorkPool(self) -> Message:  # noqa: N802
        return pb.CreateWorkPoolRequest(
            name=str(uuid4()), base_job_template_json="{}", concurrency_limit=1
        )

    def _GetWorkPool(self) -> Message:  # noqa: N802
        return pb.GetWorkPoolRequest(name=self._pool.name)

    def _UpdateWorkPool(self) -> Message:  # noqa: N802
        return pb.UpdateWorkPoolRequest(
            name=self._pool.name,
            description="new",
            base_job_template_json="{}",
            concurrency_limit=1,
            update_mask=FieldMask(paths=["*"]),
        )

    def _DeleteWorkPool(self) -> Message:  # noqa: N802
        return pb.DeleteWorkPoolRequest(name=self._spare_pool.name)

    def _CreateWorkQueue(self) -> Message:  # noqa: N802
        return pb.CreateWorkQueueRequest(
            work_pool_name=self._pool.name, name=str(uuid4()), concurrency_limit=1, priority=1
        )

    def _UpdateWorkQueue(self) -> Message:  # noqa: N802
        return pb.UpdateWorkQueueRequest(
            work_queue=pb.WorkQueueKey(work_queue_id=self._queue.id),
            name="fast",
            concurrency_limit=1,
            priority=1,
            update_mask=FieldMask(paths=["*"]),
        )

    def _DeleteWorkQueue(self) -> Message:  # noqa: N802
        path = pb.WorkQueuePath(work_pool_name=self._pool.name, name="slow")
        return pb.DeleteWorkQueueRequest(work_queue=pb.WorkQueueKey(path=path))

    def _HeartbeatWorker(self) -> Message:  # noqa: N802
        return pb.HeartbeatWorkerRequest(
            work_pool_name=self._pool.name, name="bee", heartbeat_interval=lasting(DAY)
        )

    def _PollFlowRuns(self) -> Message:  # noqa: N802
        return pb.PollFlowRunsRequest(
            work_pool_name=self._pool.name,
            work_queue_names=["fast"],
            scheduled_before=at(NOW),
            scheduled_after=at(NOW),
            limit=1,
        )

    def _WatchDueFlowRuns(self) -> Message:  # noqa: N802
        return pb.WatchDueFlowRunsRequest(
            work_pool_name=self._pool.name, work_queue_names=["fast"], prefetch=lasting(DAY)
        )

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
