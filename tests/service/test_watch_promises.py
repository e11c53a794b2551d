"""The promises of a watch, one test each, on both databases."""

import asyncio
from datetime import timedelta

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.storage import events
from tests.fakes import FakeClock
from tests.service.seeds import write
from tests.service.world import COMPLETED, PENDING, RUNNING, Watch, World, refused, the_error_info


async def begun(world: World, **fields: object) -> Watch:
    """Return a watch that has surely begun: its empty snapshot, or that of its runs, was read."""
    watch = world.watch(send_initial_state=True, **fields)
    while (await watch.next()).WhichOneof("event") != "snapshot_complete":
        pass
    return watch


async def test_1_events_arrive_ordered_by_revision_and_a_runs_versions_by_one(world: World) -> None:
    run = await world.new_run()
    watch = await begun(world, flow_run_ids=[run.id])

    for _ in range(5):
        await world.propose(run, RUNNING)

    seen = await watch.take(5)
    revisions = [message.revision for message in seen]
    assert revisions == sorted(set(revisions))
    assert [message.state_change.state.version for message in seen] == [2, 3, 4, 5, 6]


async def test_2_nothing_is_missed_while_many_write_at_once(world: World) -> None:
    flow = await world.new_flow()
    watch = await begun(
        world, flows=pb.FlowFilter(id=pb.IdFilter(any=pb.StringList(values=[flow.id])))
    )

    async def live() -> str:
        run = await world.new_run(flow_id=flow.id)
        for _ in range(4):
            await world.propose(run, RUNNING)
        return run.id

    runs = await asyncio.gather(*(live() for _ in range(40)))

    seen = await watch.take(40 * 5)
    versions: dict[str, list[int]] = {}
    for message in seen:
        change = message.state_change
        versions.setdefault(change.flow_run.id, []).append(change.state.version)
    assert versions == {run_id: [1, 2, 3, 4, 5] for run_id in runs}
    assert [m.revision for m in seen] == sorted({m.revision for m in seen})


async def test_3_a_stream_repeats_nothing_and_a_resumed_one_begins_after_its_token(
    world: World,
) -> None:
    run = await world.new_run()
    watch = await begun(world, flow_run_ids=[run.id])
    for _ in range(4):
        await world.propose(run, RUNNING)
    first = await watch.take(2)
    watch.cancel()

    again = world.watch(flow_run_ids=[run.id], resume_token=first[-1].resume_token)
    rest = await again.take(2)

    assert [m.state_change.state.version for m in first + rest] == [2, 3, 4, 5]


async def test_4_events_of_one_transaction_are_marked_as_belonging_together(world: World) -> None:
    flow = await world.new_flow()
    runs = [await world.new_run(flow_id=flow.id) for _ in range(3)]
    watch = await begun(world)

    await world.flows.DeleteFlow(pb.DeleteFlowRequest(flow_id=flow.id))

    gone = await watch.take(3)
    assert {m.deleted.flow_run.id for m in gone} == {run.id for run in runs}
    assert [m.fragment for m in gone] == [True, True, False]


async def test_4_a_narrow_watch_marks_the_last_that_it_sees_as_complete(world: World) -> None:
    flow = await world.new_flow()
    runs = [await world.new_run(flow_id=flow.id) for _ in range(3)]
    watch = await begun(world, flow_run_ids=[runs[0].id])

    await world.flows.DeleteFlow(pb.DeleteFlowRequest(flow_id=flow.id))

    assert not (await watch.next("deleted")).fragment


async def test_5_what_was_refused_is_never_seen(world: World) -> None:
    run = await world.new_run()
    watch = await begun(world, flow_run_ids=[run.id])

    await refused(world.propose(run, RUNNING, expected_version=7))
    await world.propose(run, pb.ProposedState(type=PENDING))
    accepted = await world.propose(run, RUNNING)

    seen = await watch.next("state_change")
    assert seen.state_change.state.id == accepted.state.id


async def test_6_a_token_of_another_watch_is_refused(world: World) -> None:
    run, other = await world.new_run(), await world.new_run()
    token = await world.watch(flow_run_ids=[run.id], send_initial_state=True).settled()

    code, info = await refused(world.watch(flow_run_ids=[other.id], resume_token=token).next())

    assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "RESUME_TOKEN_MISMATCH")


@pytest.mark.parametrize("token", ["x", "1.a.b.1", "1.AAAAAAAAAAA.AAAAAAAAAAAAAAAA.1", "é"])
async def test_6_a_token_that_is_none_is_refused(world: World, token: str) -> None:
    code, info = await refused(world.watch(resume_token=token).next())

    assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "RESUME_TOKEN_MISMATCH")


