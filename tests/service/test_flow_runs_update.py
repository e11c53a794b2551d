"""UpdateFlowRun: the fields that the mask names, and no others."""

import asyncio
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.seeds import run_without_state
from tests.service.world import (
    PAUSED,
    RUNNING,
    SCHEDULED,
    World,
    lasting,
    reason,
    refusal,
    refused,
    texts,
    the_error_info,
    violations,
    when,
)

A_SECOND = timedelta(seconds=1)
GIVEN: dict[str, Any] = {
    "name": "new",
    "flow_version": "v2",
    "parameters_json": '{"b": 2}',
    "tags": ["new"],
    "infrastructure_pid": "42",
}
POLICY = pb.FlowRunPolicy(retries=3, retry_delay=lasting(A_SECOND * 9))


async def updated(world: World, **fields: Any) -> pb.UpdateFlowRunResponse:
    """Send a whole request."""
    return await world.runs.UpdateFlowRun(pb.UpdateFlowRunRequest(**fields))


def mask(*paths: str) -> Any:
    """Return a field mask."""
    request = pb.UpdateFlowRunRequest()
    request.update_mask.paths.extend(paths)
    return request.update_mask


@pytest.fixture
async def run(world: World, clock: FakeClock) -> pb.FlowRun:
    """Return a run with something in every field, a second after it was created."""
    made = await world.new_run(
        name="old",
        flow_version="v1",
        parameters_json='{"a": 1}',
        context_json='{"c": 1}',
        tags=["old", "old"],
        retries=1,
        retry_delay=lasting(A_SECOND),
    )
    clock.advance(A_SECOND)
    return made


class TestMasks:
    async def test_each_path_replaces_its_field_alone(self, world: World, run: pb.FlowRun) -> None:
        expected = pb.FlowRun()
        expected.CopyFrom(run)
        for path, value in GIVEN.items():
            expected.MergeFrom(pb.FlowRun(**{path: value}) if path != "tags" else pb.FlowRun())
            if path == "tags":
                expected.tags[:] = value

            answer = await world.update(run, [path], policy=POLICY, **GIVEN)

            assert when(answer.update_time) == NOW + A_SECOND
            assert self._without_times(answer) == self._without_times(expected), path
            assert await world.get(run) == answer

    @staticmethod
    def _without_times(run: pb.FlowRun) -> pb.FlowRun:
        bare = pb.FlowRun()
        bare.CopyFrom(run)
        bare.ClearField("update_time")
        bare.ClearField("estimated_start_time_delta")
        return bare

    async def test_retries_and_their_delay_are_replaced_one_by_one(
        self, world: World, run: pb.FlowRun
    ) -> None:
        first = await world.update(run, ["policy.retries"], policy=POLICY)
        second = await world.update(run, ["policy.retry_delay"], policy=POLICY)

        assert first.policy == pb.FlowRunPolicy(retries=3, retry_delay=lasting(A_SECOND))
        assert second.policy == POLICY

    async def test_a_star_means_every_field(self, world: World, run: pb.FlowRun) -> None:
        answer = await world.update(run, ["*"], policy=POLICY, **GIVEN)

        assert {name: getattr(answer, name) for name in GIVEN} == GIVEN
        assert answer.policy == POLICY
        assert answer.context_json == '{"c": 1}'

    async def test_a_field_that_is_named_and_unset_is_cleared(
        self, world: World, run: pb.FlowRun
    ) -> None:
        await world.update(run, ["*"], policy=POLICY, **GIVEN)

        answer = await world.update(run, ["*"])

        assert re.fullmatch("[a-z]+-[a-z]+", answer.name)
        assert not answer.HasField("flow_version")
        assert not answer.HasField("infrastructure_pid")
        assert (answer.parameters_json, answer.job_variables_json) == ("{}", "{}")
        assert list(answer.tags) == []
        assert answer.policy == pb.FlowRunPolicy()
        assert await world.get(run) == answer

    async def test_what_the_server_keeps_of_pauses_is_left_alone(self, world: World) -> None:
        run = await world.new_run(RUNNING)
        details = pb.StateDetails(pause_key="1")
        await world.propose(run, pb.ProposedState(type=PAUSED, details=details))

        answer = await world.update(
            run, ["*"], policy=pb.FlowRunPolicy(retries=1, pause_keys=["2"], resuming=True)
        )

        assert answer.policy == pb.FlowRunPolicy(retries=1, pause_keys=["1"])

    async def test_paths_that_are_not_for_callers_are_refused(self, world: World) -> None:
        paths = [
            *("id", "flow_id", "state", "version", "context_json", "policy", "policy.pause_keys"),
            *("run_count", "", "nonsense", "name.x"),
        ]

        found = await violations(world.update(str(uuid4()), ["name", *paths]))

        assert found == [f"update_mask.paths[{n}]" for n, _ in enumerate(paths, start=1)]

    async def test_values_are_checked_only_where_the_mask_names_them(
        self, world: World, run: pb.FlowRun
    ) -> None:
        wrong: dict[str, Any] = {
            "name": "x" * 256,
            "flow_version": "x" * 256,
            "parameters_json": "[]",
            "tags": ["x" * 256],
            "infrastructure_pid": "x" * 256,
            "job_variables_json": "1",
            "policy": pb.FlowRunPolicy(retries=-1, retry_delay=lasting(-A_SECOND)),
        }

        found = await violations(world.update(run, ["*"], **wrong))
        answer = await world.update(run, ["flow_version"], **{**wrong, "flow_version": "v3"})

        assert sorted(found) == sorted(
            [
                *(f"flow_run.{name}" for name in wrong if name not in {"policy", "tags"}),
                *("flow_run.tags[0]", "flow_run.policy.retries", "flow_run.policy.retry_delay"),
            ]
        )
        assert (answer.name, answer.flow_version) == ("old", "v3")

    async def test_a_request_that_names_nothing_is_refused(self, world: World) -> None:
        assert await violations(updated(world)) == ["update_mask", "flow_run.id"]


