"""CreateFlowRun: what a new run is like, and when an old one is returned in its place."""

import asyncio
import re
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import grpc

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.service.seeds import task_run_of
from tests.service.world import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    CRASHED,
    FAILED,
    PAUSED,
    PENDING,
    RUNNING,
    SCHEDULED,
    World,
    at,
    lasting,
    refused,
    violations,
    when,
)

LATER = NOW + timedelta(hours=1)
A_DAY = timedelta(days=1)


async def created(world: World, flow_id: str, **fields: Any) -> pb.CreateFlowRunResponse:
    """Create a run, and return the whole answer."""
    return await world.runs.CreateFlowRun(pb.CreateFlowRunRequest(flow_id=flow_id, **fields))


class TestNewRuns:
    async def test_a_run_of_which_nothing_is_said_is_pending_and_bare(self, world: World) -> None:
        flow = await world.new_flow()

        answer = await created(world, flow.id)

        run = answer.flow_run
        assert answer.created
        assert answer.revision > 0
        assert UUID(run.id).version == 7
        assert run == await world.get(run)
        expected = pb.FlowRun(
            id=run.id,
            flow_id=flow.id,
            name=run.name,
            version=1,
            create_time=at(NOW),
            update_time=at(NOW),
            expected_start_time=at(NOW),
            state=pb.State(
                id=run.state.id,
                type=PENDING,
                name="Pending",
                version=1,
                timestamp=at(NOW),
                details=pb.StateDetails(flow_run_id=run.id),
            ),
            policy=pb.FlowRunPolicy(),
            total_run_time=lasting(timedelta()),
            estimated_run_time=lasting(timedelta()),
            estimated_start_time_delta=lasting(timedelta()),
            parameters_json="{}",
            context_json="{}",
            job_variables_json="{}",
        )
        assert run == expected

    async def test_everything_that_is_given_is_kept(self, app: App, world: World) -> None:
        parent = await world.new_run()
        given: dict[str, Any] = {
            "name": "nightly",
            "parameters_json": '{"exact": 1152921504606846977, "one": 1.0, "ünï": [null]}',
            "context_json": ' {"a" : 1} ',
            "tags": ["b", "a", "b"],
            "flow_version": "v1",
            "deployment_id": str(uuid4()),
            "parent_task_run_id": await task_run_of(app, parent.id),
            "idempotency_key": "key",
        }

        answer = await created(
            world, parent.flow_id, retries=2, retry_delay=lasting(timedelta(seconds=1.5)), **given
        )

        run = await world.get(answer.flow_run)
        assert run == answer.flow_run
        assert {name: getattr(run, name) for name in given} == given
        assert run.policy == pb.FlowRunPolicy(
            retries=2, retry_delay=lasting(timedelta(seconds=1.5))
        )
        assert run.state.details.task_run_id == given["parent_task_run_id"]

    async def test_a_run_without_a_name_is_given_two_words(self, world: World) -> None:
        flow = await world.new_flow()

        names = {(await created(world, flow.id)).flow_run.name for _ in range(5)}

        assert all(re.fullmatch("[a-z]+-[a-z]+", name) for name in names)
        assert len(names) > 1

    async def test_names_of_runs_need_not_differ(self, world: World) -> None:
        flow = await world.new_flow()

        answers = [await created(world, flow.id, name="a / b % c") for _ in range(2)]

        assert {answer.flow_run.name for answer in answers} == {"a / b % c"}
        assert len({answer.flow_run.id for answer in answers}) == 2

    async def test_zero_retries_are_not_the_same_as_none(self, world: World) -> None:
        run = await world.new_run(retries=0)

        assert run.policy.HasField("retries")
        assert run.policy.retries == 0

    async def test_ids_grow_with_time(self, world: World) -> None:
        runs = [await world.new_run() for _ in range(5)]

        assert [run.id for run in runs] == sorted(run.id for run in runs)

    async def test_ids_in_any_spelling_are_kept_in_the_canonical_one(self, world: World) -> None:
        flow, deployment_id = await world.new_flow(), uuid4()

        answer = await created(world, flow.id.upper(), deployment_id=deployment_id.hex.upper())

        assert answer.flow_run.flow_id == flow.id
        assert answer.flow_run.deployment_id == str(deployment_id)

    async def test_many_are_created_at_once(self, world: World) -> None:
        flow = await world.new_flow()

        answers = await asyncio.gather(*(created(world, flow.id) for _ in range(50)))

        assert all(answer.created for answer in answers)
        assert len({answer.revision for answer in answers}) == 50
        count = await world.runs.CountFlowRuns(pb.CountFlowRunsRequest())
        assert count.count == 50


class Books(NamedTuple):
    """What is kept of a run beside its state."""

    run_count: int
    start_time: datetime | None
    end_time: datetime | None
    expected_start_time: datetime | None
    next_scheduled_start_time: datetime | None


