"""VariableService: texts by name."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc

from headgate import v1 as pb
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.world import World, reason, refused, violations, when

A_SECOND = timedelta(seconds=1)


async def created(world: World, name: str, **fields: Any) -> pb.Variable:
    """Create a variable."""
    request = pb.CreateVariableRequest(name=name, **fields)
    return (await world.variables.CreateVariable(request)).variable


async def read(world: World, name: str) -> pb.Variable:
    """Read a variable."""
    return (await world.variables.GetVariable(pb.GetVariableRequest(name=name))).variable


async def updated(world: World, name: str, *paths: str, **fields: Any) -> pb.Variable:
    """Replace the fields of a variable that the paths name."""
    request = pb.UpdateVariableRequest(name=name, **fields)
    request.update_mask.paths.extend(paths)
    return (await world.variables.UpdateVariable(request)).variable


async def deleted(world: World, name: str, **fields: Any) -> pb.DeleteVariableResponse:
    """Delete a variable."""
    return await world.variables.DeleteVariable(pb.DeleteVariableRequest(name=name, **fields))


async def names(world: World, **fields: Any) -> list[str]:
    """Return the names on the first page of a list."""
    listed = await world.variables.ListVariables(pb.ListVariablesRequest(**fields))
    return [each.name for each in listed.variables]


async def test_a_variable_is_kept_as_it_is_given(world: World, clock: FakeClock) -> None:
    clock.advance(A_SECOND)

    made = await created(world, "api_url_2", value=' {"ü"}\n', tags=["b", "a", "b"])

    assert UUID(made.id).version == 7
    assert (made.name, made.value, list(made.tags)) == ("api_url_2", ' {"ü"}\n', ["b", "a", "b"])
    assert when(made.create_time) == when(made.update_time) == NOW + A_SECOND
    assert await read(world, "api_url_2") == made


async def test_names_follow_the_rule(world: World) -> None:
    wrong = ["", "A", "a-b", "a b", "é", "a\n", "a.b", "x" * 256]

    for name in ("a", "_", "0", "a_0", "x" * 255):
        assert (await created(world, name)).name == name
    for name in wrong:
        assert set(await violations(created(world, name))) == {"name"}


async def test_a_name_is_taken_once(world: World) -> None:
    await created(world, "name", value="first")

    code, info = await refused(created(world, "name", value="second"))

    assert (code, info.reason) == (grpc.StatusCode.ALREADY_EXISTS, "VARIABLE_EXISTS")
    assert dict(info.metadata) == {"name": "name"}
    assert (await read(world, "name")).value == "first"


async def test_of_many_at_once_one_gets_the_name(world: World) -> None:
    answers = await asyncio.gather(
        *(created(world, "name") for _ in range(10)), return_exceptions=True
    )

    assert sum(isinstance(answer, pb.Variable) for answer in answers) == 1


async def test_what_is_not_there_is_not_found(world: World) -> None:
    calls = [read(world, "name"), deleted(world, "name"), updated(world, "name", "value")]

    answers = [await refused(call) for call in calls]

    assert {(code, info.reason) for code, info in answers} == {
        (grpc.StatusCode.NOT_FOUND, "VARIABLE_NOT_FOUND")
    }
    assert {info.metadata["name"] for _, info in answers} == {"name"}


async def test_the_mask_says_what_is_replaced(world: World, clock: FakeClock) -> None:
    made = await created(world, "name", value="old", tags=["old"])
    clock.advance(A_SECOND)
    new: dict[str, Any] = {"value": "new", "tags": ["new"]}

    value = await updated(world, "name", "value", **new)
    tags = await updated(world, "name", "tags", **new)
    cleared = await updated(world, "name", "*")

    assert (value.value, list(value.tags)) == ("new", ["old"])
    assert (tags.value, list(tags.tags)) == ("new", ["new"])
    assert (cleared.value, list(cleared.tags)) == ("", [])
    assert when(value.update_time) == NOW + A_SECOND
    assert (value.id, value.create_time) == (made.id, made.create_time)
    assert await read(world, "name") == cleared


async def test_a_mask_that_names_nothing_or_something_else_is_refused(world: World) -> None:
    assert await violations(updated(world, "name")) == ["update_mask"]
    assert await violations(updated(world, "name", "name", "value", "id")) == [
        *("update_mask.paths[0]", "update_mask.paths[2]"),
    ]


async def test_a_variable_is_gone_and_its_name_is_free(world: World) -> None:
    await created(world, "name")

    await deleted(world, "name")

    assert await names(world) == []
    assert (await created(world, "name")).name == "name"


async def test_lists_are_by_name_in_code_point_order_and_by_an_exact_prefix(world: World) -> None:
    given = ["b", "a_b", "a1", "aa", "a", "_"]
    for name in given:
        await created(world, name)

    found = {prefix: await names(world, name_prefix=prefix) for prefix in ("", "a", "a_", "A", "%")}

    assert found == {
        "": sorted(given),
        "a": ["a", "a1", "a_b", "aa"],
        "a_": ["a_b"],
        "A": [],
        "%": [],
    }


async def test_pages_hold_every_variable_once(world: World) -> None:
    given = [f"v{number}" for number in range(5)]
    for name in given:
        await created(world, name)
    pages, token = [], ""
    while True:
        request = pb.ListVariablesRequest(page_size=2, page_token=token)
        page = await world.variables.ListVariables(request)
        pages.append([each.name for each in page.variables])
        token = page.next_page_token
        if not token:
            break

    assert pages == [["v0", "v1"], ["v2", "v3"], ["v4"]]
    first = await world.variables.ListVariables(pb.ListVariablesRequest(page_size=2))
    other = names(world, name_prefix="v", page_token=first.next_page_token)
    assert await reason(other) == "PAGE_TOKEN_MISMATCH"
    assert await violations(names(world, page_size=-1)) == ["page_size"]


async def test_repeats_answer_like_the_first(world: World) -> None:
    making, deleting = str(uuid4()), str(uuid4())

    first = await created(world, "name", value="1", request_id=making)
    again = await created(world, "name", value="1", request_id=making)
    other = created(world, "name", value="2", request_id=making)
    await deleted(world, "name", request_id=deleting)
    await created(world, "name", value="3")
    await deleted(world, "name", request_id=deleting)

    assert again == first
    assert await reason(other) == "REQUEST_ID_REUSED"
    assert (await read(world, "name")).value == "3"