class TestEffects:
    async def test_any_state_allows_a_change_and_none_is_written(self, world: World) -> None:
        for state in pb.StateType.values()[1:]:
            run = await world.new_run(state)

            answer = await world.update(run, ["name"], name="new")

            assert (answer.name, answer.version, answer.state) == ("new", 1, run.state)
            assert len(await world.states(run)) == 1

    async def test_lists_find_a_run_by_its_new_values_alone(
        self, world: World, run: pb.FlowRun
    ) -> None:
        await world.update(run, ["*"], policy=POLICY, **GIVEN)

        async def found(**members: Any) -> bool:
            return bool(await world.listed(flow_runs=pb.FlowRunFilter(**members)))

        by_name = [await found(name=pb.NameFilter(any=texts(name))) for name in ("old", "new")]
        by_tag = [await found(tags=pb.TagsFilter(all=texts(tag))) for tag in ("old", "new")]
        by_version = [
            await found(flow_version=pb.FlowVersionFilter(any=texts(version)))
            for version in ("v1", "v2")
        ]
        assert by_name == by_tag == by_version == [False, True]

    async def test_a_change_has_a_revision_and_is_seen_by_watchers(
        self, world: World, run: pb.FlowRun
    ) -> None:
        watch = world.watch(flow_run_ids=[run.id], send_initial_state=True)
        await watch.take(2)

        answer = await updated(
            world, flow_run=pb.FlowRun(id=run.id, name="new"), update_mask=mask("name")
        )

        seen = await watch.next("run_update")
        assert (seen.revision, seen.run_update.flow_run.name) == (answer.revision, "new")

    async def test_changes_made_at_once_are_all_kept(self, world: World, run: pb.FlowRun) -> None:
        await asyncio.gather(
            *(world.update(run, [path], **GIVEN) for path in GIVEN),
            *(world.propose(run, RUNNING) for _ in range(3)),
        )

        read = await world.get(run)
        assert {name: getattr(read, name) for name in GIVEN} == GIVEN
        assert read.version == 4

    async def test_a_run_that_is_not_there_is_not_found(self, world: World) -> None:
        assert await reason(world.update(str(uuid4()), ["name"])) == "FLOW_RUN_NOT_FOUND"


