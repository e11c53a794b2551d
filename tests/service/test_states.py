"""SetFlowRunState: what the rules answer, and what is written then."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.seeds import run_without_state
from tests.service.world import (
    ABORT,
    ACCEPT,
    CANCELLED,
    CANCELLING,
    COMPLETED,
    CRASHED,
    FAILED,
    PAUSED,
    PENDING,
    REJECT,
    RUNNING,
    WAIT,
    World,
    lasting,
    paused,
    refused,
    scheduled_for,
    violations,
    when,
)

A_SECOND = timedelta(seconds=1)
AN_HOUR = timedelta(hours=1)
A_TICK = timedelta(microseconds=1)


class TestVerdicts:
    async def test_an_accepted_state_is_answered_whole(
        self, world: World, clock: FakeClock
    ) -> None:
        run = await world.new_run()
        clock.advance(A_SECOND)

        answer = await world.propose(
            run, pb.ProposedState(type=COMPLETED, name="Done", message="Well", data_json='{"a":1}')
        )

        assert (answer.status, answer.WhichOneof("details")) == (ACCEPT, "accept")
        assert (answer.version, answer.created) == (2, True)
        state = answer.state
        assert (state.type, state.name, state.message) == (COMPLETED, "Done", "Well")
        assert (state.data_json, state.version, state.is_terminal) == ('{"a":1}', 2, True)
        assert when(state.timestamp) == NOW + A_SECOND
        assert state.details == pb.StateDetails(flow_run_id=run.id)
        assert (await world.get(run)).state == state
        assert (await world.states(run))[-1] == state
        assert answer.revision > 0

    async def test_a_state_without_a_name_takes_that_of_its_type_and_an_empty_one_is_kept(
        self, world: World
    ) -> None:
        run = await world.new_run(RUNNING)

        names = [
            (await world.propose(run, state)).state.name
            for state in (pb.ProposedState(type=RUNNING), pb.ProposedState(type=RUNNING, name=""))
        ]

        assert names == ["Running", ""]

    async def test_a_refused_state_leaves_the_current_one_and_says_why(self, world: World) -> None:
        run = await world.new_run(
            pb.ProposedState(type=COMPLETED, data_json='{"type":"literal","value":1}')
        )

        answer = await world.propose(run, RUNNING)

        assert (answer.status, answer.reject.reason) == (REJECT, "Run is already COMPLETED.")
        assert (answer.version, answer.created, answer.revision) == (1, False, 0)
        assert answer.state == run.state
        assert answer.state.data_json == '{"type":"literal","value":1}'

    async def test_an_aborted_proposal_leaves_the_current_state_and_says_why(
        self, world: World
    ) -> None:
        run = await world.new_run(FAILED)

        answer = await world.propose(run, CRASHED)

        assert answer.status == ABORT
        assert answer.abort.reason == "Run is already in terminal state FAILED."
        assert (answer.version, answer.created, answer.revision) == (1, False, 0)
        assert answer.state == run.state

    async def test_a_proposal_before_its_time_is_told_how_long_to_wait(
        self, world: World, clock: FakeClock
    ) -> None:
        run = await world.new_run(scheduled_for(NOW + AN_HOUR))

        answer = await world.propose(run, RUNNING)
        clock.advance(AN_HOUR - A_SECOND / 2 - A_TICK)
        almost = await world.propose(run, RUNNING)
        clock.advance(A_TICK)
        in_time = await world.propose(run, RUNNING)

        assert (answer.status, answer.WhichOneof("details")) == (WAIT, "wait")
        assert answer.wait == pb.WaitDetails(
            delay=lasting(AN_HOUR), reason="Scheduled time is in the future"
        )
        assert (answer.version, answer.created, answer.state) == (1, False, run.state)
        assert almost.wait.delay == lasting(A_SECOND)
        assert in_time.status == ACCEPT, "half a second early is early enough"

    async def test_another_state_may_be_written_in_place_of_the_proposed_one(
        self, world: World
    ) -> None:
        run = await world.new_run(scheduled_for(NOW))

        answer = await world.propose(run, CANCELLING)

        assert answer.status == REJECT
        assert answer.reject.reason == "Scheduled flow run has no infrastructure to terminate."
        assert (answer.state.type, answer.version, answer.created) == (CANCELLED, 2, True)
        assert answer.revision > 0

    async def test_a_run_without_a_state_is_answered_without_one(
        self, app: App, world: World
    ) -> None:
        run_id = await run_without_state(app, (await world.new_flow()).id)

        pause = await world.propose(run_id, paused())
        late = await world.propose(run_id, scheduled_for(NOW, name="Late"))
        first = await world.propose(run_id, RUNNING)

        assert (pause.status, pause.abort.reason) == (ABORT, "Cannot pause flows with no state.")
        assert (late.status, late.reject.reason) == (
            *(REJECT, "Only scheduled flows can be marked late."),
        )
        assert not pause.HasField("state")
        assert not late.HasField("state")
        assert (pause.version, late.version) == (0, 0)
        assert (first.status, first.version) == (ACCEPT, 1)

    async def test_a_run_that_is_not_there_is_not_found(self, world: World) -> None:
        run_id = str(uuid4())

        code, info = await refused(world.propose(run_id, RUNNING))

        assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_RUN_NOT_FOUND")
        assert info.metadata["flow_run_id"] == run_id

    async def test_everything_that_is_wrong_is_listed_at_once(self, world: World) -> None:
        details = pb.StateDetails(
            scheduled_time=Timestamp(seconds=2**40),
            pause_expire_time=Timestamp(nanos=-1),
            pause_key="x" * 256,
            run_input_keyset=pb.RunInputKeyset(schema="A", response="a b", description="ok"),
            transition_id="1",
        )
        state = pb.ProposedState(name="\0", message="\0", data_json="nope", details=details)

        found = await violations(
            world.propose(
                "x",
                state,
                expected_version=-1,
                inputs=[pb.NewFlowRunInput(key="A"), pb.NewFlowRunInput(key="A", value_json="1")],
            )
        )

        path = "state.details"
        assert sorted(set(found)) == sorted(
            [
                *("flow_run_id", "expected_version", "state.type", "state.name", "state.message"),
                *("state.data_json", f"{path}.scheduled_time", f"{path}.pause_expire_time"),
                *(f"{path}.pause_key", f"{path}.run_input_keyset.schema"),
                *(f"{path}.run_input_keyset.response", f"{path}.transition_id"),
                *("inputs[0].key", "inputs[0].value_json", "inputs[1].key"),
            ]
        )

    async def test_a_proposal_without_a_state_is_refused(self, world: World) -> None:
        call = world.runs.SetFlowRunState(pb.SetFlowRunStateRequest(flow_run_id=str(uuid4())))

        assert await violations(call) == ["state"]


class TestForce:
    async def test_force_asks_no_rule(self, world: World) -> None:
        run = await world.new_run(scheduled_for(NOW + AN_HOUR * 999))
        steps = [RUNNING, PAUSED, PENDING, CANCELLED, PENDING, COMPLETED, PAUSED, CRASHED, RUNNING]

        answers = [await world.propose(run, step, force=True) for step in steps]

        assert {answer.status for answer in answers} == {ACCEPT}
        assert [answer.state.type for answer in answers] == steps
        after = await world.get(run)
        assert after.run_count == 2
        assert list(after.policy.pause_keys) == []

    async def test_cancelling_what_has_no_process_ends_at_once_also_under_force(
        self, world: World
    ) -> None:
        run = await world.new_run(scheduled_for(NOW))

        answer = await world.propose(run, CANCELLING, force=True)

        assert (answer.status, answer.state.type) == (REJECT, CANCELLED)

    async def test_a_failed_run_declared_a_success_has_an_unknown_result(
        self, world: World
    ) -> None:
        run = await world.new_run(pb.ProposedState(type=FAILED, data_json='{"type":"reference"}'))

        answer = await world.propose(run, COMPLETED, force=True)

        assert answer.state.data_json == '{"type":"unknown","value":null}'


class TestTimestamps:
    async def test_they_grow_though_the_clock_stands_still_or_steps_back(
        self, world: World, clock: FakeClock
    ) -> None:
        run = await world.new_run()
        await asyncio.gather(*(world.propose(run, RUNNING) for _ in range(20)))
        clock.advance(-AN_HOUR)
        await world.propose(run, RUNNING)

        times = [when(state.timestamp) for state in await world.states(run)]

        assert times == [NOW + A_TICK * number for number in range(22)]

    async def test_they_follow_a_clock_that_goes(self, world: World, clock: FakeClock) -> None:
        run = await world.new_run()
        for _ in range(3):
            clock.advance(A_SECOND)
            await world.propose(run, RUNNING)

        times = [when(state.timestamp) for state in await world.states(run)]

        assert [later - earlier for earlier, later in pairwise(times)] == [A_SECOND] * 3


class TestData:
    async def test_any_json_is_kept_letter_by_letter(self, world: World) -> None:
        run = await world.new_run(RUNNING)
        given = [
            *("0", "1.0", "1152921504606846977", '"test"', "[]", "{}", "false", " { } "),
            *('{"type": "literal", "value": [1, 1.0, 1e400]}', '"\\u00e9 é 🌊"'),
        ]

        for data in given:
            answer = await world.propose(run, pb.ProposedState(type=RUNNING, data_json=data))
            assert answer.state.data_json == data

        assert [state.data_json for state in (await world.states(run))[1:]] == given

    async def test_null_and_what_its_owner_kept_back_are_no_data(self, world: World) -> None:
        run = await world.new_run(RUNNING)
        for data in ("null", ' {"type" : "unpersisted", "artifact_key": "k"} '):
            answer = await world.propose(run, pb.ProposedState(type=RUNNING, data_json=data))
            assert not answer.state.HasField("data_json")
        assert not (await world.get(run)).state.HasField("data_json")

    async def test_a_completed_run_with_a_result_is_not_run_again(self, world: World) -> None:
        verdicts = {}
        for data in ("1", '"test"', '{"type":"literal"}', '{"type":"unpersisted"}', "null", "{}"):
            run = await world.new_run(pb.ProposedState(type=COMPLETED, data_json=data))
            verdicts[data] = (await world.propose(run, RUNNING)).status

        assert verdicts == {
            "1": REJECT,
            '"test"': REJECT,
            '{"type":"literal"}': REJECT,
            '{"type":"unpersisted"}': ACCEPT,
            "null": ACCEPT,
            "{}": ACCEPT,
        }

    async def test_a_retry_keeps_message_and_data_of_the_failure(self, world: World) -> None:
        run = await world.new_run(RUNNING, retries=1)

        answer = await world.propose(
            run, pb.ProposedState(type=FAILED, message="Boom", data_json='{"type":"reference"}')
        )

        assert (answer.state.name, answer.state.message) == ("AwaitingRetry", "Boom")
        assert answer.state.data_json == '{"type":"reference"}'