def books_of(run: pb.FlowRun) -> Books:
    def time_of(field: str) -> datetime | None:
        return when(getattr(run, field)) if run.HasField(field) else None  # type: ignore[arg-type]

    return Books(run.run_count, *(time_of(field) for field in Books._fields[1:]))


class TestFirstStates:
    async def test_a_first_state_is_booked_and_asks_no_rule(self, world: World) -> None:
        later = pb.StateDetails(scheduled_time=at(LATER))
        plain = Books(0, None, None, NOW, None)
        expected = {
            "SCHEDULED": (pb.ProposedState(type=SCHEDULED), Books(0, None, None, NOW, NOW)),
            "SCHEDULED for later": (
                pb.ProposedState(type=SCHEDULED, details=later),
                Books(0, None, None, LATER, LATER),
            ),
            "RUNNING": (pb.ProposedState(type=RUNNING), Books(1, NOW, None, NOW, None)),
            "named Late": (
                pb.ProposedState(type=SCHEDULED, name="Late"),
                Books(0, None, None, NOW, NOW),
            ),
            **{
                pb.StateType.Name(each): (pb.ProposedState(type=each), plain)
                for each in (PENDING, COMPLETED, FAILED, CANCELLED, CRASHED, PAUSED, CANCELLING)
            },
        }

        runs = {case: await world.new_run(state) for case, (state, _) in expected.items()}

        assert {case: books_of(run) for case, run in runs.items()} == {
            case: books for case, (_, books) in expected.items()
        }
        assert {run.state.type for run in runs.values()} == set(pb.StateType.values()) - {0}
        assert {run.version for run in runs.values()} == {1}

    async def test_a_first_state_is_kept_whole(self, world: World) -> None:
        details = pb.StateDetails(
            flow_run_id=str(uuid4()),
            task_run_id=str(uuid4()),
            scheduled_time=at(LATER),
            pause_key="key",
            transition_id=str(uuid4()),
        )
        proposed = pb.ProposedState(
            type=SCHEDULED, name="", message="Soon", data_json="[1.0, 1]", details=details
        )

        run = await world.new_run(proposed)

        (state,) = await world.states(run)
        assert state == run.state
        assert (state.name, state.message, state.data_json) == ("", "Soon", "[1.0, 1]")
        assert when(state.timestamp) == NOW
        details.flow_run_id = run.id
        details.task_run_id = ""
        assert state.details == details, "the server says whose state it is"

    async def test_the_transition_id_of_a_first_state_is_taken(self, world: World) -> None:
        details = pb.StateDetails(transition_id=str(uuid4()))
        run = await world.new_run(pb.ProposedState(type=PENDING, details=details))

        answer = await world.propose(run, pb.ProposedState(type=RUNNING, details=details))

        assert answer.status == pb.VERDICT_STATUS_REJECT


class TestRefusals:
    async def test_an_unknown_flow_is_not_found(self, world: World) -> None:
        flow_id = str(uuid4())

        code, info = await refused(created(world, flow_id))

        assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_NOT_FOUND")
        assert info.metadata["flow_id"] == flow_id

    async def test_an_unknown_parent_is_not_found(self, world: World) -> None:
        flow, parent = await world.new_flow(), str(uuid4())

        code, info = await refused(created(world, flow.id, parent_task_run_id=parent))

        assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "TASK_RUN_NOT_FOUND")
        assert info.metadata["task_run_id"] == parent
        assert await world.listed() == []

    async def test_one_bad_request_among_many_harms_only_itself(self, world: World) -> None:
        flow = await world.new_flow()

        calls = [created(world, each) for each in (flow.id, str(uuid4()), flow.id)]
        answers = await asyncio.gather(*calls, return_exceptions=True)

        assert [isinstance(answer, BaseException) for answer in answers] == [False, True, False]

    async def test_everything_that_is_wrong_is_listed_at_once(self, world: World) -> None:
        call = created(
            world,
            "no-uuid",
            name="x" * 256,
            state=pb.ProposedState(data_json="{"),
            parameters_json="[]",
            context_json="{'a': 1}",
            tags=["fine", "\0"],
            deployment_id="",
            retries=-1,
            retry_delay=lasting(timedelta(seconds=-1)),
            request_id="7",
        )

        assert sorted(await violations(call)) == sorted(
            [
                *("flow_id", "name", "state.type", "state.data_json", "parameters_json"),
                *("context_json", "tags[1]", "deployment_id", "retries", "retry_delay"),
                "request_id",
            ]
        )

    async def test_parameters_are_one_json_object(self, world: World) -> None:
        wrong = ["", "null", "1", '"{}"', "[]", "{} {}", '{"a": NaN}', '{"a": Infinity}', "{'a':1}"]

        found = [
            await violations(created(world, str(uuid4()), parameters_json=text)) for text in wrong
        ]

        assert found == [["parameters_json"]] * len(wrong)
