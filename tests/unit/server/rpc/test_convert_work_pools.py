"""Work pools at the border: what is written of them, and which templates are taken."""

import json
from datetime import timedelta

import pytest
from msgspec.structs import replace

from headgate import v1 as pb
from headgate_server.model.errors import InvalidRequestError
from headgate_server.model.server_info import Limits
from headgate_server.model.states import StateType
from headgate_server.model.work_pools import (
    DueNotice,
    DueRun,
    Presence,
    Worker,
    WorkPool,
    WorkQueue,
    WorkStatus,
    health_of,
)
from headgate_server.rpc.convert.work_pools import read_create_work_pool, write_work_pool
from headgate_server.rpc.convert.work_queues import write_health, write_work_queue
from headgate_server.rpc.convert.workers import encode_due_notice, read_watch_due, write_worker
from tests.builders import NOW, a_flow, a_flow_run
from tests.service.world import lasting, when

LIMITS = Limits()
POOL = WorkPool(
    id="pool", name="name", create_time=NOW, update_time=NOW, type="process", default_queue_id="q"
)
QUEUE = WorkQueue(
    id="queue",
    work_pool_id="pool",
    work_pool_name="name",
    name="default",
    create_time=NOW,
    update_time=NOW,
)
A_MINUTE = timedelta(minutes=1)
A_TICK = timedelta(microseconds=1)


def template(text: str) -> str:
    """Read a work pool with this template, and return what is kept of it."""
    request = pb.CreateWorkPoolRequest(name="name", base_job_template_json=text)
    return read_create_work_pool(request, LIMITS).base_job_template_json


@pytest.mark.parametrize(
    "given",
    [
        "{}",
        " {\n} ",
        '{"job_configuration": {}, "variables": {}}',
        '{"job_configuration": {"a": "{{ b }} {{b}}"}, "variables": {"properties": {"b": {}}}}',
        '{"job_configuration": {"a": "{ b } {{}} {{ c d }}"}, "variables": {}}',
        f'{{"job_configuration": {{"a": {"9" * 5000}}}, "variables": {{}}}}',
        '{"job_configuration": {"a": 1e999, "b": null}, "variables": {"properties": {}}}',
    ],
    ids=["empty", "spaces", "plain", "declared", "no placeholders", "long number", "big number"],
)
def test_a_template_is_kept_as_it_is_given(given: str) -> None:
    assert template(given) == given


def test_a_template_names_the_first_variables_that_it_does_not_declare() -> None:
    used = {str(number): f"{{{{ v{number} }}}}" for number in range(9)}
    given = json.dumps({"job_configuration": used, "variables": {"properties": {"v0": {}}}})

    with pytest.raises(InvalidRequestError, match=r"also v1, v2, v3, v4, v5$"):
        template(given)


@pytest.mark.parametrize(
    ("status", "number"),
    [
        (None, pb.WORK_STATUS_UNSPECIFIED),
        (WorkStatus.READY, pb.WORK_STATUS_READY),
        (WorkStatus.NOT_READY, pb.WORK_STATUS_NOT_READY),
        (WorkStatus.PAUSED, pb.WORK_STATUS_PAUSED),
    ],
)
def test_a_pool_is_written_with_its_status(status: WorkStatus | None, number: int) -> None:
    message = pb.WorkPool()

    write_work_pool(replace(POOL, status=status, concurrency_limit=0, is_paused=True), message)

    assert message.status == number
    assert (message.HasField("concurrency_limit"), message.concurrency_limit) == (True, 0)
    assert message.paused
    assert not message.HasField("description")


def test_a_queue_is_written_with_what_is_known() -> None:
    plain, polled = pb.WorkQueue(), pb.WorkQueue()

    write_work_queue(QUEUE, plain)
    write_work_queue(replace(QUEUE, last_polled_time=NOW, concurrency_limit=2), polled)

    assert not plain.HasField("last_polled_time")
    assert not plain.HasField("concurrency_limit")
    assert (when(polled.last_polled_time), polled.concurrency_limit) == (NOW, 2)


