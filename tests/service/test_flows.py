"""FlowService: flows by name and by id, in lists, with new tags, and gone with all their runs."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.seeds import deployment_of
from tests.service.world import (
    COMPLETED,
    PENDING,
    World,
    reason,
    refused,
    texts,
    types,
    violations,
    when,
)


async def names(world: World, **arguments: Any) -> list[str]:
    """Return the names of the flows on the first page of a list."""
    listed = await world.flows.ListFlows(pb.ListFlowsRequest(**arguments))
    return [flow.name for flow in listed.flows]


async def gone(world: World, flow_id: str, **fields: Any) -> pb.DeleteFlowResponse:
    """Delete a flow."""
    return await world.flows.DeleteFlow(pb.DeleteFlowRequest(flow_id=flow_id, **fields))


async def test_a_flow_is_created_once_for_each_name(world: World, clock: FakeClock) -> None:
    first = await world.flows.CreateFlow(pb.CreateFlowRequest(name="etl", tags=["b", "a"]))
    clock.advance(timedelta(hours=1))

    second = await world.flows.CreateFlow(pb.CreateFlowRequest(name="etl", tags=["other"]))

    assert (first.created, second.created) == (True, False)
    assert second.flow == first.flow
    assert list(first.flow.tags) == ["b", "a"]
    assert when(first.flow.create_time) == when(first.flow.update_time) == NOW


async def test_of_many_at_once_one_creates_the_flow_and_all_get_it(world: World) -> None:
    request = pb.CreateFlowRequest(name="etl")

    answers = await asyncio.gather(*(world.flows.CreateFlow(request) for _ in range(20)))

    assert sum(answer.created for answer in answers) == 1
    assert len({answer.flow.id for answer in answers}) == 1


async def test_the_name_of_a_flow_may_be_empty_and_may_hold_any_other_letters(world: World) -> None:
    given = ["", "a b", "flöw 🌊", "A", "a", "x" * 255, 'it\'s "quoted" \\ _']

    for name in given:
        await world.new_flow(name)

    assert await names(world) == sorted(given)


@pytest.mark.parametrize("letter", "/%&<>\0")
async def test_a_letter_that_would_break_addresses_is_refused_in_a_name(
    world: World, letter: str
) -> None:
    request = pb.CreateFlowRequest(name=f"a{letter}b")

    assert await violations(world.flows.CreateFlow(request)) == ["name"]


async def test_a_flow_is_read_by_its_name_and_by_any_spelling_of_its_id(world: World) -> None:
    flow = await world.new_flow("etl")
    spellings = [flow.id, flow.id.upper(), UUID(flow.id).hex, f"{{{flow.id}}}", UUID(flow.id).urn]

    by_name = await world.flows.GetFlow(pb.GetFlowRequest(name="etl"))
    by_id = [await world.flows.GetFlow(pb.GetFlowRequest(flow_id=each)) for each in spellings]

    assert by_name.flow == flow
    assert [each.flow for each in by_id] == [flow] * len(spellings)


@pytest.mark.parametrize("which", [{"flow_id": str(uuid4())}, {"name": "nobody"}, {"name": ""}])
async def test_a_flow_that_is_not_there_is_not_found(
    world: World, which: Mapping[str, str]
) -> None:
    code, info = await refused(world.flows.GetFlow(pb.GetFlowRequest(**which)))

    assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_NOT_FOUND")
    assert dict(info.metadata) == which


async def test_a_flow_gets_new_tags_whole(world: World, clock: FakeClock) -> None:
    flow = await world.new_flow(tags=["old", "kept"])
    clock.advance(timedelta(seconds=1))

    request = pb.UpdateFlowRequest(flow_id=flow.id, tags=["new", "kept"])
    answer = await world.flows.UpdateFlow(request)

    assert list(answer.flow.tags) == ["new", "kept"]
    assert when(answer.flow.update_time) == NOW + timedelta(seconds=1)
    assert when(answer.flow.create_time) == NOW
    read = await world.flows.GetFlow(pb.GetFlowRequest(flow_id=flow.id))
    assert read.flow == answer.flow
    old, new = (pb.FlowFilter(tags=pb.TagsFilter(all=texts(tag))) for tag in ("old", "new"))
    assert await names(world, flows=old) == []
    assert await names(world, flows=new) == [flow.name]


async def test_a_flow_that_is_not_there_gets_no_tags(world: World) -> None:
    request = pb.UpdateFlowRequest(flow_id=str(uuid4()))

    assert await reason(world.flows.UpdateFlow(request)) == "FLOW_NOT_FOUND"


class TestDelete:
    async def test_a_flow_goes_with_its_runs_and_no_others(self, world: World) -> None:
        flow, other = await world.new_flow(), await world.new_flow()
        runs = [await world.new_run(flow_id=flow.id) for _ in range(3)]
        stays = await world.new_run(flow_id=other.id)
        await world.leave(runs[0], "question")

        answer = await gone(world, flow.id)

        assert answer.deleted_flow_runs == 3
        assert [run.id for run in await world.listed()] == [stays.id]
        assert await world.states(runs[0]) == []
        assert await world.input_values(runs[0]) == {}

    async def test_the_name_is_free_again(self, world: World) -> None:
        flow = await world.new_flow("etl")
        await gone(world, flow.id)

        again = await world.flows.CreateFlow(pb.CreateFlowRequest(name="etl"))

        assert again.created
        assert again.flow.id != flow.id

    async def test_a_flow_that_was_deleted_before_is_not_found(self, world: World) -> None:
        flow = await world.new_flow()
        await gone(world, flow.id)

        assert await reason(gone(world, flow.id)) == "FLOW_NOT_FOUND"

    async def test_a_request_id_tells_a_repeat_from_that(self, world: World) -> None:
        run, request_id = await world.new_run(), str(uuid4())

        first = await gone(world, run.flow_id, request_id=request_id)
        again = await gone(world, run.flow_id, request_id=request_id)

        assert first.deleted_flow_runs == again.deleted_flow_runs == 1


class TestLists:
    async def test_every_condition_finds_what_it_says(self, app: App, world: World) -> None:
        alpha = await world.new_flow("Alpha-1", tags=["a", "b"])
        beta = await world.new_flow("beta 2", tags=["b"])
        gamma = await world.new_flow("gamma")
        await deployment_of(app, beta.id)
        await world.new_run(COMPLETED, flow_id=alpha.id)
        await world.new_run(PENDING, flow_id=gamma.id)
        either, ended = pb.OPERATOR_OR, pb.StateFilter(type_any=types(COMPLETED))
        id_filter, name, tags = pb.IdFilter, pb.NameFilter, pb.TagsFilter
        cases: dict[str, tuple[dict[str, Any], str]] = {
            "nothing": ({}, "ABG"),
            "empty filter": ({"flows": pb.FlowFilter()}, "ABG"),
            "id any": ({"flows": {"id": id_filter(any=texts(alpha.id, str(uuid4())))}}, "A"),
            "id any of none": ({"flows": {"id": id_filter(any=texts())}}, ""),
            "id not any": ({"flows": {"id": id_filter(not_any=texts(alpha.id))}}, "BG"),
            "id not any of none": ({"flows": {"id": id_filter(not_any=texts())}}, "ABG"),
            "name any": ({"flows": {"name": name(any=texts("gamma", "beta"))}}, "G"),
            "name like, in either case": ({"flows": {"name": name(like="ALPHA")}}, "A"),
            "name like, live wildcards": ({"flows": {"name": name(like="b%_2")}}, "B"),
            "tags all": ({"flows": {"tags": tags(all=texts("b"))}}, "AB"),
            "tags all of two": ({"flows": {"tags": tags(all=texts("b", "a"))}}, "A"),
            "tags all of none": ({"flows": {"tags": tags(all=texts())}}, "ABG"),
            "no tags": ({"flows": {"tags": tags(is_null=True)}}, "G"),
            "some tags": ({"flows": {"tags": tags(is_null=False)}}, "AB"),
            "no tags or a": (
                {"flows": {"tags": tags(operator=either, all=texts("a"), is_null=True)}},
                "AG",
            ),
            "not deployed": ({"flows": {"deployment": {"is_null": True}}}, "AG"),
            "deployed": ({"flows": {"deployment": {"is_null": False}}}, "B"),
            "both of two": (
                {"flows": {"name": name(like="a"), "tags": tags(all=texts("a"))}},
                "A",
            ),
            "either of two": (
                {
                    "flows": {
                        "operator": either,
                        "name": name(any=texts("gamma")),
                        "tags": tags(all=texts("a")),
                    }
                },
                "AG",
            ),
            "either, and one that says nothing": (
                {"flows": {"operator": either, "name": name(), "tags": tags(all=texts("a"))}},
                "ABG",
            ),
            "with any run": ({"flow_runs": pb.FlowRunFilter()}, "AG"),
            "with a run that ended": ({"flow_runs": {"state": ended}}, "A"),
            "with a run, deployed": (
                {"flows": {"deployment": {"is_null": False}}, "flow_runs": pb.FlowRunFilter()},
                "",
            ),
        }

        found = {case: await names(world, **given) for case, (given, _) in cases.items()}
        counted = {
            case: (await world.flows.CountFlows(pb.CountFlowsRequest(**given))).count
            for case, (given, _) in cases.items()
        }

        assert {
            case: "".join(each[0].upper() for each in flows) for case, flows in found.items()
        } == {case: letters for case, (_, letters) in cases.items()}
        assert counted == {case: len(letters) for case, (_, letters) in cases.items()}

    async def test_a_list_is_sorted_as_asked(self, world: World, clock: FakeClock) -> None:
        made = []
        for name in ("b", "A", "a"):
            made.append(await world.new_flow(name))
            clock.advance(timedelta(seconds=1))
        await world.flows.UpdateFlow(pb.UpdateFlowRequest(flow_id=made[1].id))

        orders = {sort: "".join(await names(world, sort=sort)) for sort in pb.FlowSort.values()}

        assert orders == {
            pb.FLOW_SORT_UNSPECIFIED: "Aab",
            pb.FLOW_SORT_NAME_ASC: "Aab",
            pb.FLOW_SORT_NAME_DESC: "baA",
            pb.FLOW_SORT_CREATED_DESC: "aAb",
            pb.FLOW_SORT_UPDATED_DESC: "Aab",
        }

    async def test_pages_hold_every_flow_once_also_where_the_keys_tie(self, world: World) -> None:
        made = {(await world.new_flow(f"flow {number}")).name for number in range(7)}
        for sort in pb.FlowSort.values():
            paged: list[str] = []
            token = ""
            while True:
                request = pb.ListFlowsRequest(sort=sort, page_size=3, page_token=token)
                page = await world.flows.ListFlows(request)
                paged += [flow.name for flow in page.flows]
                token = page.next_page_token
                if not token:
                    break

            assert paged == await names(world, sort=sort)
            assert set(paged) == made

    async def test_a_page_may_begin_after_an_offset(self, world: World) -> None:
        for name in "abcde":
            await world.new_flow(name)

        first = await world.flows.ListFlows(pb.ListFlowsRequest(offset=1, page_size=2))
        token = first.next_page_token
        rest = await names(world, offset=1, page_token=token)

        assert [flow.name for flow in first.flows] == ["b", "c"]
        assert rest == ["d", "e"]

    async def test_the_token_of_another_list_is_refused(self, world: World) -> None:
        for name in "abc":
            await world.new_flow(name)
        page = await world.flows.ListFlows(pb.ListFlowsRequest(page_size=1))
        others: dict[str, dict[str, Any]] = {
            "another order": {"sort": pb.FLOW_SORT_NAME_DESC},
            "another filter": {"flows": pb.FlowFilter(name=pb.NameFilter(like="a"))},
            "another filter of runs": {"flow_runs": pb.FlowRunFilter()},
        }

        reasons = {
            case: await reason(names(world, page_token=page.next_page_token, **given))
            for case, given in others.items()
        }

        assert set(reasons.values()) == {"PAGE_TOKEN_MISMATCH"}