async def test_7_a_position_that_is_no_longer_kept_is_an_error_with_the_oldest_that_is(
    app: App, world: World, clock: FakeClock
) -> None:
    run = await world.new_run()
    watch = await begun(world, flow_run_ids=[run.id])
    await world.propose(run, RUNNING)
    token = (await watch.next()).resume_token
    await world.propose(run, RUNNING)
    clock.advance(timedelta(days=8))

    await app.passes.trim(timedelta(days=7))

    code, info = await refused(world.watch(flow_run_ids=[run.id], resume_token=token).next())
    assert (code, info.reason) == (grpc.StatusCode.OUT_OF_RANGE, "REVISION_COMPACTED")
    assert int(info.metadata["oldest_revision"]) > 0
    states = await world.runs.ListFlowRunStates(pb.ListFlowRunStatesRequest(flow_run_id=run.id))
    assert len(states.states) == 3, "trimming the log leaves the history of states alone"


async def test_7_a_database_that_was_replaced_is_an_error(app: App, world: World) -> None:
    run = await world.new_run()
    token = (await begun(world, flow_run_ids=[run.id])).call
    watch = world.watch(flow_run_ids=[run.id], send_initial_state=True)
    token = (await watch.take(2))[-1].resume_token

    await write(app, lambda conn: events.change_epoch(conn, "another"))

    code, info = await refused(world.watch(flow_run_ids=[run.id], resume_token=token).next())
    assert (code, info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "EPOCH_CHANGED")


async def test_7_a_token_from_the_future_of_a_restored_database_is_an_error(world: World) -> None:
    run = await world.new_run()
    watch = world.watch(flow_run_ids=[run.id], send_initial_state=True)
    token = (await watch.take(2))[-1].resume_token
    head, _, revision = token.rpartition(".")

    ahead = f"{head}.{int(revision) + 1000}"

    _, info = await refused(world.watch(flow_run_ids=[run.id], resume_token=ahead).next())
    assert info.reason == "EPOCH_CHANGED"


async def test_8_progress_comes_though_nothing_matches_and_moves_the_position(
    world: World,
) -> None:
    quiet, busy = await world.new_run(), await world.new_run()
    watch = await begun(world, flow_run_ids=[quiet.id], progress_interval=timedelta(seconds=1))

    written = await world.propose(busy, RUNNING)

    progress = await watch.next("progress")
    assert progress.progress.revision >= written.revision
    await world.propose(quiet, RUNNING)
    again = world.watch(flow_run_ids=[quiet.id], resume_token=progress.resume_token)
    assert (await again.next("state_change")).state_change.flow_run.id == quiet.id


async def test_9_a_snapshot_and_the_changes_after_it_come_in_one_stream(world: World) -> None:
    runs = [await world.new_run() for _ in range(3)]
    writing = asyncio.create_task(_write_a_lot(world, runs))

    watch = world.watch(send_initial_state=True)
    snapshot = {}
    while (message := await watch.next()).WhichOneof("event") == "snapshot":
        snapshot[message.snapshot.flow_run.id] = message.snapshot.flow_run.version
    assert message.WhichOneof("event") == "snapshot_complete"
    await writing
    versions = {run.id: [snapshot[run.id]] for run in runs}
    while any(seen[-1] < 31 for seen in versions.values()):
        change = (await watch.next("state_change")).state_change
        versions[change.flow_run.id].append(change.state.version)

    assert all(seen == list(range(seen[0], 32)) for seen in versions.values())


async def _write_a_lot(world: World, runs: list[pb.FlowRun]) -> None:
    for _ in range(30):
        await asyncio.gather(*(world.propose(run, RUNNING) for run in runs))


async def test_9_a_broken_snapshot_begins_anew(world: World) -> None:
    run = await world.new_run()
    watch = world.watch(flow_run_ids=[run.id], send_initial_state=True)
    token = (await watch.next("snapshot")).resume_token
    watch.cancel()
    await world.propose(run, RUNNING)

    again = world.watch(flow_run_ids=[run.id], resume_token=token)

    assert (await again.next("snapshot")).snapshot.flow_run.version == 2
    await again.next("snapshot_complete")


async def test_10_a_run_that_stops_matching_is_told_to_have_left(world: World) -> None:
    running = pb.FlowRunFilter(state=pb.StateFilter(type_any=pb.StateTypeList(values=[RUNNING])))
    watch = await begun(world, flow_runs=running)
    run = await world.new_run()

    await world.propose(run, RUNNING)
    await world.propose(run, COMPLETED)
    await world.propose(run, RUNNING)

    seen = await watch.take(3)
    assert [m.WhichOneof("event") for m in seen] == ["state_change", "left_filter", "state_change"]
    assert seen[1].left_filter.flow_run.state.type == COMPLETED


async def test_10_a_deleted_run_is_told_as_it_last_was(world: World) -> None:
    run = await world.new_run(tags=["kept"])
    watch = await begun(
        world,
        flow_runs=pb.FlowRunFilter(tags=pb.TagsFilter(all=pb.StringList(values=["kept"]))),
    )

    await world.runs.DeleteFlowRun(pb.DeleteFlowRunRequest(flow_run_id=run.id))

    assert (await watch.next("deleted")).deleted.flow_run.name == run.name


