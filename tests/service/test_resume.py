"""ResumeFlowRun: what becomes of it, row by row, when it is repeated, and when many resume at once."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.pauses import ANSWER, SCHEMA, answer_of, asked
from tests.service.seeds import run_without_state
from tests.service.world import (
    ABORT,
    ACCEPT,
    COMPLETED,
    FAILED,
    PAUSED,
    PENDING,
    REJECT,
    RUNNING,
    SCHEDULED,
    World,
    at,
    paused,
    reason,
    refused,
    violations,
)

A_MINUTE = timedelta(minutes=1)


class TestOutcomes:
    async def test_a_run_that_is_not_there_is_not_found(self, world: World) -> None:
        run_id = str(uuid4())

        code, info = await refused(world.resume(run_id, ANSWER))

        assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_RUN_NOT_FOUND")
        assert info.metadata["flow_run_id"] == run_id

    async def test_a_run_that_is_not_paused_is_an_abort_without_a_state(
        self, app: App, world: World
    ) -> None:
        stateless = await run_without_state(app, (await world.new_flow()).id)
        runs = [
            await world.new_run(type_)
            for type_ in pb.StateType.values()
            if type_ not in {0, PAUSED}
        ]

        answers = [await world.resume(stateless, ANSWER)]
        answers += [await world.resume(run, ANSWER) for run in runs]

        assert {answer.status for answer in answers} == {ABORT}
        assert {answer.abort.reason for answer in answers} == {
            "Cannot resume a flow run that is not paused."
        }
        assert not any(answer.HasField("state") or answer.created for answer in answers)
        assert [answer.version for answer in answers] == [0] + [1] * 8

    async def test_an_answer_that_cannot_be_filled_in_is_rejected(self, world: World) -> None:
        run = await asked(world)

        answer = await world.resume(run, {"approved": {"__prefect_kind": "json", "value": "{"}})

        assert answer.status == REJECT
        assert answer.reject.reason.startswith("Error hydrating run input: Invalid JSON: ")

    async def test_a_schema_that_is_not_there_is_a_reject(self, world: World) -> None:
        run = await asked(world, schema=None)

        answer = await world.resume(run, ANSWER)

        assert (answer.status, answer.reject.reason) == (REJECT, "Run input schema not found.")

    async def test_a_schema_that_comes_late_is_found_by_the_next_resume(self, world: World) -> None:
        run = await asked(world, schema=None)
        await world.resume(run, ANSWER)
        await world.leave(run, "paused-1-schema", SCHEMA)

        assert (await world.resume(run, ANSWER)).status == ACCEPT

    async def test_a_pause_that_names_no_schema_is_a_reject(self, world: World) -> None:
        run = await asked(world, run_input_keyset=pb.RunInputKeyset(response="paused-1-response"))

        answer = await world.resume(run, ANSWER)

        assert (answer.status, answer.created) == (REJECT, False)
        assert answer.reject.reason

    async def test_a_schema_that_is_none_is_a_reject(self, world: World) -> None:
        schemas: list[object] = [{"type": "nonsense"}, 7, [], {"$ref": "#/nowhere"}]
        for schema in schemas:
            run = await asked(world, schema)

            answer = await world.resume(run, ANSWER)

            assert answer.status == REJECT
            assert answer.reject.reason.startswith("Invalid schema: ")

    async def test_a_schema_that_cannot_be_read_is_a_reject(self, world: World) -> None:
        run = await asked(world, schema=None)
        unread = pb.NewFlowRunInput(key="paused-1-schema", value_json="1" * 10_000)
        request = pb.CreateFlowRunInputRequest(flow_run_id=run.id, input=unread)
        await world.inputs.CreateFlowRunInput(request)

        answer = await world.resume(run, ANSWER)

        assert answer.reject.reason == "Run input schema is not valid JSON."

    async def test_an_answer_that_does_not_fit_is_rejected_with_what_is_wrong(
        self, world: World
    ) -> None:
        run = await asked(world)
        wrong: dict[str, object] = {
            "Reason: Validation failed. Failure reason: 'approved' is a required property": {},
            "Reason: Validation failed for field 'approved'. "
            "Failure reason: 'yes' is not of type 'boolean'": {"approved": "yes"},
            "Reason: Validation failed for field 'by'. "
            "Failure reason: None is not of type 'string'": {**ANSWER, "by": None},
        }

        answers = [await world.resume(run, answer) for answer in wrong.values()]

        assert [answer.reject.reason for answer in answers] == list(wrong)
        assert {answer.state.type for answer in answers} == {PAUSED}
        assert {(answer.version, answer.created, answer.revision) for answer in answers} == {
            (2, False, 0)
        }
        assert await answer_of(world, run) is None

    async def test_no_answer_is_an_empty_one(self, world: World) -> None:
        run = await asked(world)

        assert "required property" in (await world.resume(run)).reject.reason

    async def test_a_schema_that_goes_round_in_circles_is_a_reject(self, world: World) -> None:
        run = await asked(world, {"$ref": "#"})

        answer = await world.resume(run, ANSWER)

        assert answer.reject.reason == (
            "Invalid schema: Unable to validate schema with circular references."
        )

    async def test_a_blocking_pause_goes_on_running(self, world: World) -> None:
        run = await asked(world)

        answer = await world.resume(run, ANSWER)

        assert (answer.status, answer.WhichOneof("details")) == (ACCEPT, "accept")
        assert (answer.state.type, answer.version, answer.created) == (RUNNING, 3, True)
        assert answer.revision > 0
        assert (await world.get(run)).state == answer.state
        assert await answer_of(world, run) == ANSWER

    async def test_a_suspension_is_scheduled_for_now(self, world: World) -> None:
        run = await asked(world, suspended=True)

        answer = await world.resume(run, ANSWER)

        assert answer.status == ACCEPT
        assert (answer.state.type, answer.state.name) == (SCHEDULED, "Resuming")
        assert answer.state.details.scheduled_time == at(NOW)
        assert await answer_of(world, run) == ANSWER

    async def test_a_suspension_without_a_deployment_stays(self, world: World) -> None:
        run = await world.new_run(RUNNING)
        await world.propose(run, paused(suspended=True), force=True)

        answer = await world.resume(run)

        assert (answer.status, answer.state.type) == (REJECT, PAUSED)
        assert answer.reject.reason == (
            "Cannot reschedule a resuming flow run without a deployment."
        )

    @pytest.mark.parametrize("suspended", [False, True], ids=["paused", "suspended"])
    async def test_an_answer_that_comes_too_late_fails_the_run(
        self, world: World, clock: FakeClock, *, suspended: bool
    ) -> None:
        run = await asked(world, suspended=suspended, pause_expire_time=at(NOW + A_MINUTE))
        verb, past = ("suspend", "suspended") if suspended else ("pause", "paused")
        clock.advance(A_MINUTE + timedelta(microseconds=1))

        answer = await world.resume(run, ANSWER)

        assert (answer.status, answer.created) == (REJECT, True)
        assert (answer.state.type, answer.state.message) == (
            *(FAILED, f"The flow was {past} and never resumed."),
        )
        assert answer.reject.reason == (
            f"The flow run {verb} has timed out and can no longer resume."
        )
        assert await answer_of(world, run) is None

    async def test_an_answer_at_the_last_moment_is_in_time(
        self, world: World, clock: FakeClock
    ) -> None:
        run = await asked(world, pause_expire_time=at(NOW + A_MINUTE))
        clock.advance(A_MINUTE)

        assert (await world.resume(run, ANSWER)).status == ACCEPT

    async def test_a_pause_that_asks_nothing_takes_no_notice_of_an_answer(
        self, world: World
    ) -> None:
        run = await world.new_run(RUNNING)
        await world.propose(run, paused())

        answer = await world.resume(run, {"__prefect_kind": "jinja"})

        assert answer.status == ACCEPT
        assert await world.input_values(run) == {}

    async def test_what_makes_no_sense_is_refused_all_at_once(self, world: World) -> None:
        wrong = {"run_input_json": "[]", "expected_version": -1, "request_id": "x"}

        found = await violations(world.resume("x", **wrong))

        assert sorted(found) == sorted(["flow_run_id", *wrong])


class TestRepeatsAndRaces:
    async def test_a_repeat_answers_like_the_first(self, world: World) -> None:
        run, request_id = await asked(world), str(uuid4())
        first = await world.resume(run, ANSWER, request_id=request_id)
        await world.propose(run, COMPLETED)

        again = await world.resume(run, ANSWER, request_id=request_id)

        assert first.status == ACCEPT
        assert again == first

    async def test_an_id_of_a_different_answer_is_refused(self, world: World) -> None:
        run, request_id = await asked(world), str(uuid4())
        await world.resume(run, ANSWER, request_id=request_id)

        call = world.resume(run, {"approved": False}, request_id=request_id)

        assert await reason(call) == "REQUEST_ID_REUSED"

    async def test_the_version_expected_must_be_the_current_one(self, world: World) -> None:
        run = await asked(world)

        code, info = await refused(world.resume(run, ANSWER, expected_version=1))

        assert (code, info.reason) == (grpc.StatusCode.ABORTED, "VERSION_MISMATCH")
        assert (info.metadata["expected_version"], info.metadata["current_version"]) == ("1", "2")
        assert (await world.resume(run, ANSWER, expected_version=2)).status == ACCEPT

    async def test_the_version_is_looked_at_before_anything_else(self, world: World) -> None:
        run = await world.new_run(PENDING)

        assert await reason(world.resume(run, expected_version=7)) == "VERSION_MISMATCH"

    async def test_of_many_answers_at_once_one_is_taken(self, world: World) -> None:
        run = await asked(world)

        answers = await asyncio.gather(
            *(world.resume(run, {**ANSWER, "note": str(number)}) for number in range(10))
        )

        assert sorted(answer.status for answer in answers) == [ACCEPT] + [ABORT] * 9
        taken = [number for number, each in enumerate(answers) if each.status == ACCEPT]
        assert await answer_of(world, run) == {**ANSWER, "note": str(taken[0])}
        assert (await world.get(run)).version == 3

    async def test_many_repeats_at_once_answer_alike(self, world: World) -> None:
        run, request_id = await asked(world), str(uuid4())

        answers = await asyncio.gather(
            *(world.resume(run, ANSWER, request_id=request_id) for _ in range(10))
        )

        assert {answer.status for answer in answers} == {ACCEPT}
        assert {answer.state.id for answer in answers} == {(await world.get(run)).state.id}

    async def test_who_resumes_and_who_cancels_do_not_both_win(self, world: World) -> None:
        for _ in range(5):
            run = await asked(world)

            resumed, cancelled = await asyncio.gather(
                world.resume(run, ANSWER), world.propose(run, pb.STATE_TYPE_CANCELLED)
            )

            stored = await answer_of(world, run)
            assert cancelled.status == ACCEPT
            assert resumed.status in {ACCEPT, ABORT}
            assert (stored is not None) is (resumed.status == ACCEPT)
            assert (await world.get(run)).state.type == pb.STATE_TYPE_CANCELLED