@pytest.mark.parametrize(
    ("since", "late", "is_healthy"),
    [
        (None, 0, False),
        (timedelta(), 0, True),
        (A_MINUTE + timedelta(seconds=1) - A_TICK, 0, True),
        (A_MINUTE + timedelta(seconds=1), 0, False),
        (timedelta(), 1, False),
    ],
    ids=["never polled", "just polled", "a whole minute", "longer ago", "one late run"],
)
def test_a_queue_is_healthy_if_it_is_polled_and_nothing_is_late(
    since: timedelta | None, late: int, *, is_healthy: bool
) -> None:
    polled = None if since is None else NOW - since
    message = pb.WorkQueueHealth()

    write_health(health_of(replace(QUEUE, last_polled_time=polled), late, NOW), message)

    assert (message.healthy, message.late_runs_count) == (is_healthy, late)
    assert message.HasField("last_polled_time") is (since is not None)


@pytest.mark.parametrize(
    ("interval", "silence", "is_online"),
    [
        (None, timedelta(seconds=20) - A_TICK, True),
        (None, timedelta(seconds=20), False),
        (A_MINUTE, timedelta(minutes=2) - A_TICK, True),
        (A_MINUTE, timedelta(minutes=2), False),
    ],
)
def test_a_worker_is_there_for_some_of_its_intervals(
    interval: timedelta | None, silence: timedelta, *, is_online: bool
) -> None:
    presence = Presence(heartbeat_multiple=2, heartbeat_fallback=timedelta(seconds=10))
    worker = Worker(
        id="worker",
        work_pool_id="pool",
        name="bee",
        create_time=NOW,
        last_heartbeat_time=NOW,
        heartbeat_interval=interval,
    )
    message = pb.Worker()

    write_worker(worker, message)

    assert presence.is_online(worker, NOW + silence) is is_online
    assert message.HasField("heartbeat_interval") is (interval is not None)


def test_a_due_run_and_progress_are_told_apart() -> None:
    run = a_flow_run(a_flow(), StateType.SCHEDULED)
    due = DueRun(work_pool_id="pool", work_queue_id="queue", run=run)

    told, idle, last = [
        pb.WatchDueFlowRunsResponse.FromString(encode_due_notice(notice))
        for notice in (
            DueNotice(time=NOW, due=due),
            DueNotice(time=NOW, next_time=NOW + A_MINUTE),
            DueNotice(time=NOW),
        )
    ]

    assert (told.WhichOneof("event"), told.due.flow_run.id) == ("due", run.id)
    assert (told.due.work_pool_id, told.due.work_queue_id) == ("pool", "queue")
    assert (idle.WhichOneof("event"), last.WhichOneof("event")) == ("progress", "progress")
    assert when(idle.progress.next_send_time) == NOW + A_MINUTE
    assert not last.progress.HasField("next_send_time")
    assert when(told.send_time) == NOW


def test_what_a_stream_is_not_told_is_plain() -> None:
    plain = read_watch_due(pb.WatchDueFlowRunsRequest(work_pool_name="pool"), LIMITS)
    given = read_watch_due(
        pb.WatchDueFlowRunsRequest(
            work_pool_name="pool",
            work_queue_names=["a"],
            prefetch=lasting(A_MINUTE),
            progress_interval=lasting(A_MINUTE),
            view=pb.FLOW_RUN_VIEW_FULL,
        ),
        LIMITS,
    )

    assert (plain.prefetch, plain.progress_interval) == (timedelta(), timedelta(seconds=15))
    assert (plain.work_queue_names, plain.is_full) == ((), False)
    assert (given.prefetch, given.progress_interval) == (A_MINUTE, A_MINUTE)
    assert (given.work_queue_names, given.is_full) == (("a",), True)
