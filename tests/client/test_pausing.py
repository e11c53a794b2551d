"""Pausing, suspending, resuming and cancelling by id."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pydantic
import pytest

import headgate
from headgate import Client, FlowRun, errors
from tests.client.conftest import MakeRun
from tests.client.faults import Fault, FaultyDoor

APPROVAL = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}},
    "required": ["approved"],
    "additionalProperties": False,
}


class Approval(pydantic.BaseModel):
    approved: bool
    by: str = "nobody"


async def a_suspendable_run(a_run: MakeRun) -> FlowRun:
    return await a_run(deployment_id=uuid4())


async def test_a_pause_brings_its_schema_and_its_question(client: Client, a_run: MakeRun) -> None:
    run = await a_run()

    state = await client.flow_runs.pause_flow_run(
        run.id, key="go-live", schema=APPROVAL, description="Shall it go live?"
    )

    assert str(state) == "Paused()"
    assert state.details.pause_key == "go-live"
    assert not state.details.pause_reschedule
    assert state.details.run_input_keyset == headgate.RunInputKeyset(
        schema="paused-go-live-schema",
        response="paused-go-live-response",
        description="paused-go-live-description",
    )
    inputs = {each.key: each.value for each in (await client.inputs.list(run.id)).items}
    assert inputs == {
        "paused-go-live-schema": APPROVAL,
        "paused-go-live-description": "Shall it go live?",
    }


async def test_a_suspension_has_keys_of_its_own_name(client: Client, a_run: MakeRun) -> None:
    run = await a_suspendable_run(a_run)

    state = await client.flow_runs.suspend_flow_run(run.id, key="night", schema=Approval)

    assert str(state) == "Suspended(type=PAUSED)"
    assert state.details.pause_reschedule
    schema = await client.inputs.get(run.id, "suspended-night-schema")
    assert schema.value == Approval.model_json_schema()


async def test_a_pause_without_a_schema_waits_for_no_answer(client: Client, a_run: MakeRun) -> None:
    run = await a_run()

    state = await client.flow_runs.pause_flow_run(run.id)

    assert state.details.run_input_keyset is None
    assert UUID(state.details.pause_key).version == 4
    assert (await client.inputs.list(run.id)).items == ()


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(60, 60), (timedelta(minutes=2), 120)], ids=["number", "timedelta"]
)
async def test_a_pause_expires_after_its_timeout(
    client: Client, a_run: MakeRun, timeout: float | timedelta, seconds: float
) -> None:
    run = await a_run()
    now = datetime.now(UTC)

    state = await client.flow_runs.pause_flow_run(run.id, timeout=timeout)

    expiry = state.details.pause_expire_time
    assert expiry is not None
    assert timedelta() <= expiry - now - timedelta(seconds=seconds) < timedelta(seconds=10)


async def test_a_pause_without_a_timeout_never_expires(client: Client, a_run: MakeRun) -> None:
    run = await a_run()

    state = await client.flow_runs.pause_flow_run(run.id, timeout=None)

    assert state.details.pause_expire_time is None


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"key": "Not This"}, ValueError, "key has other characters"),
        ({"key": "line\n"}, ValueError, "key has other characters"),
        ({"timeout": -1}, ValueError, "timeout is negative"),
        ({"description": "?"}, ValueError, "A description needs a schema"),
        ({"schema": 5}, TypeError, "neither a JSON schema"),
        ({"schema": {"x": float("nan")}}, ValueError, "is not JSON"),
    ],
    ids=["key", "key with newline", "timeout", "description alone", "no schema", "not JSON"],
)
@pytest.mark.parametrize("verb", ["pause_flow_run", "suspend_flow_run"])
async def test_what_is_wrong_is_refused_before_anything_is_sent(
    shaky: Client,
    door: FaultyDoor,
    verb: str,
    arguments: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        await getattr(shaky.flow_runs, verb)(uuid4(), **arguments)

    assert not door.calls


async def test_only_a_run_that_runs_can_be_paused(client: Client, a_run: MakeRun) -> None:
    pending, over = await a_run(headgate.Pending()), await a_run(headgate.Completed())

    for run in (pending, over):
        with pytest.raises(
            errors.PauseRefusedError, match=r"^Flow run cannot be paused: ."
        ) as caught:
            await client.flow_runs.pause_flow_run(run.id)

        assert caught.value.flow_run_id == run.id
        assert caught.value.state == run.state


async def test_a_pause_happens_once_for_each_key(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    await client.flow_runs.pause_flow_run(run.id, key="k")
    await client.flow_runs.resume_flow_run(run.id)

    with pytest.raises(errors.PauseRefusedError) as caught:
        await client.flow_runs.pause_flow_run(run.id, key="k")

    assert caught.value.state is not None
    assert caught.value.state.is_running


async def test_suspending_a_paused_run_is_an_ordinary_error(client: Client, a_run: MakeRun) -> None:
    run = await a_suspendable_run(a_run)
    await client.flow_runs.suspend_flow_run(run.id)

    with pytest.raises(errors.SuspendRefusedError) as caught:
        await client.flow_runs.suspend_flow_run(run.id)

    assert caught.value.state is not None
    assert caught.value.state.is_paused


async def test_only_runs_of_a_deployment_can_be_suspended(client: Client, a_run: MakeRun) -> None:
    run = await a_run()

    with pytest.raises(
        errors.SuspendRefusedError,
        match=r"^Flow run cannot be suspended: Cannot suspend flows without a deployment\.$",
    ):
        await client.flow_runs.suspend_flow_run(run.id, schema=APPROVAL)

    assert (await client.inputs.list(run.id)).items == ()


@pytest.mark.parametrize(
    "verb", ["pause_flow_run", "suspend_flow_run", "cancel_flow_run", "resume_flow_run"]
)
async def test_a_run_that_does_not_exist_is_not_found(client: Client, verb: str) -> None:
    with pytest.raises(errors.FlowRunNotFoundError):
        await getattr(client.flow_runs, verb)(uuid4())


@pytest.mark.parametrize(
    "verb", ["pause_flow_run", "suspend_flow_run", "cancel_flow_run", "resume_flow_run"]
)
async def test_a_run_that_moved_on_is_left_alone(client: Client, a_run: MakeRun, verb: str) -> None:
    run = await a_run()

    with pytest.raises(errors.VersionMismatchError):
        await getattr(client.flow_runs, verb)(run.id, expected_version=9)


# Resuming.


async def test_a_wrong_answer_is_refused_with_its_fault_and_may_be_corrected(
    client: Client, a_run: MakeRun
) -> None:
    run = await a_run()
    await client.flow_runs.pause_flow_run(run.id, key="k", schema=APPROVAL)

    with pytest.raises(errors.ResumeRefusedError) as caught:
        await client.flow_runs.resume_flow_run(run.id, {"approved": "yes"})
    state = await client.flow_runs.resume_flow_run(run.id, {"approved": True})

    assert str(caught.value).startswith(
        "Cannot resume this run: Reason: Validation failed for field 'approved'."
    )
    assert caught.value.state is not None
    assert caught.value.state.is_paused
    assert state.is_running
    assert (await client.inputs.get(run.id, "paused-k-response")).value == {"approved": True}


async def test_no_answer_is_held_against_the_schema_too(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    await client.flow_runs.pause_flow_run(run.id, schema=APPROVAL)

    with pytest.raises(errors.ResumeRefusedError, match="'approved' is a required property"):
        await client.flow_runs.resume_flow_run(run.id)


async def test_a_suspended_run_is_scheduled_when_it_is_resumed(
    client: Client, a_run: MakeRun
) -> None:
    run = await a_suspendable_run(a_run)
    await client.flow_runs.suspend_flow_run(run.id, schema=Approval)

    state = await client.flow_runs.resume_flow_run(run.id, Approval(approved=True))

    assert str(state) == "Resuming(type=SCHEDULED)"


async def test_a_run_that_is_not_paused_cannot_be_resumed(client: Client, a_run: MakeRun) -> None:
    run = await a_run()

    with pytest.raises(errors.NotPausedError, match=r"^Cannot resume a run that isn't paused!$"):
        await client.flow_runs.resume_flow_run(run.id)


async def test_a_pause_that_has_expired_cannot_be_resumed(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    await client.flow_runs.pause_flow_run(run.id, timeout=0)

    with pytest.raises((errors.FlowPauseTimeoutError, errors.NotPausedError)):
        await client.flow_runs.resume_flow_run(run.id)

    ended = await client.flow_runs.wait_for_flow_run(run.id, timeout=10)
    assert ended.state is not None
    assert ended.state.message == "The flow was paused and never resumed."


async def test_a_lost_answer_to_a_resume_is_asked_for_again(
    shaky: Client, door: FaultyDoor, a_run: MakeRun
) -> None:
    run = await a_run()
    await shaky.flow_runs.pause_flow_run(run.id, schema=APPROVAL)
    door.fail("ResumeFlowRun", Fault(is_answer_lost=True))

    assert (await shaky.flow_runs.resume_flow_run(run.id, {"approved": True})).is_running


@pytest.mark.parametrize("answer", [5, "text", [1]], ids=str)
async def test_an_answer_is_an_object(client: Client, answer: Any) -> None:
    with pytest.raises(ValueError, match="run_input is not a JSON object"):
        await client.flow_runs.resume_flow_run(uuid4(), answer)


# Cancelling.


@pytest.mark.parametrize(
    ("state", "cancelled"),
    [
        (headgate.Running(), "CANCELLING"),
        (headgate.Scheduled(), "CANCELLED"),
        (headgate.Cancelling(), "CANCELLING"),
        (headgate.Cancelled(), "CANCELLED"),
    ],
    ids=str,
)
async def test_a_run_that_is_asked_to_stop_stops(
    client: Client, a_run: MakeRun, state: headgate.ProposedState, cancelled: str
) -> None:
    run = await a_run(state)

    after = await client.flow_runs.cancel_flow_run(run.id, message="No longer needed.")

    assert after.type == cancelled


async def test_a_paused_run_can_be_cancelled(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    await client.flow_runs.pause_flow_run(run.id)

    assert (await client.flow_runs.cancel_flow_run(run.id)).is_cancelling


async def test_a_run_that_has_ended_cannot_be_cancelled(client: Client, a_run: MakeRun) -> None:
    run = await a_run(headgate.Completed())

    with pytest.raises(
        errors.CancelRefusedError,
        match=r"^Flow run cannot be cancelled: Run is already in terminal state COMPLETED\.$",
    ):
        await client.flow_runs.cancel_flow_run(run.id)
