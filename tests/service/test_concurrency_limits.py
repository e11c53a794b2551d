"""ConcurrencyLimitService: limits by tag, and who holds their slots."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from headgate import v1 as pb
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.replicas import replicas
from tests.service.tasks import limit, new_task_run, propose, slots
from tests.service.world import (
    ACCEPT,
    COMPLETED,
    RUNNING,
    WAIT,
    World,
    reason,
    refused,
    violations,
    when,
)

A_SECOND = timedelta(seconds=1)


async def read(world: World, **fields: Any) -> pb.ConcurrencyLimit:
    """Read a limit by its id or its tag."""
    request = pb.GetConcurrencyLimitRequest(**fields)
    return (await world.limits.GetConcurrencyLimit(request)).concurrency_limit


async def reset(world: World, tag: str, *active_slots: str) -> pb.ConcurrencyLimit:
    """Give the slots of a limit to these task runs."""
    request = pb.ResetConcurrencyLimitRequest(tag=tag, active_slots=active_slots)
    return (await world.limits.ResetConcurrencyLimit(request)).concurrency_limit


async def deleted(world: World, **fields: Any) -> pb.DeleteConcurrencyLimitResponse:
    """Delete a limit by its id or its tag."""
    request = pb.DeleteConcurrencyLimitRequest(**fields)
    return await world.limits.DeleteConcurrencyLimit(request)


async def tags(world: World, **fields: Any) -> list[str]:
    """Return the tags on the first page of a list."""
    listed = await world.limits.ListConcurrencyLimits(pb.ListConcurrencyLimitsRequest(**fields))
    return [each.tag for each in listed.concurrency_limits]


async def holder(world: World, *held: str) -> pb.TaskRun:
    """Return a task run that runs with these tags."""
    task_run = await new_task_run(world, tags=held)
    assert (await propose(world, task_run, RUNNING)).status == ACCEPT
    return task_run


async def test_a_limit_is_kept_as_it_is_given(world: World, clock: FakeClock) -> None:
    clock.advance(A_SECOND)

    answer = await limit(world, " Ü/ ", 3)

    made = answer.concurrency_limit
    assert answer.created
    assert UUID(made.id).version == 7
    assert (made.tag, made.concurrency_limit, list(made.active_slots)) == (" Ü/ ", 3, [])
    assert when(made.create_time) == when(made.update_time) == NOW + A_SECOND
    assert await read(world, tag=" Ü/ ") == made
    assert await read(world, concurrency_limit_id=made.id.upper()) == made


async def test_setting_a_limit_again_changes_the_number_and_keeps_the_slots(
    world: World, clock: FakeClock
) -> None:
    first = (await limit(world, "db", 2)).concurrency_limit
    held = sorted([(await holder(world, "db")).id for _ in range(2)])
    clock.advance(A_SECOND)

    again = await limit(world, "db", 1)

    made = again.concurrency_limit
    assert not again.created
    assert (made.id, made.concurrency_limit, list(made.active_slots)) == (first.id, 1, held)
    assert (when(made.create_time), when(made.update_time)) == (NOW, NOW + A_SECOND)
    assert await read(world, tag="db") == made


async def test_of_many_creators_one_makes_the_limit(world: World) -> None:
    answers = await asyncio.gather(*(limit(world, "db", number) for number in range(20)))

    assert [each.created for each in answers].count(True) == 1
    assert len({each.concurrency_limit.id for each in answers}) == 1
    standing = await read(world, tag="db")
    assert standing.concurrency_limit in {
        each.concurrency_limit.concurrency_limit for each in answers
    }


async def test_of_many_creators_on_two_servers_one_makes_each_limit(
    postgresql_url: str, clock: FakeClock
) -> None:
    async with replicas(2, postgresql_url, clock) as servers:
        answers = await asyncio.gather(
            *(limit(world, f"tag {i}", i) for i in range(25) for _, world in servers)
        )

        assert [each.created for each in answers].count(True) == 25
        assert len({each.concurrency_limit.id for each in answers}) == 25
        assert len(await tags(servers[0][1])) == 25


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"concurrency_limit_id": str(uuid4())}, id="by id"),
        pytest.param({"tag": "none"}, id="by tag"),
    ],
)
async def test_a_missing_limit_is_not_found(world: World, fields: dict[str, str]) -> None:
    for call in (read(world, **fields), deleted(world, **fields)):
        code, info = await refused(call)
        assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "CONCURRENCY_LIMIT_NOT_FOUND")
        assert dict(info.metadata) == fields
    assert await reason(reset(world, "none")) == "CONCURRENCY_LIMIT_NOT_FOUND"


async def test_limits_are_listed_by_tag_in_pages(world: World) -> None:
    for tag in ("b", "é", "a", "B", "c"):
        await limit(world, tag, 1)
    held = await holder(world, "c")

    first = await world.limits.ListConcurrencyLimits(pb.ListConcurrencyLimitsRequest(page_size=3))
    second = await world.limits.ListConcurrencyLimits(
        pb.ListConcurrencyLimitsRequest(page_size=3, page_token=first.next_page_token)
    )

    assert [each.tag for each in first.concurrency_limits] == ["B", "a", "b"]
    assert [each.tag for each in second.concurrency_limits] == ["c", "é"]
    assert second.next_page_token == ""
    assert list(second.concurrency_limits[0].active_slots) == [held.id]
    assert await tags(world, offset=3) == ["c", "é"]
    assert await reason(tags(world, page_token="x")) == "PAGE_TOKEN_MISMATCH"


async def test_a_reset_takes_the_slots_from_all(world: World, clock: FakeClock) -> None:
    await limit(world, "db", 1)
    stuck = await holder(world, "db")
    waiting = await new_task_run(world, tags=["db"])
    assert (await propose(world, waiting, RUNNING)).status == WAIT
    clock.advance(A_SECOND)

    standing = await reset(world, "db")

    assert list(standing.active_slots) == []
    assert when(standing.update_time) == NOW + A_SECOND
    assert await read(world, tag="db") == standing
    assert (await propose(world, waiting, RUNNING)).status == ACCEPT
    await propose(world, stuck, COMPLETED)
    assert await slots(world, "db") == [waiting.id]


async def test_a_reset_gives_the_slots_to_those_that_are_named(world: World) -> None:
    await limit(world, "db", 1)
    await holder(world, "db")
    named = sorted([(await new_task_run(world)).id for _ in range(2)])

    standing = await reset(world, "db", named[1], named[0].upper(), named[1])

    assert list(standing.active_slots) == named
    assert await slots(world, "db") == named


async def test_a_reset_for_a_missing_task_run_changes_nothing(world: World) -> None:
    await limit(world, "db", 1)
    held = await holder(world, "db")
    missing = str(uuid4())

    code, info = await refused(reset(world, "db", held.id, missing))

    assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "TASK_RUN_NOT_FOUND")
    assert dict(info.metadata) == {"task_run_id": missing}
    assert await slots(world, "db") == [held.id]


async def test_resets_at_once_are_made_one_after_the_other(world: World) -> None:
    await limit(world, "db", 1)
    named = [(await new_task_run(world)).id for _ in range(5)]

    answers = await asyncio.gather(*(reset(world, "db", each) for each in named))

    assert [list(each.active_slots) for each in answers] == [[each] for each in named]
    assert len(await slots(world, "db")) == 1


@pytest.mark.parametrize("by", ["concurrency_limit_id", "tag"])
async def test_without_its_limit_a_tag_holds_nobody_up(world: World, by: str) -> None:
    made = (await limit(world, "db", 0)).concurrency_limit
    await limit(world, "other", 1)

    await deleted(world, **{by: made.id if by != "tag" else "db"})

    assert await tags(world) == ["other"]
    await holder(world, "db")
    assert await reason(read(world, tag="db")) == "CONCURRENCY_LIMIT_NOT_FOUND"


async def test_a_repeated_deletion_is_answered_like_the_first(world: World) -> None:
    await limit(world, "db", 1)
    request_id = str(uuid4())

    await deleted(world, tag="db", request_id=request_id)
    await deleted(world, tag="db", request_id=request_id)

    assert await reason(deleted(world, tag="db")) == "CONCURRENCY_LIMIT_NOT_FOUND"
    other = deleted(world, tag="other", request_id=request_id)
    assert await reason(other) == "REQUEST_ID_REUSED"


async def test_only_one_of_many_deletions_finds_the_limit(world: World) -> None:
    made = (await limit(world, "db", 1)).concurrency_limit

    answers = await asyncio.gather(
        *(deleted(world, tag="db") for _ in range(5)),
        *(deleted(world, concurrency_limit_id=made.id) for _ in range(5)),
        return_exceptions=True,
    )

    assert sum(isinstance(each, pb.DeleteConcurrencyLimitResponse) for each in answers) == 1


async def test_wrong_fields_are_named(world: World) -> None:
    limits = world.limits
    create = limits.CreateConcurrencyLimit(pb.CreateConcurrencyLimitRequest(concurrency_limit=-1))
    long = limits.CreateConcurrencyLimit(pb.CreateConcurrencyLimitRequest(tag="x" * 256))
    reset_ = limits.ResetConcurrencyLimit(pb.ResetConcurrencyLimitRequest(active_slots=["x"]))

    assert await violations(create) == ["tag", "concurrency_limit"]
    assert await violations(long) == ["tag"]
    assert await violations(read(world)) == ["limit"]
    assert await violations(read(world, concurrency_limit_id="x")) == ["concurrency_limit_id"]
    assert await violations(deleted(world, request_id="x")) == ["limit", "request_id"]
    assert await violations(reset_) == ["tag", "active_slots[0]"]
    assert await violations(tags(world, page_size=-1, offset=-1)) == ["page_size", "offset"]
