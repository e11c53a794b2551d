"""The composition root: builds every object, hands it what it needs, starts the whole and stops it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from typing import Any, Final

import grpc.aio
import structlog
from prometheus_client import start_http_server

from headgate_server.feed.subscriptions import Subscriptions
from headgate_server.feed.tail import Tail
from headgate_server.metrics import Metrics
from headgate_server.model.errors import HeadgateError
from headgate_server.model.retention import Retention
from headgate_server.model.server_info import DatabaseKind
from headgate_server.operations.analytics import Analytics
from headgate_server.operations.batches import Batches
from headgate_server.operations.cleanup import Cleanup
from headgate_server.operations.concurrency_limits import ConcurrencyLimits
from headgate_server.operations.deployment_runs import DeploymentRuns
from headgate_server.operations.deployments import Deployments
from headgate_server.operations.due import DueRuns
from headgate_server.operations.flow_runs import FlowRuns
from headgate_server.operations.flows import Flows
from headgate_server.operations.foreman import Foreman
from headgate_server.operations.inputs import Inputs
from headgate_server.operations.passes import Passes
from headgate_server.operations.polling import Polling
from headgate_server.operations.resume import Resuming
from headgate_server.operations.retention import Retaining
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
from headgate_server.rpc.assemble import Operations, add_services, new_health
from headgate_server.settings import Settings
from headgate_server.storage.database import Database
from headgate_server.storage.writer import Writer
from headgate_server.upkeep.loop import repeat

_LOG: Final = structlog.stdlib.get_logger(__name__)

CHANGED_SCHEDULES_INTERVAL: Final = timedelta(seconds=5)
"""How often deployments that have changed are scheduled anew."""
PING_SECONDS: Final = 1.0
"""How often the database is asked whether it is there."""
PENDING_CALLS: Final = 50_000
"""How many calls may have arrived that we have not begun to answer. gRPC cancels any more without a reason, and by default
from 3,000 on: fewer than the watches that all come again when a server has restarted."""
MIN_PING_SECONDS: Final = 10
"""How often a client may ask whether the connection is alive."""


class AddressInUseError(Exception):
    """The server cannot listen where it was told to."""


def utc_now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


class App:
    """One server. Start it once and stop it once; its schema must be that of this program."""

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> None:
        """Build everything and connect to nothing yet."""
        self._settings = settings
        self.metrics = Metrics()
        self.database = Database.open(
            settings.database,
            readers=settings.database_readers,
            synchronous=settings.sqlite_synchronous,
            statement_seconds=settings.statement_timeout.total_seconds(),
        )
        self._subscriptions = Subscriptions(self.metrics)
        self._tail = Tail(self.database, listener=self._subscriptions.deliver, metrics=self.metrics)
        self._writer = Writer(
            self.database,
            clock=clock,
            publish=self._tail.accept,
            metrics=self.metrics,
            waiting_max=settings.max_waiting_writes,
        )
        transitions = Transitions(self._writer)
        watching = Watching(
            self.database, self._tail, self._subscriptions, clock=clock, age=settings.watch_age
        )
        limits, presence = settings.limits(), settings.presence()
        polling = Polling(self.database, self._writer, clock=clock)
        due_runs = DueRuns(
            self.database,
            self._tail,
            self._subscriptions,
            polling,
            clock=clock,
            age=settings.watch_age,
        )
        self.scheduling = Scheduling(
            self.database, self._writer, clock=clock, foresight=settings.foresight()
        )
        self.operations = Operations(
            flows=Flows(self.database, self._writer),
            flow_runs=FlowRuns(self.database, self._writer, self._tail, clock=clock),
            transitions=transitions,
            resuming=Resuming(
                self.database, self._writer, clock=clock, answer_bytes=limits.json_bytes
            ),
            inputs=Inputs(self.database, self._writer),
            variables=Variables(self.database, self._writer),
            deployments=Deployments(self.database, self._writer, clock=clock),
            deployment_runs=DeploymentRuns(
                self.database, self._writer, clock=clock, parameters_bytes=limits.json_bytes
            ),
            scheduling=self.scheduling,
            task_runs=TaskRuns(self.database, self._writer, self._tail),
            task_transitions=TaskTransitions(self._writer, slot_wait=settings.concurrency_wait),
            concurrency_limits=ConcurrencyLimits(self.database, self._writer),
            analytics=Analytics(
                self.database, clock=clock, graph_nodes_max=settings.graph_nodes_max
            ),
            batches=Batches(self.database, self._writer, clock=clock),
            work_pools=WorkPools(
                self.database,
                self._writer,
                presence=presence,
                note_change=due_runs.notice_change,
            ),
            work_queues=WorkQueues(
                self.database,
                self._writer,
                clock=clock,
                presence=presence,
                note_change=due_runs.notice_change,
            ),
            workers=Workers(self.database, self._writer, clock=clock, presence=presence),
            polling=polling,
            due_runs=due_runs,
            waiting=Waiting(self.database, watching),
            watching=watching,
            server=ServerFacts(
                self.database,
                version=version("headgate"),
                limits=limits,
                watch_count=lambda: self._subscriptions.count,
            ),
        )
        self.passes = Passes(self.database, self._writer, transitions, clock=clock)
        self.foreman = Foreman(self.database, self._writer, clock=clock, presence=presence)
        self.cleanup = Cleanup(self.database, self._writer)
        self.retaining = Retaining(self.database, self._writer, clock=clock)
        self._clock = clock
        self._health = new_health()
        self._is_draining = False
        self._server: grpc.aio.Server | None = None
        self._writing: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.port = 0
        """Where the server listens, once it has started."""

    async def start(self) -> None:
        """Begin to serve.

        Raises:
            AddressInUseError: The address is not free.
            DatabaseUnavailableError: The database did not answer.
        """
        await self._tail.start()
        self._server = grpc.aio.server(options=self._options())
        add_services(
            self._server,
            self.operations,
            health=self._health,
            limits=self._settings.limits(),
            clock=self._clock,
            metrics=self.metrics,
            is_draining=lambda: self._is_draining,
            has_reflection=self._settings.reflection,
            write_limit=self._settings.slow_consumer_timeout,
        )
        try:
            self.port = self._server.add_insecure_port(self._settings.listen)
        except RuntimeError as error:
            raise AddressInUseError(f"Cannot listen on {self._settings.listen}.") from error
        if self._settings.metrics_listen:
            host, _, port = self._settings.metrics_listen.rpartition(":")
            start_http_server(int(port), host.strip("[]"), registry=self.metrics.registry)
        self._writing = asyncio.create_task(self._writer.run())
        self._tasks = [asyncio.create_task(each) for each in self._background()]
        self._health.set(is_serving=True)
        await self._server.start()
        _LOG.info("serving", address=self._settings.listen, port=self.port, kind=self.database.kind)

    async def failure(self) -> None:
        """Wait until something ends that goes on for as long as the server does, and raise what ended it.

        A server that cannot write or follow its log any more is of no use; it should be stopped and started again.
        """
        assert self._writing is not None
        done, _ = await asyncio.wait(
            [self._writing, *self._tasks], return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.result()

    async def stop(self) -> None:
        """End watches with a last token, let calls in flight finish, and close everything."""
        _LOG.info("draining")
        self._is_draining = True
        self._health.drain()
        self.operations.watching.drain()
        self.operations.due_runs.drain()
        if self._server is not None:
            await self._server.stop(self._settings.drain_timeout.total_seconds())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Nobody is left to be answered.
        self.database.hurry()
        self._writer.close()
        if self._writing is not None:
            await self._writing
        await self.database.close()
        _LOG.info("stopped")

    def _background(self) -> list[Coroutine[Any, Any, None]]:
        """Return what goes on beside the calls, for ever."""
        settings, passes = self._settings, self.passes
        has_others = self.database.kind is DatabaseKind.POSTGRESQL
        return [
            self._tail.run(),
            self._ask_database(),
            *((self._tail.listen(), self._tail.tell_others()) if has_others else ()),
            *(
                repeat(name, run_once, interval.total_seconds(), self.metrics)
                for name, run_once, interval in (
                    (
                        "late",
                        partial(passes.mark_late, settings.late_after),
                        settings.late_interval,
                    ),
                    ("expired pauses", passes.expire_pauses, settings.pause_expiry_interval),
                    *(self._scheduler() if settings.scheduler else ()),
                    ("cancellations", self.cleanup.clean_up, settings.cancellation_interval),
                    ("retention", self._retain, settings.retention_interval),
                    ("foreman", self.foreman.look_around, settings.foreman_interval),
                    (
                        "trim",
                        partial(passes.trim, settings.history_retention),
                        settings.trim_interval,
                    ),
                )
            ),
        ]

    def _scheduler(self) -> Iterator[tuple[str, Callable[[], Awaitable[int]], timedelta]]:
        """Yield the passes that make runs ahead of their time."""
        interval = self._settings.scheduler_interval
        yield "schedules", self.scheduling.schedule_those_in_need, interval
        yield (
            "changed schedules",
            self.scheduling.schedule_those_changed,
            CHANGED_SCHEDULES_INTERVAL,
        )

    async def _retain(self) -> int:
        """Delete flow runs that need not be kept any longer, if the operator wants that; return how many went."""
        age, states = self._settings.retention_age, self._settings.retention_states
        if age is None:
            return 0
        return (await self.retaining.retain(Retention(age=age, states=states))).flow_runs

    async def _ask_database(self) -> None:
        """Tell health whether the database answers, for ever."""
        while True:
            try:
                await self.operations.server.info()
            except HeadgateError as error:
                _LOG.warning("database does not answer", cause=str(error.__cause__))
                self._health.set(is_serving=False)
            else:
                self._health.set(is_serving=True)
            await asyncio.sleep(PING_SECONDS)

    def _options(self) -> list[tuple[str, int]]:
        """Return how the transport is to behave."""
        settings = self._settings
        milliseconds = {
            "grpc.keepalive_time_ms": settings.keepalive,
            "grpc.max_connection_age_ms": settings.connection_age,
            # Calls that are under way on a connection that is too old may finish, watches too.
            "grpc.max_connection_age_grace_ms": settings.watch_age * 1.2 + settings.max_call,
        }
        return [
            ("grpc.max_send_message_length", settings.max_message),
            ("grpc.max_receive_message_length", settings.max_message),
            ("grpc.max_concurrent_streams", settings.max_streams),
            ("grpc.server.max_pending_requests", PENDING_CALLS),
            ("grpc.server.max_pending_requests_hard_limit", PENDING_CALLS),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", MIN_PING_SECONDS * 1000),
            # Two servers on one port would share its callers without knowing of each other.
            ("grpc.so_reuseport", 0),
            *((name, int(span.total_seconds() * 1000)) for name, span in milliseconds.items()),
        ]
