"""Work pools: what waits for workers, and under which limits."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.work import (
    beat,
    new_pool,
    new_queue,
    priorities,
    queued,
    the_pool,
    the_queue,
    updated_pool,
)
from tests.service.world import World, reason, refused, texts, violations, when

A_SECOND = timedelta(seconds=1)
TEMPLATE = {
    "job_configuration": {"command": "{{ command }}", "env": {"a": ["x{{name}}y"]}},
    "variables": {"properties": {"command": {}, "name": {}}},
}


async def deleted(world: World, name: str = "pool", **fields: Any) -> None:
    """Delete a work pool."""
    await world.work.DeleteWorkPool(pb.DeleteWorkPoolRequest(name=name, **fields))


async def names(world: World, **fields: Any) -> list[str]:
    """Return the names on the first page of a list."""
    listed = await world.work.ListWorkPools(pb.ListWorkPoolsRequest(**fields))
    return [each.name for each in listed.work_pools]


async def test_a_work_pool_is_kept_as_it_is_given(world: World, clock: FakeClock) -> None:
    clock.advance(A_SECOND)

    made = await new_pool(
        world,
        "my pool",
        type="kubernetes",
        description="für jeden",
        base_job_template_json=json.dumps(TEMPLATE),
        concurrency_limit=3,
    )

    assert UUID(made.id).version == 7
    assert (made.name, made.type, made.description) == ("my pool", "kubernetes", "für jeden")
    assert json.loads(made.base_job_template_json) == TEMPLATE
    assert made.concurrency_limit == 3
    assert not made.paused
    assert made.status == pb.WORK_STATUS_NOT_READY
    assert when(made.create_time) == when(made.update_time) == NOW + A_SECOND
    assert await the_pool(world, "my pool") == made


async def test_a_new_pool_has_a_default_queue(world: World) -> None:
    pool = await new_pool(world)

    queue = await the_queue(world)

    assert queue.id == pool.default_queue_id
    assert (queue.work_pool_id, queue.work_pool_name) == (pool.id, "pool")
    assert (queue.name, queue.priority) == ("default", 1)
    assert queue.description == "The work pool's default queue."
    assert queue.status == pb.WORK_STATUS_NOT_READY
    assert not queue.HasField("concurrency_limit")


async def test_what_is_not_given_is_plain(world: World) -> None:
    made = (await world.work.CreateWorkPool(pb.CreateWorkPoolRequest(name="a"))).work_pool

    assert made.type == "prefect-agent"
    assert made.base_job_template_json == "{}"
    assert not made.HasField("description")
    assert not made.HasField("concurrency_limit")
    assert made.status == pb.WORK_STATUS_UNSPECIFIED


@pytest.mark.parametrize("name", ["", "   ", "a/b", "100%", "a&b", "<a", "a>", "x" * 256])
async def test_names_follow_the_rule(world: World, name: str) -> None:
    assert await violations(new_pool(world, name)) == ["name"]


@pytest.mark.parametrize("name", ["prefect", "Prefect-pool", "PrefectX"])
async def test_some_names_are_reserved(world: World, name: str) -> None:
    code, info = await refused(new_pool(world, name))

    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert (info.reason, dict(info.metadata)) == ("WORK_POOL_NAME_RESERVED", {"name": name})


@pytest.mark.parametrize(
    "template",
    [
        {"job_configuration": {}},
        {"variables": {"properties": {}}},
        {"job_configuration": [], "variables": {}},
        {"job_configuration": {"a": "{{ b }}"}, "variables": {"properties": {"a": {}}}},
        {"job_configuration": {"a": [{"b": "{{b}}"}]}, "variables": {}},
        {"job_configuration": {"a": "{{ b }}"}, "variables": {"properties": ["b"]}},
        [],
    ],
    ids=["no-variables", "no-configuration", "wrong-kinds", "undeclared", "deep", "list", "array"],
)
async def test_a_template_declares_what_it_uses(world: World, template: object) -> None:
    given = json.dumps(template)

    assert await violations(new_pool(world, base_job_template_json=given)) == [
        "base_job_template_json"
    ]


@pytest.mark.parametrize(
    "variables",
    [
        '{"type": 1}',
        '{"properties": {"command": {"type": "words"}}}',
        '{"properties": {"command": 7}}',
        '{"properties": {"command": {"pattern": "("}}}',
        '{"maximum": 1%s}' % ("0" * 5000),
    ],
    ids=["type", "type-of-a-member", "member", "pattern", "digits"],
)
async def test_the_variables_of_a_template_are_a_schema(world: World, variables: str) -> None:
    given = f'{{"job_configuration": {{}}, "variables": {variables}}}'
    await new_pool(world, base_job_template_json=json.dumps(TEMPLATE))

    made = await violations(new_pool(world, "other", base_job_template_json=given))
    changed = await violations(
        updated_pool(world, "base_job_template_json", base_job_template_json=given)
    )

    assert made == changed == ["base_job_template_json"]
    assert await names(world) == ["pool"]


async def test_everything_wrong_is_told_at_once(world: World) -> None:
    call = new_pool(world, "a/b", concurrency_limit=-1, base_job_template_json="[", request_id="x")

    assert await violations(call) == [
        "name",
        "base_job_template_json",
        "concurrency_limit",
        "request_id",
    ]


async def test_a_name_is_taken_once(world: World) -> None:
    await new_pool(world)

    code, info = await refused(new_pool(world))

    assert code is grpc.StatusCode.ALREADY_EXISTS
    assert (info.reason, dict(info.metadata)) == ("WORK_POOL_EXISTS", {"name": "pool"})


async def test_a_repeated_request_creates_once(world: World) -> None:
    request_id = str(uuid4())

    first = await new_pool(world, request_id=request_id)
    again = await new_pool(world, request_id=request_id)

    assert first == again
    assert await reason(new_pool(world, "other", request_id=request_id)) == "REQUEST_ID_REUSED"


async def test_a_pool_that_does_not_exist_is_not_found(world: World) -> None:
    calls = (
        the_pool(world, "none"),
        updated_pool(world, "paused", name="none"),
        deleted(world, "none"),
        new_queue(world, "queue", "none"),
        the_queue(world, "default", "none"),
        priorities(world, "none"),
        beat(world, pool="none"),
    )
    for call in calls:
        code, info = await refused(call)

        assert code is grpc.StatusCode.NOT_FOUND
        assert (info.reason, dict(info.metadata)) == ("WORK_POOL_NOT_FOUND", {"name": "none"})


async def test_pools_are_listed_by_name_in_pages(world: World) -> None:
    for name in ("b", "c", "a"):
        await new_pool(world, name, type="process" if name == "b" else "docker")

    first = await world.work.ListWorkPools(pb.ListWorkPoolsRequest(page_size=2))
    request = pb.ListWorkPoolsRequest(page_size=2, page_token=first.next_page_token)
    rest = await world.work.ListWorkPools(request)

    assert [each.name for each in (*first.work_pools, *rest.work_pools)] == ["a", "b", "c"]
    assert not rest.next_page_token
    assert await names(world, offset=2) == ["c"]
    by_type = pb.WorkPoolFilter(type=pb.AnyFilter(any=texts("docker")))
    assert await names(world, work_pools=by_type) == ["a", "c"]
    token = first.next_page_token
    assert await reason(names(world, work_pools=by_type, page_token=token)) == "PAGE_TOKEN_MISMATCH"


async def test_only_the_fields_named_are_replaced(world: World, clock: FakeClock) -> None:
    made = await new_pool(world, description="old", concurrency_limit=3)
    clock.advance(A_SECOND)

    changed = await updated_pool(world, "description", description="new", concurrency_limit=9)

    assert changed.description == "new"
    assert changed.concurrency_limit == 3
    assert when(changed.update_time) == when(made.create_time) + A_SECOND
    assert await the_pool(world) == changed
    emptied = await updated_pool(world, "*")
    assert not emptied.HasField("description")
    assert not emptied.HasField("concurrency_limit")
    assert emptied.base_job_template_json == "{}"


async def test_an_update_names_fields_that_there_are(world: World) -> None:
    await new_pool(world)

    assert await violations(updated_pool(world)) == ["update_mask"]
    assert await violations(updated_pool(world, "type")) == ["update_mask.paths[0]"]
    assert await violations(updated_pool(world, "concurrency_limit", concurrency_limit=-1)) == [
        "concurrency_limit"
    ]


@pytest.mark.parametrize(
    ("workers", "status"),
    [
        ((), pb.WORK_STATUS_NOT_READY),
        (("silent",), pb.WORK_STATUS_NOT_READY),
        (("silent", "alive"), pb.WORK_STATUS_READY),
    ],
    ids=["nobody", "one-that-is-silent", "one-that-reports"],
)
async def test_a_pause_ends_as_the_workers_have_it(
    world: World, clock: FakeClock, workers: tuple[str, ...], status: int
) -> None:
    await new_pool(world)
    paused = await updated_pool(world, "paused", paused=True)
    if "silent" in workers:
        await beat(world, "silent")
        clock.advance(timedelta(seconds=90))
    if "alive" in workers:
        await beat(world, "alive")

    assert paused.status == pb.WORK_STATUS_PAUSED
    assert (await the_pool(world)).status == pb.WORK_STATUS_PAUSED
    assert (await updated_pool(world, "paused", paused=False)).status == status


async def test_a_pool_is_paused_from_the_beginning_if_asked(world: World) -> None:
    made = await new_pool(world, paused=True)

    assert made.paused
    assert made.status == pb.WORK_STATUS_PAUSED


async def test_nobody_reports_on_pools_of_agents(world: World) -> None:
    await new_pool(world, type="prefect-agent")

    await beat(world)
    paused = await updated_pool(world, "paused", paused=True)

    assert paused.paused
    assert paused.status == (await the_pool(world)).status == pb.WORK_STATUS_UNSPECIFIED


async def test_a_pool_goes_with_its_queues_and_its_workers(world: World, app: App) -> None:
    pool = await new_pool(world)
    queue = await new_queue(world, "queue")
    await beat(world)
    runs = [await queued(app, pool.default_queue_id), await queued(app, queue.id)]

    await deleted(world)

    assert await reason(the_pool(world)) == "WORK_POOL_NOT_FOUND"
    key = pb.WorkQueueKey(work_queue_id=queue.id)
    request = pb.GetWorkQueueRequest(work_queue=key)
    assert await reason(world.work.GetWorkQueue(request)) == "WORK_QUEUE_NOT_FOUND"
    for run_id in runs:
        run = await world.get(run_id)
        assert not run.HasField("work_queue_id")
        assert not run.HasField("work_pool_name")
    await new_pool(world)
    listed = await world.work.ListWorkers(pb.ListWorkersRequest(work_pool_name="pool"))
    assert not listed.workers


async def test_a_pool_is_deleted_once(world: World) -> None:
    await new_pool(world)
    request_id = str(uuid4())

    await deleted(world, request_id=request_id)

    await deleted(world, request_id=request_id)
    assert await reason(deleted(world)) == "WORK_POOL_NOT_FOUND"
