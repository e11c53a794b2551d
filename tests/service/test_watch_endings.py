"""The promises of a watch about its end and about watchers that lag, one test each, for flow runs and for task runs."""

import asyncio

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.service.watched import Watched, kind_of, state_of, versions, watching
from tests.service.world import COMPLETED, RUNNING, World, refused, the_error_info

MISSING = "00000000-0000-4000-8000-000000000000"


async def test_11_a_stream_ends_with_ok_only_when_its_condition_is_met(watched: Watched) -> None:
    runs = [await watched.new() for _ in range(2)]
    watch = watched.watch(*runs, until=pb.WATCH_UNTIL_ALL_TERMINAL)
    any_watch = watched.watch(*runs, until=pb.WATCH_UNTIL_ANY_TERMINAL)
    for run in runs:
        await watched.propose(run, COMPLETED)

    seen, any_seen = await watch.rest(), await any_watch.rest()

    assert kind_of(seen[-1]) == "progress"
    assert kind_of(any_seen[-1]) == "progress"
    assert await watch.call.code() == grpc.StatusCode.OK


async def test_11_a_deleted_run_has_ended(watched: Watched) -> None:
    run = await watched.new()
    watch = watched.watch(run, until=pb.WATCH_UNTIL_ALL_TERMINAL)
    await watch.settled()

    await watched.delete(run)

    assert [kind_of(m) for m in await watch.rest()] == ["deleted", "progress"]


async def test_11_a_condition_that_is_met_already_ends_the_stream_at_once(
    watched: Watched,
) -> None:
    run = await watched.new(state=COMPLETED)

    seen = await watched.watch(run, until=pb.WATCH_UNTIL_ALL_TERMINAL).rest()

    assert [kind_of(m) for m in seen] == ["progress", "progress"]


async def test_11_a_resumed_watch_delivers_what_it_missed_before_it_ends(
    watched: Watched,
) -> None:
    run = await watched.new()
    watch = await watching(watched, run, until=pb.WATCH_UNTIL_ALL_TERMINAL)
    await watched.propose(run, RUNNING)
    token = (await watch.next(watched.state_change)).resume_token
    watch.cancel()
    await watched.propose(run, COMPLETED)

    again = watched.watch(run, resume_token=token, until=pb.WATCH_UNTIL_ALL_TERMINAL)

    assert [kind_of(m) for m in await again.rest()] == [watched.state_change, "progress"]


async def test_11_a_drain_ends_with_a_last_token_and_unavailable(
    app: App, watched: Watched
) -> None:
    run = await watched.new()
    watch = await watching(watched, run)

    app.operations.watching.drain()

    last = await watch.next("progress")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await watch.next()
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    info = the_error_info(raised.value)
    assert info.reason == "SERVER_DRAINING"
    assert info.metadata["resume_token"] == last.resume_token


async def test_12_a_watcher_that_lags_catches_up_from_the_log(watched: Watched) -> None:
    run = await watched.new()
    watch = await watching(watched, run)

    for _ in range(15):
        await asyncio.gather(*(watched.propose(run, RUNNING) for _ in range(100)))

    assert versions(await watch.take(1500)) == list(range(2, 1502))


async def test_13_latest_only_may_skip_states_and_says_so(watched: Watched) -> None:
    run = await watched.new()
    watch = await watching(watched, run)
    await watched.propose(run, RUNNING)
    token = (await watch.next()).resume_token
    for _ in range(20):
        await watched.propose(run, RUNNING)

    late = watched.watch(run, resume_token=token)
    hasty = watched.watch(run, resume_token=token, latest_only=True)

    assert not any(m.coalesced for m in await late.take(20))
    newest = await hasty.next(watched.state_change)
    assert newest.coalesced
    assert state_of(newest).version == 22


async def test_15_a_read_after_a_write_is_not_older_than_the_write(world: World) -> None:
    run = await world.new_run()
    written = await world.propose(run, RUNNING)

    got = await world.runs.GetFlowRun(
        pb.GetFlowRunRequest(flow_run_id=run.id, min_revision=written.revision)
    )

    assert got.flow_run.version == written.version


async def test_15_a_revision_that_does_not_come_is_an_error(world: World) -> None:
    run = await world.new_run()

    code, info = await refused(
        world.runs.GetFlowRun(pb.GetFlowRunRequest(flow_run_id=run.id, min_revision=10**9))
    )

    assert (code, info.reason) == (grpc.StatusCode.UNAVAILABLE, "REVISION_NOT_REACHED")


class TestAging:
    """Promise 14: streams end after a while, so that load can spread, and go on from their token."""

    @pytest.fixture
    def flags(self) -> dict[str, str]:
        return {"watch-age": "1s"}

    async def test_14_a_watch_ends_at_its_age_and_goes_on_without_a_gap(
        self, watched: Watched
    ) -> None:
        run = await watched.new()
        watch = await watching(watched, run)

        last = await watch.next("progress")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await watch.next()

        assert the_error_info(raised.value).reason == "WATCH_AGED"
        await watched.propose(run, RUNNING)
        again = watched.watch(run, resume_token=last.resume_token)
        assert versions([await again.next(watched.state_change)]) == [2]


async def test_what_does_not_exist_cannot_be_watched(watched: Watched) -> None:
    missing = pb.FlowRun(id=MISSING)

    code, info = await refused(watched.watch(missing).next())

    assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, watched.not_found)
