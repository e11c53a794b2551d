"""Assembly: the services, the border before them, and what tools ask of any server."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import grpc.aio
import msgspec
from google.protobuf import descriptor_pool

from headgate_server.metrics import Metrics
from headgate_server.model.server_info import Limits
from headgate_server.operations.analytics import Analytics
from headgate_server.operations.batches import Batches
from headgate_server.operations.concurrency_limits import ConcurrencyLimits
from headgate_server.operations.deployment_runs import DeploymentRuns
from headgate_server.operations.deployments import Deployments
from headgate_server.operations.due import DueRuns
from headgate_server.operations.flow_runs import FlowRuns
from headgate_server.operations.flows import Flows
from headgate_server.operations.inputs import Inputs
from headgate_server.operations.polling import Polling
from headgate_server.operations.resume import Resuming
from headgate_server.operations.scheduling import Scheduling
from headgate_server.operations.server import ServerFacts
from headgate_server.operations.task_runs import TaskRuns
from headgate_server.operations.task_transitions import TaskTransitions
from headgate_server.operations.transitions import Transitions
from headgate_server.operations.variables import Variables
from headgate_server.operations.waiting import Waiting
from headgate_server.operations.watch import Watching
from headgate_server.operations.work_pools import WorkPools
from headgate_server.operations.work_queues import WorkQueues
from headgate_server.operations.workers import Workers
from headgate_server.rpc import watch
from headgate_server.rpc.batches import FlowRunBatches
from headgate_server.rpc.border import Border
from headgate_server.rpc.concurrency_limits import ConcurrencyLimitServicer
from headgate_server.rpc.deployments import DeploymentServicer
from headgate_server.rpc.due import DueRunWatches
from headgate_server.rpc.flow_runs import FlowRunServicer
from headgate_server.rpc.flows import FlowServicer
from headgate_server.rpc.health import Health
from headgate_server.rpc.inputs import FlowRunInputServicer
from headgate_server.rpc.reflection import V1, V1ALPHA, Reflection
from headgate_server.rpc.server_info import ServerServicer
from headgate_server.rpc.task_runs import TaskRunServicer
from headgate_server.rpc.variables import VariableServicer
from headgate_server.rpc.work_pools import WorkPoolServicer

SERVICES: Final = (
    "headgate.v1.ConcurrencyLimitService",
    "headgate.v1.DeploymentService",
    "headgate.v1.FlowRunInputService",
    "headgate.v1.FlowRunService",
    "headgate.v1.FlowService",
    "headgate.v1.ServerService",
    "headgate.v1.TaskRunService",
    "headgate.v1.VariableService",
    "headgate.v1.WorkPoolService",
)
"""The full names of the services of the contract."""
HEALTH: Final = "grpc.health.v1.Health"
"""The full name of the health service."""
WRITE_LIMIT: Final = timedelta(seconds=30)
"""How long a message of a watch may wait for its watcher to read."""


class Operations(msgspec.Struct, frozen=True, kw_only=True):
    """What the service does."""

    flows: Flows
    flow_runs: FlowRuns
    transitions: Transitions
    resuming: Resuming
    inputs: Inputs
    variables: Variables
    deployments: Deployments
    deployment_runs: DeploymentRuns
    scheduling: Scheduling
    task_runs: TaskRuns
    task_transitions: TaskTransitions
    concurrency_limits: ConcurrencyLimits
    analytics: Analytics
    batches: Batches
    work_pools: WorkPools
    work_queues: WorkQueues
    workers: Workers
    polling: Polling
    due_runs: DueRuns
    waiting: Waiting
    watching: Watching
    server: ServerFacts


def new_health() -> Health:
    """Make the health of the services of the contract; not serving yet."""
    return Health(SERVICES)


def add_services(
    server: grpc.aio.Server,
    operations: Operations,
    *,
    health: Health,
    limits: Limits,
    clock: Callable[[], datetime],
    metrics: Metrics,
    is_draining: Callable[[], bool],
    has_reflection: bool = True,
    write_limit: timedelta = WRITE_LIMIT,
) -> None:
    """Let a server answer every call of the contract, and those for health and reflection. Logging must be configured before.

    Args:
        server: A server that has not started.
        operations: What the service does.
        health: Tells whether calls can be served.
        limits: What a request may hold and how long a call may take.
        clock: Tells the time, for estimates.
        metrics: Where calls are counted and timed.
        is_draining: Tells whether new calls are refused; health and reflection answer all the same.
        has_reflection: Whether the services are described to who asks.
        write_limit: How long a message of a watch may wait for its watcher to read.
    """
    border = Border(metrics=metrics, is_draining=is_draining, call_limit=limits.call)
    pool = descriptor_pool.Default()
    flow_run_watches = watch.of_flow_runs(
        operations.watching, limits=limits, metrics=metrics, write_limit=write_limit
    )
    task_run_watches = watch.of_task_runs(
        operations.watching, limits=limits, metrics=metrics, write_limit=write_limit
    )
    input_watches = watch.of_inputs(
        operations.watching, limits=limits, metrics=metrics, write_limit=write_limit
    )
    servicers = (
        ConcurrencyLimitServicer(operations.concurrency_limits, limits=limits),
        DeploymentServicer(
            operations.deployments,
            operations.deployment_runs,
            operations.scheduling,
            limits=limits,
            clock=clock,
        ),
        FlowRunInputServicer(operations.inputs, input_watches, limits=limits),
        FlowRunServicer(
            operations.flow_runs,
            operations.transitions,
            operations.resuming,
            operations.waiting,
            flow_run_watches,
            operations.analytics,
            FlowRunBatches(operations.batches, limits=limits, clock=clock),
            limits=limits,
            clock=clock,
        ),
        FlowServicer(operations.flows, limits=limits),
        ServerServicer(operations.server),
        TaskRunServicer(
            operations.task_runs,
            operations.task_transitions,
            task_run_watches,
            operations.analytics,
            limits=limits,
            clock=clock,
        ),
        VariableServicer(operations.variables, limits=limits),
        WorkPoolServicer(
            operations.work_pools,
            operations.work_queues,
            operations.workers,
            operations.polling,
            DueRunWatches(
                operations.due_runs, limits=limits, metrics=metrics, write_limit=write_limit
            ),
            limits=limits,
            clock=clock,
        ),
    )
    for name, servicer in zip(SERVICES, servicers, strict=True):
        border.add_service(pool.FindServiceByName(name), servicer)
    add = partial(border.add_service, is_refused_while_draining=False)
    add(pool.FindServiceByName(HEALTH), health)
    if has_reflection:
        described = Reflection([*SERVICES, HEALTH])
        protocol = pool.FindServiceByName(V1ALPHA)
        add(protocol, described)
        add(protocol, described, name=V1)
    server.add_generic_rpc_handlers((border,))
