"""The filters of flow runs, end to end: every member once, what is empty and what is not given, AND and OR."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.seeds import deployment_of, run_without_state, task_run_of
from tests.service.world import (
    CANCELLED,
    COMPLETED,
    PENDING,
    RUNNING,
    SCHEDULED,
    World,
    at,
    lasting,
    texts,
    types,
)

A_SECOND = timedelta(seconds=1)
AN_HOUR = timedelta(hours=1)
OR = pb.OPERATOR_OR
NOTHING = ""
EVERYTHING = "ABCDEF"

Case = tuple[dict[str, Any], str]
"""The members of a filter, and the first letters of the runs that match."""


class Runs:
    """Six runs, known by the first letters of their names, that differ in everything one can ask for."""

    async def store(self, app: App, world: World, clock: FakeClock) -> None:
        """Store them."""
        self.etl = await world.new_flow("etl", tags=["nightly"])
        self.other = await world.new_flow("other")
        self.deployment, self.lost_deployment = await deployment_of(app, self.other.id), uuid4()
        self.a = await world.new_run(flow_id=self.etl.id, name="Alpha-1", tags=["x", "y"])
        self.b = await world.new_run(
            RUNNING,
            flow_id=self.etl.id,
            name="beta 2",
            tags=["y"],
            deployment_id=self.deployment,
            flow_version="v1",
        )
        clock.advance(A_SECOND)
        self.c = await world.new_run(
            RUNNING, flow_id=self.etl.id, name="gamma", idempotency_key="k1", flow_version="v2"
        )
        await world.propose(self.c, pb.ProposedState(type=COMPLETED, name="Done"))
        self.d = await world.new_run(
            pb.ProposedState(
                type=SCHEDULED, details=pb.StateDetails(scheduled_time=at(NOW + AN_HOUR))
            ),
            flow_id=self.other.id,
            name="delta_1",
            tags=["x"],
            deployment_id=str(self.lost_deployment),
            idempotency_key="k2",
        )
        self.e = await run_without_state(app, self.other.id, name="echo", work_queue_name="q")
        self.task_run = await task_run_of(app, self.a.id)
        self.f = await world.new_run(
            flow_id=self.other.id, name="foxtrot", parent_task_run_id=self.task_run
        )
        stored = (self.a.id, self.b.id, self.c.id, self.d.id, self.e, self.f.id)
        self.letters = dict(zip(stored, EVERYTHING, strict=True))

    def told(self, run_ids: Any) -> str:
        """Return the letters of some runs in order."""
        return "".join(sorted(self.letters[run_id] for run_id in run_ids))


@pytest.fixture
async def runs(app: App, world: World, clock: FakeClock) -> Runs:
    stored = Runs()
    await stored.store(app, world, clock)
    return stored


def texts_cases(runs: Runs) -> dict[str, Case]:
    """Return what can be asked about ids, names, tags and keys."""
    return {
        "empty": ({}, EVERYTHING),
        "id any": ({"id": pb.IdFilter(any=texts(runs.a.id, runs.f.id.upper()))}, "AF"),
        "id any of none": ({"id": pb.IdFilter(any=texts())}, NOTHING),
        "id not any": ({"id": pb.IdFilter(not_any=texts(runs.a.id))}, "BCDEF"),
        "id not any of none": ({"id": pb.IdFilter(not_any=texts())}, EVERYTHING),
        "id any and not any": (
            {"id": pb.IdFilter(any=texts(runs.a.id, runs.b.id), not_any=texts(runs.a.id))},
            "B",
        ),
        "name any": ({"name": pb.NameFilter(any=texts("gamma", "GAMMA", "echo"))}, "CE"),
        "name any of none": ({"name": pb.NameFilter(any=texts())}, NOTHING),
        "name like": ({"name": pb.NameFilter(like="ALPHA")}, "A"),
        "name like with wildcards": ({"name": pb.NameFilter(like="a_1")}, "AD"),
        "name like with any text between": ({"name": pb.NameFilter(like="e%a")}, "BD"),
        "name like nothing": ({"name": pb.NameFilter(like="")}, EVERYTHING),
        "name like and any": ({"name": pb.NameFilter(like="a", any=texts("gamma"))}, "C"),
        "tags all": ({"tags": pb.TagsFilter(all=texts("x"))}, "AD"),
        "tags all of two": ({"tags": pb.TagsFilter(all=texts("y", "x", "x"))}, "A"),
        "tags all of none": ({"tags": pb.TagsFilter(all=texts())}, EVERYTHING),
        "no tags": ({"tags": pb.TagsFilter(is_null=True)}, "CEF"),
        "some tags": ({"tags": pb.TagsFilter(is_null=False)}, "ABD"),
        "tags, either": (
            {"tags": pb.TagsFilter(operator=OR, all=texts("y"), is_null=True)},
            "ABCEF",
        ),
        "version any": ({"flow_version": pb.FlowVersionFilter(any=texts("v1", "v2"))}, "BC"),
        "version any of none": ({"flow_version": pb.FlowVersionFilter(any=texts())}, NOTHING),
        "key any": ({"idempotency_key": pb.IdempotencyKeyFilter(any=texts("k1", "K2"))}, "C"),
        "key not any": ({"idempotency_key": pb.IdempotencyKeyFilter(not_any=texts("k1"))}, "ABDEF"),
        "key not any of none": (
            {"idempotency_key": pb.IdempotencyKeyFilter(not_any=texts())},
            EVERYTHING,
        ),
        "queue any": ({"work_queue_name": pb.TextFilter(any=texts("q"))}, "E"),
        "queue missing": ({"work_queue_name": pb.TextFilter(is_null=True)}, "ABCDF"),
        "queue, either": (
            {"work_queue_name": pb.TextFilter(operator=OR, any=texts("q"), is_null=True)},
            EVERYTHING,
        ),
    }


def reference_cases(runs: Runs) -> dict[str, Case]:
    """Return what can be asked about deployments and parents."""
    deployment, reference = runs.deployment, pb.ReferenceFilter
    return {
        "deployment any": ({"deployment_id": reference(any=texts(deployment))}, "B"),
        "deployment any of none": ({"deployment_id": reference(any=texts())}, NOTHING),
        "no deployment": ({"deployment_id": reference(is_null=True)}, "ACEF"),
        "a deployment, there or not": ({"deployment_id": reference(is_null=False)}, "BD"),
        "deployment, both": (
            {"deployment_id": reference(any=texts(deployment), is_null=True)},
            NOTHING,
        ),
        "deployment, either": (
            {"deployment_id": reference(operator=OR, any=texts(deployment), is_null=True)},
            "ABCEF",
        ),
        "parent task any": ({"parent_task_run_id": reference(any=texts(runs.task_run))}, "F"),
        "no parent task": ({"parent_task_run_id": reference(is_null=True)}, "ABCDE"),
        "a parent task": ({"parent_task_run_id": reference(is_null=False)}, "F"),
    }


def state_cases() -> dict[str, Case]:
    """Return what can be asked about states."""
    state = pb.StateFilter
    return {
        "type any": ({"state": state(type_any=types(PENDING, COMPLETED))}, "ACF"),
        "type that nobody has": ({"state": state(type_any=types(CANCELLED))}, NOTHING),
        "type any of none": ({"state": state(type_any=types())}, NOTHING),
        "type any of all": ({"state": state(type_any=types(*range(1, 10)))}, "ABCDF"),
        "state name any": ({"state": state(name_any=texts("Done", "pending"))}, "C"),
        "state name any of none": ({"state": state(name_any=texts())}, NOTHING),
        "type and name": (
            {"state": state(type_any=types(PENDING), name_any=texts("Done"))},
            NOTHING,
        ),
        "type or name": (
            {"state": state(operator=OR, type_any=types(PENDING), name_any=texts("Done"))},
            "ACF",
        ),
        "no conditions": ({"state": state()}, EVERYTHING),
    }


def time_cases() -> dict[str, Case]:
    """Return what can be asked about times; bounds are included."""
    time, now, soon = pb.TimeFilter, at(NOW), at(NOW + A_SECOND)
    return {
        "started before": ({"start_time": time(before=now)}, "B"),
        "started after": ({"start_time": time(after=soon)}, "C"),
        "started between": ({"start_time": time(after=now, before=soon)}, "BC"),
        "not started": ({"start_time": time(is_null=True)}, "ADEF"),
        "started": ({"start_time": time(is_null=False)}, "BC"),
        "started and not": ({"start_time": time(before=soon, is_null=True)}, NOTHING),
        "expected before": ({"expected_start_time": time(before=now)}, "AB"),
        "expected after": ({"expected_start_time": time(after=soon)}, "CDF"),
        "expected never": ({"expected_start_time": time(is_null=True)}, "E"),
        "due after": ({"next_scheduled_start_time": time(after=at(NOW + AN_HOUR))}, "D"),
        "due before": ({"next_scheduled_start_time": time(before=soon)}, NOTHING),
        "not due": ({"next_scheduled_start_time": time(is_null=True)}, "ABCEF"),
        "no bounds": ({"start_time": time()}, EVERYTHING),
    }


def joined_cases(runs: Runs) -> dict[str, Case]:
    """Return what can be asked with several members."""
    of_a, tagged = pb.IdFilter(any=texts(runs.a.id)), pb.TagsFilter(all=texts("y"))
    return {
        "both members": ({"id": of_a, "tags": tagged}, "A"),
        "both members, said": ({"operator": pb.OPERATOR_AND, "id": of_a, "tags": tagged}, "A"),
        "either member": (
            {"operator": OR, "id": pb.IdFilter(any=texts(runs.c.id)), "tags": tagged},
            "ABC",
        ),
        "either, and one that says nothing": ({"operator": OR, "id": of_a, "tags": {}}, EVERYTHING),
        "either, and a state that says nothing": (
            {"operator": OR, "id": of_a, "state": pb.StateFilter()},
            EVERYTHING,
        ),
        "either of none": ({"operator": OR}, EVERYTHING),
        "either of one": ({"operator": OR, "id": of_a}, "A"),
    }


def all_cases(runs: Runs) -> dict[str, Case]:
    return (
        texts_cases(runs)
        | reference_cases(runs)
        | state_cases()
        | time_cases()
        | joined_cases(runs)
    )


def expected_of(cases: dict[str, Case]) -> dict[str, str]:
    return {case: letters for case, (_, letters) in cases.items()}


async def test_every_condition_finds_and_counts_what_it_says(world: World, runs: Runs) -> None:
    cases = all_cases(runs) | {
        "parent any": (
            {"parent_flow_run_id": pb.ParentFlowRunFilter(any=texts(runs.a.id))},
            "F",
        ),
        "parent any of none": (
            {"parent_flow_run_id": pb.ParentFlowRunFilter(any=texts())},
            NOTHING,
        ),
        "parent any, of one level": (
            {"parent_flow_run_id": pb.ParentFlowRunFilter(any=texts(runs.f.id))},
            NOTHING,
        ),
    }

    found, counted = {}, {}
    for case, (members, _) in cases.items():
        given = pb.FlowRunFilter(**members)
        found[case] = runs.told(run.id for run in await world.listed(flow_runs=given))
        request = pb.CountFlowRunsRequest(flow_runs=given)
        counted[case] = (await world.runs.CountFlowRuns(request)).count

    assert found == expected_of(cases)
    assert counted == {case: len(letters) for case, letters in expected_of(cases).items()}


async def test_every_member_of_the_filter_is_in_the_table(runs: Runs) -> None:
    asked = {member for members, _ in all_cases(runs).values() for member in members}

    members = {field.name for field in pb.FlowRunFilter.DESCRIPTOR.fields}
    assert asked == members - {"parent_flow_run_id"}


async def test_conditions_on_the_flow_are_joined_to_those_on_the_run(
    world: World, runs: Runs
) -> None:
    pending = pb.FlowRunFilter(state=pb.StateFilter(type_any=types(PENDING)))
    cases: dict[str, Case] = {
        "flow id": ({"flows": pb.FlowFilter(id=pb.IdFilter(any=texts(runs.etl.id)))}, "ABC"),
        "flow name": ({"flows": pb.FlowFilter(name=pb.NameFilter(any=texts("other")))}, "DEF"),
        "flow name like": ({"flows": pb.FlowFilter(name=pb.NameFilter(like="TH"))}, "DEF"),
        "flow tags": ({"flows": pb.FlowFilter(tags=pb.TagsFilter(all=texts("nightly")))}, "ABC"),
        "deployed flow": (
            {"flows": pb.FlowFilter(deployment=pb.FlowDeploymentFilter(is_null=False))},
            "DEF",
        ),
        "not deployed flow": (
            {"flows": pb.FlowFilter(deployment=pb.FlowDeploymentFilter(is_null=True))},
            "ABC",
        ),
        "any flow": ({"flows": pb.FlowFilter()}, EVERYTHING),
        "flow and run": (
            {"flows": pb.FlowFilter(name=pb.NameFilter(like="etl")), "flow_runs": pending},
            "A",
        ),
        "either flow and run": (
            {
                "flows": pb.FlowFilter(
                    operator=OR,
                    name=pb.NameFilter(any=texts("other")),
                    tags=pb.TagsFilter(all=texts("nightly")),
                ),
                "flow_runs": pending,
            },
            "AF",
        ),
    }

    found = {
        case: runs.told(run.id for run in await world.listed(**given))
        for case, (given, _) in cases.items()
    }

    assert found == expected_of(cases)


async def test_every_condition_pages_and_sorts_like_the_whole_list(
    world: World, runs: Runs
) -> None:
    cases = all_cases(runs)
    for sort in (pb.FLOW_RUN_SORT_START_TIME_ASC, pb.FLOW_RUN_SORT_END_TIME_DESC):
        whole = [run.id for run in await world.listed(sort=sort)]
        for case, (members, letters) in cases.items():
            given = pb.FlowRunFilter(**members)
            paged: list[str] = []
            token = ""
            while True:
                page = await world.runs.ListFlowRuns(
                    pb.ListFlowRunsRequest(
                        flow_runs=given, sort=sort, page_size=2, page_token=token
                    )
                )
                paged += [run.id for run in page.flow_runs]
                token = page.next_page_token
                if not token:
                    break

            assert paged == [each for each in whole if runs.letters[each] in letters], case


async def test_watches_find_what_lists_find(world: World, runs: Runs) -> None:
    cases = all_cases(runs)
    watches = {
        case: world.watch(
            flow_runs=pb.FlowRunFilter(**members),
            send_initial_state=True,
            progress_interval=lasting(A_SECOND),
        )
        for case, (members, _) in cases.items()
    }
    snapshots: dict[str, list[str]] = {case: [] for case in cases}
    for case, watch in watches.items():
        while (message := await watch.next()).WhichOneof("event") == "snapshot":
            snapshots[case].append(message.snapshot.flow_run.id)

    await asyncio.gather(
        *(
            world.update(run_id, ["infrastructure_pid"], infrastructure_pid="7")
            for run_id in runs.letters
        )
    )

    changes: dict[str, list[str]] = {case: [] for case in cases}
    for case, watch in watches.items():
        while (message := await watch.next()).WhichOneof("event") == "run_update":
            changes[case].append(message.run_update.flow_run.id)
        assert message.WhichOneof("event") == "progress"
    assert {case: runs.told(found) for case, found in snapshots.items()} == expected_of(cases)
    assert {case: runs.told(found) for case, found in changes.items()} == expected_of(cases)
