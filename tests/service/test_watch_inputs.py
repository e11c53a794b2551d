"""WatchFlowRunInputs keeps the promises of a watch, as far as they concern inputs."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.storage import events
from tests.fakes import FakeClock
from tests.service.seeds import write
from tests.service.world import (
    RUNNING,
    Watch,
    World,
    lasting,
    new_input,
    reason,
    refusal,
    refused,
    the_error_info,
    violations,
)


async def begun(world: World, run: pb.FlowRun, **fields: Any) -> Watch:
    """Return a watch that has surely begun: its snapshot was read."""
    watch = world.watch_inputs(flow_run_id=run.id, send_initial_state=True, **fields)
    while (await watch.next()).WhichOneof("event") != "snapshot_complete":
        pass
    return watch


async def taken(world: World, run: pb.FlowRun, key: str) -> None:
    """Delete an input."""
    request = pb.DeleteFlowRunInputRequest(flow_run_id=run.id, key=key)
    await world.inputs.DeleteFlowRunInput(request)


def told(messages: list[pb.WatchFlowRunInputsResponse]) -> list[tuple[str, str]]:
    """Return what happened to which keys."""
    return [
        (kind, getattr(message, kind).key)
        for message in messages
        if (kind := message.WhichOneof("event"))
    ]


async def test_every_creation_and_deletion_comes_in_order(world: World) -> None:
    run, other = await world.new_run(), await world.new_run()
    watch = await begun(world, run)

    made = await world.leave(run, "a", {"x": 1})
    await world.leave(other, "a")
    await taken(world, run, "a")
    await world.leave(run, "a", 2)

    messages = await watch.take(3)
    assert told(messages) == [("created", "a"), ("deleted", "a"), ("created", "a")]
    assert messages[0].created == messages[1].deleted == made
    revisions = [message.revision for message in messages]
    assert revisions == sorted(set(revisions))
    assert not any(message.fragment for message in messages)


async def test_nothing_is_missed_while_many_write_at_once(world: World) -> None:
    run = await world.new_run()
    watch = await begun(world, run)

    await asyncio.gather(*(world.leave(run, f"{number}") for number in range(300)))

    messages = await watch.take(300)
    assert {key for _, key in told(messages)} == {f"{number}" for number in range(300)}
    revisions = [message.revision for message in messages]
    assert revisions == sorted(set(revisions))


async def test_only_keys_with_the_prefix_are_told(world: World) -> None:
    run = await world.new_run()
    for key in ("a-0", "b-0"):
        await world.leave(run, key)
    watch = world.watch_inputs(flow_run_id=run.id, key_prefix="a-", send_initial_state=True)
    snapshot = await watch.next("snapshot")
    await watch.next("snapshot_complete")

    for key in ("b-1", "a", "a-1"):
        await world.leave(run, key)

    assert snapshot.snapshot.key == "a-0"
    assert (await watch.next("created")).created.key == "a-1"


async def test_the_snapshot_shows_what_is_there_and_the_stream_goes_on_from_it(
    world: World,
) -> None:
    run = await world.new_run()

    async def write() -> None:
        for number in range(60):
            await world.leave(run, f"{number}")

    writing = asyncio.create_task(write())
    watch = world.watch_inputs(flow_run_id=run.id, send_initial_state=True)
    shown = []
    while (message := await watch.next()).WhichOneof("event") == "snapshot":
        shown.append(message.snapshot.key)
    await writing
    created = [message.created.key for message in await watch.take(60 - len(shown))]

    assert message.WhichOneof("event") == "snapshot_complete"
    assert shown + created == [f"{number}" for number in range(60)]


async def test_without_a_snapshot_a_watch_begins_with_what_comes(world: World) -> None:
    run = await world.new_run()
    await world.leave(run, "old")
    watch = world.watch_inputs(flow_run_id=run.id)
    await watch.next("progress")

    await world.leave(run, "new")

    assert (await watch.next("created")).created.key == "new"


async def test_a_resumed_watch_begins_after_its_token(world: World) -> None:
    run = await world.new_run()
    watch = await begun(world, run)
    for key in "abcd":
        await world.leave(run, key)
    first = await watch.take(2)
    watch.cancel()

    again = world.watch_inputs(flow_run_id=run.id, resume_token=first[-1].resume_token)

    assert told(await again.take(2)) == [("created", "c"), ("created", "d")]


async def test_a_broken_snapshot_begins_anew(world: World) -> None:
    run = await world.new_run()
    await world.leave(run, "a")
    watch = world.watch_inputs(flow_run_id=run.id, send_initial_state=True)
    token = (await watch.next("snapshot")).resume_token
    watch.cancel()
    await world.leave(run, "b")

    again = world.watch_inputs(flow_run_id=run.id, resume_token=token)

    messages = await again.take(3)
    assert [message.WhichOneof("event") for message in messages] == [
        *("snapshot", "snapshot", "snapshot_complete"),
    ]


async def test_what_was_refused_is_never_seen(world: World) -> None:
    run = await world.new_run()
    await world.leave(run, "taken")
    watch = await begun(world, run)

    await refused(world.leave(run, "taken"))
    await refused(world.propose(run, RUNNING, inputs=[new_input("rides"), new_input("taken")]))
    await world.leave(run, "last")

    assert (await watch.next()).created.key == "last"


async def test_progress_comes_though_nothing_matches_and_moves_the_position(
    world: World,
) -> None:
    run = await world.new_run()
    watch = await begun(world, run, progress_interval=lasting(timedelta(seconds=1)))

    answer = await world.propose(run, RUNNING)

    progress = await watch.next("progress")
    assert progress.progress.revision >= answer.revision
    assert progress.resume_token
    assert progress.revision == 0


class TestEnds:
    async def test_a_run_that_is_deleted_sends_its_inputs_and_is_then_not_found(
        self, world: World
    ) -> None:
        run = await world.new_run()
        for key in "ab":
            await world.leave(run, key)
        watch, narrow = await begun(world, run), await begun(world, run, key_prefix="x")

        await world.delete(run)

        assert told(await watch.take(2)) == [("deleted", "a"), ("deleted", "b")]
        for ended in (watch, narrow):
            code, info = await refused(ended.next())
            assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_RUN_NOT_FOUND")

    async def test_a_flow_that_is_deleted_ends_the_watches_of_its_runs(self, world: World) -> None:
        run = await world.new_run()
        watch = await begun(world, run)

        await world.flows.DeleteFlow(pb.DeleteFlowRequest(flow_id=run.flow_id))

        assert await reason(watch.next()) == "FLOW_RUN_NOT_FOUND"

    async def test_a_watch_that_was_away_meanwhile_is_told_the_same(self, world: World) -> None:
        run = await world.new_run()
        watch = await begun(world, run)
        await world.leave(run, "a")
        token = (await watch.next()).resume_token
        watch.cancel()
        await world.delete(run)

        again = world.watch_inputs(flow_run_id=run.id, resume_token=token)

        assert told([await again.next()]) == [("deleted", "a")]
        assert await reason(again.next()) == "FLOW_RUN_NOT_FOUND"

    async def test_a_watch_that_was_away_since_its_snapshot_is_told_too(self, world: World) -> None:
        run = await world.new_run()
        await world.leave(run, "a")
        watch = world.watch_inputs(flow_run_id=run.id, send_initial_state=True)
        token = (await watch.next("snapshot")).resume_token
        watch.cancel()
        await world.delete(run)

        again = world.watch_inputs(flow_run_id=run.id, resume_token=token)

        assert await reason(again.rest()) == "FLOW_RUN_NOT_FOUND"

    async def test_a_run_that_is_not_there_cannot_be_watched(self, world: World) -> None:
        watch = world.watch_inputs(flow_run_id=str(uuid4()), send_initial_state=True)

        code, info = await refused(watch.next())

        assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_RUN_NOT_FOUND")

    async def test_a_drain_ends_it_with_a_last_token(self, app: App, world: World) -> None:
        watch = await begun(world, await world.new_run())

        app.operations.watching.drain()

        last = await watch.next("progress")
        error = await refusal(watch.next())
        info = the_error_info(error)
        assert (error.code(), info.reason) == (*(grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING"),)
        assert info.metadata["resume_token"] == last.resume_token


class TestTokens:
    async def test_a_token_belongs_to_the_run_and_the_prefix(self, world: World) -> None:
        run, other = await world.new_run(), await world.new_run()
        of_run = await world.watch_inputs(flow_run_id=run.id, send_initial_state=True).settled()
        of_runs = await world.watch(flow_run_ids=[run.id], send_initial_state=True).settled()
        watches = [
            world.watch_inputs(flow_run_id=other.id, resume_token=of_run),
            world.watch_inputs(flow_run_id=run.id, key_prefix="a", resume_token=of_run),
            world.watch_inputs(flow_run_id=run.id, resume_token=of_runs),
            world.watch_inputs(flow_run_id=run.id, resume_token="x"),
        ]

        reasons = [await reason(watch.next()) for watch in watches]

        assert reasons == ["RESUME_TOKEN_MISMATCH"] * 4

    async def test_a_position_that_is_no_longer_kept_is_an_error(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        run = await world.new_run()
        watch = await begun(world, run)
        await world.leave(run, "a")
        token = (await watch.next()).resume_token
        await world.leave(run, "b")
        clock.advance(timedelta(days=8))

        await app.passes.trim(timedelta(days=7))

        code, info = await refused(
            world.watch_inputs(flow_run_id=run.id, resume_token=token).next()
        )
        assert (code, info.reason) == (grpc.StatusCode.OUT_OF_RANGE, "REVISION_COMPACTED")
        assert int(info.metadata["oldest_revision"]) > 0
        assert len(await world.input_values(run)) == 2

    async def test_a_database_that_was_replaced_is_an_error(self, app: App, world: World) -> None:
        run = await world.new_run()
        token = await world.watch_inputs(flow_run_id=run.id, send_initial_state=True).settled()
        await write(app, lambda conn: events.change_epoch(conn, "another"))

        watch = world.watch_inputs(flow_run_id=run.id, resume_token=token)

        assert await reason(watch.next()) == "EPOCH_CHANGED"


async def test_a_watcher_that_lags_catches_up_from_the_log(world: World) -> None:
    run = await world.new_run()
    watch = await begun(world, run)

    for start in range(0, 900, 100):
        await asyncio.gather(*(world.leave(run, f"{start + n:03}") for n in range(100)))

    assert len({key for _, key in told(await watch.take(900))}) == 900


async def test_what_makes_no_sense_is_refused_all_at_once(world: World) -> None:
    for span in (timedelta(0), timedelta(minutes=5, seconds=1)):
        watch = world.watch_inputs(
            flow_run_id="x", key_prefix="\0", progress_interval=lasting(span)
        )
        assert sorted(await violations(watch.next())) == [
            *("flow_run_id", "key_prefix", "progress_interval"),
        ]


class TestAging:
    @pytest.fixture
    def flags(self) -> dict[str, str]:
        return {"watch-age": "1s"}

    async def test_a_watch_ends_at_its_age_and_goes_on_without_a_gap(self, world: World) -> None:
        run = await world.new_run()
        watch = await begun(world, run)

        last = await watch.next("progress")

        assert await reason(watch.next()) == "WATCH_AGED"
        await world.leave(run, "a")
        again = world.watch_inputs(flow_run_id=run.id, resume_token=last.resume_token)
        assert (await again.next("created")).created.key == "a"