async def test_10_an_update_is_judged_on_the_run_before_and_after(world: World) -> None:
    run = await world.new_run(tags=["blue"])
    watch = await begun(
        world,
        flow_runs=pb.FlowRunFilter(tags=pb.TagsFilter(all=pb.StringList(values=["blue"]))),
    )

    for tags in (["blue", "green"], ["green"]):
        await world.runs.UpdateFlowRun(
            pb.UpdateFlowRunRequest(
                flow_run=pb.FlowRun(id=run.id, tags=tags), update_mask=FieldMask(paths=["tags"])
            )
        )

    seen = await watch.take(2)
    assert [m.WhichOneof("event") for m in seen] == ["run_update", "left_filter"]


async def test_11_a_stream_ends_with_ok_only_when_its_condition_is_met(world: World) -> None:
    runs = [await world.new_run() for _ in range(2)]
    watch = world.watch(flow_run_ids=[r.id for r in runs], until=pb.WATCH_UNTIL_ALL_TERMINAL)
    any_watch = world.watch(flow_run_ids=[r.id for r in runs], until=pb.WATCH_UNTIL_ANY_TERMINAL)
    for run in runs:
        await world.propose(run, COMPLETED)

    seen, any_seen = await watch.rest(), await any_watch.rest()

    assert seen[-1].WhichOneof("event") == "progress"
    assert any_seen[-1].WhichOneof("event") == "progress"
    assert await watch.call.code() == grpc.StatusCode.OK


async def test_11_a_condition_that_is_met_already_ends_the_stream_at_once(world: World) -> None:
    run = await world.new_run(COMPLETED)

    seen = await world.watch(flow_run_ids=[run.id], until=pb.WATCH_UNTIL_ALL_TERMINAL).rest()

    assert [m.WhichOneof("event") for m in seen] == ["progress", "progress"]


async def test_11_a_resumed_watch_delivers_what_it_missed_before_it_ends(world: World) -> None:
    run = await world.new_run()
    arguments = {"flow_run_ids": [run.id], "until": pb.WATCH_UNTIL_ALL_TERMINAL}
    watch = await begun(world, **arguments)
    await world.propose(run, RUNNING)
    token = (await watch.next("state_change")).resume_token
    watch.cancel()
    await world.propose(run, COMPLETED)

    seen = await world.watch(resume_token=token, **arguments).rest()

    assert [m.WhichOneof("event") for m in seen] == ["state_change", "progress"]


async def test_11_a_drain_ends_with_a_last_token_and_unavailable(app: App, world: World) -> None:
    run = await world.new_run()
    watch = await begun(world, flow_run_ids=[run.id])

    app.operations.watching.drain()

    last = await watch.next("progress")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await watch.next()
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    info = the_error_info(raised.value)
    assert info.reason == "SERVER_DRAINING"
    assert info.metadata["resume_token"] == last.resume_token


async def test_12_a_watcher_that_lags_catches_up_from_the_log(world: World) -> None:
    run = await world.new_run()
    watch = await begun(world, flow_run_ids=[run.id])

    for _ in range(15):
        await asyncio.gather(*(world.propose(run, RUNNING) for _ in range(100)))

    versions = [m.state_change.state.version for m in await watch.take(1500)]
    assert versions == list(range(2, 1502))


async def test_13_latest_only_may_skip_states_and_says_so(world: World) -> None:
    run = await world.new_run()
    watch = await begun(world, flow_run_ids=[run.id])
    await world.propose(run, RUNNING)
    token = (await watch.next()).resume_token
    for _ in range(20):
        await world.propose(run, RUNNING)

    late = world.watch(flow_run_ids=[run.id], resume_token=token)
    hasty = world.watch(flow_run_ids=[run.id], resume_token=token, latest_only=True)

    assert not any(m.coalesced for m in await late.take(20))
    newest = await hasty.next("state_change")
    assert newest.coalesced
    assert newest.state_change.state.version == 22


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

    async def test_14_a_watch_ends_at_its_age_and_goes_on_without_a_gap(self, world: World) -> None:
        run = await world.new_run()
        watch = await begun(world, flow_run_ids=[run.id])

        last = await watch.next("progress")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await watch.next()

        assert the_error_info(raised.value).reason == "WATCH_AGED"
        await world.propose(run, RUNNING)
        again = world.watch(flow_run_ids=[run.id], resume_token=last.resume_token)
        assert (await again.next("state_change")).state_change.state.version == 2


async def test_a_run_that_does_not_exist_cannot_be_watched(world: World) -> None:
    missing = "00000000-0000-4000-8000-000000000000"

    code, info = await refused(world.watch(flow_run_ids=[missing]).next())

    assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_RUN_NOT_FOUND")