class TestVersions:
    async def test_the_version_expected_must_be_the_current_one(
        self, world: World, run: pb.FlowRun
    ) -> None:
        await world.propose(run, RUNNING)

        error = await refusal(world.update(run, ["name"], expected_version=1, name="new"))
        answer = await world.update(run, ["name"], expected_version=2, name="newer")

        info = the_error_info(error)
        assert error.code() == grpc.StatusCode.ABORTED
        assert info.reason == "VERSION_MISMATCH"
        assert dict(info.metadata) == {
            "flow_run_id": run.id,
            "expected_version": "1",
            "current_version": "2",
        }
        assert answer.name == "newer"

    async def test_an_update_does_not_change_the_version(
        self, world: World, run: pb.FlowRun
    ) -> None:
        await world.update(run, ["name"], expected_version=1, name="a")

        assert (await world.update(run, ["name"], expected_version=1, name="b")).version == 1

    async def test_version_zero_is_a_version(self, app: App, world: World) -> None:
        run_id = await run_without_state(app, (await world.new_flow()).id)

        assert (await world.update(run_id, ["name"], expected_version=0, name="a")).name == "a"

    async def test_a_negative_version_is_refused(self, world: World) -> None:
        call = world.update(str(uuid4()), ["name"], expected_version=-1)

        assert await violations(call) == ["expected_version"]


class TestJobVariables:
    async def test_they_are_checked_in_order_and_cleared_without_a_check(
        self, app: App, world: World
    ) -> None:
        stateless = await run_without_state(app, (await world.new_flow()).id)
        running = await world.new_run(RUNNING)
        scheduled = await world.new_run(SCHEDULED)
        deployed = await world.new_run(SCHEDULED, deployment_id=str(uuid4()))
        cases = {
            str(uuid4()): "Flow run with id",
            stateless: "Flow run state is required to update job variables but none exists",
            running.id: "Job variables for a flow run in state RUNNING cannot be updated",
            scheduled.id: "A deployment for the flow run could not be found",
            deployed.id: "A deployment for the flow run could not be found",
        }

        for run_id, text in cases.items():
            call = world.update(run_id, ["job_variables_json"], job_variables_json="{}")
            assert str((await refusal(call)).details()).startswith(text)
        for run_id in (stateless, running.id, scheduled.id, deployed.id):
            assert (await world.update(run_id, ["job_variables_json"])).job_variables_json == "{}"

    async def test_the_refusals_have_reasons_and_facts(self, world: World) -> None:
        running, scheduled = await world.new_run(RUNNING), await world.new_run(SCHEDULED)

        found = {}
        for run in (running, scheduled):
            call = world.update(run, ["*"], job_variables_json='{"a":1}', name="new")
            code, info = await refused(call)
            found[info.reason] = (code, dict(info.metadata))

        assert found == {
            "STATE_NOT_ALLOWED": (
                grpc.StatusCode.FAILED_PRECONDITION,
                {"flow_run_id": running.id, "state_type": "RUNNING"},
            ),
            "DEPLOYMENT_REQUIRED": (
                grpc.StatusCode.FAILED_PRECONDITION,
                {"flow_run_id": scheduled.id},
            ),
        }
        assert (await world.get(running)).name == running.name, "nothing else was changed either"


class TestRequestIds:
    async def test_a_repeat_answers_like_the_first_and_changes_nothing(
        self, world: World, run: pb.FlowRun
    ) -> None:
        given: dict[str, Any] = {
            "flow_run": pb.FlowRun(id=run.id, name="first"),
            "update_mask": mask("name"),
            "request_id": str(uuid4()),
        }
        first = await updated(world, **given)
        await world.update(run, ["name"], name="second")

        again = await updated(world, **given)

        assert again == first
        assert (await world.get(run)).name == "second"

    async def test_an_id_of_a_different_request_is_refused(
        self, world: World, run: pb.FlowRun
    ) -> None:
        request_id = str(uuid4())
        for name, expected in (("first", None), ("second", "REQUEST_ID_REUSED")):
            call = updated(
                world,
                flow_run=pb.FlowRun(id=run.id, name=name),
                update_mask=mask("name"),
                request_id=request_id,
            )
            if expected is None:
                await call
            else:
                assert await reason(call) == expected
