"""The promises of a watch, one test each, on both databases, for flow runs and for task runs."""

import asyncio
from datetime import timedelta

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.storage import events
from tests.fakes import FakeClock
from tests.service.seeds import write
from tests.service.watched import (
    KINDS,
    Run,
    Watched,
    begun,
    kind_of,
    state_of,
    told,
    versions,
    watching,
)
from tests.service.world import (
    COMPLETED,
    PENDING,
    RUNNING,
    World,
    reason,
    refused,
    texts,
    types,
)


async def test_1_events_arrive_ordered_by_revision_and_a_runs_versions_by_one(
    watched: Watched,
) -> None:
    run = await watched.new()
    watch = await watching(watched, run)

    for _ in range(5):
        await watched.propose(run, RUNNING)

    seen = await watch.take(5)
    revisions = [message.revision for message in seen]
    assert revisions == sorted(set(revisions))
    assert versions(seen) == [2, 3, 4, 5, 6]


async def test_2_nothing_is_missed_while_many_write_at_once(watched: Watched) -> None:
    group = await watched.new_group()
    watch = await begun(watched.watch_group(group, send_initial_state=True))

    async def live() -> str:
        run = await watched.new(group)
        for _ in range(4):
            await watched.propose(run, RUNNING)
        return run.id

    runs = await asyncio.gather(*(live() for _ in range(40)))

    seen = await watch.take(40 * 5)
    by_run: dict[str, list[int]] = {}
    for message in seen:
        by_run.setdefault(told(message).id, []).append(state_of(message).version)
    assert by_run == {run_id: [1, 2, 3, 4, 5] for run_id in runs}
    assert [m.revision for m in seen] == sorted({m.revision for m in seen})


async def test_3_a_stream_repeats_nothing_and_a_resumed_one_begins_after_its_token(
    watched: Watched,
) -> None:
    run = await watched.new()
    watch = await watching(watched, run)
    for _ in range(4):
        await watched.propose(run, RUNNING)
    first = await watch.take(2)
    watch.cancel()

    again = watched.watch(run, resume_token=first[-1].resume_token)
    rest = await again.take(2)

    assert versions(first + rest) == [2, 3, 4, 5]


async def test_4_events_of_one_transaction_are_marked_as_belonging_together(
    watched: Watched,
) -> None:
    group = await watched.new_group()
    runs = [await watched.new(group) for _ in range(3)]
    watch = await watching(watched)

    await watched.delete_group(group)

    gone = await watch.take(3)
    assert {kind_of(message) for message in gone} == {"deleted"}
    assert {told(message).id for message in gone} == {run.id for run in runs}
    assert [message.fragment for message in gone] == [True, True, False]


async def test_4_a_narrow_watch_marks_the_last_that_it_sees_as_complete(watched: Watched) -> None:
    group = await watched.new_group()
    runs = [await watched.new(group) for _ in range(3)]
    watch = await watching(watched, runs[0])

    await watched.delete_group(group)

    assert not (await watch.next("deleted")).fragment


async def test_5_what_was_refused_is_never_seen(watched: Watched) -> None:
    run = await watched.new()
    watch = await watching(watched, run)

    await refused(watched.propose(run, RUNNING, expected_version=7))
    accepted = await watched.propose(run, RUNNING)

    seen = await watch.next(watched.state_change)
    assert state_of(seen).id == accepted.state.id


async def test_5_what_a_rule_refused_is_never_seen(world: World) -> None:
    run = await world.new_run()
    watch = await begun(world.watch(flow_run_ids=[run.id], send_initial_state=True))

    rejected = await world.propose(run, PENDING)
    accepted = await world.propose(run, RUNNING)

    seen = await watch.next("state_change")
    assert not rejected.created
    assert state_of(seen).id == accepted.state.id


async def test_6_a_token_of_another_watch_is_refused(watched: Watched) -> None:
    run, other = await watched.new(), await watched.new()
    token = await watched.watch(run, send_initial_state=True).settled()

    code, info = await refused(watched.watch(other, resume_token=token).next())

    assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "RESUME_TOKEN_MISMATCH")


async def test_6_a_token_of_another_kind_of_watch_is_refused(world: World) -> None:
    first, second = (kind(world) for kind in KINDS.values())
    token = await first.watch().settled()

    assert await reason(second.watch(resume_token=token).next()) == "RESUME_TOKEN_MISMATCH"


@pytest.mark.parametrize("token", ["x", "1.a.b.1", "1.AAAAAAAAAAA.AAAAAAAAAAAAAAAA.1", "é"])
async def test_6_a_token_that_is_none_is_refused(watched: Watched, token: str) -> None:
    code, info = await refused(watched.watch(resume_token=token).next())

    assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "RESUME_TOKEN_MISMATCH")


async def test_7_a_position_that_is_no_longer_kept_is_an_error_with_the_oldest_that_is(
    app: App, watched: Watched, clock: FakeClock
) -> None:
    run = await watched.new()
    watch = await watching(watched, run)
    await watched.propose(run, RUNNING)
    token = (await watch.next()).resume_token
    await watched.propose(run, RUNNING)
    clock.advance(timedelta(days=8))

    await app.passes.trim(timedelta(days=7))

    code, info = await refused(watched.watch(run, resume_token=token).next())
    assert (code, info.reason) == (grpc.StatusCode.OUT_OF_RANGE, "REVISION_COMPACTED")
    assert int(info.metadata["oldest_revision"]) > 0
    states = await watched.states(run)
    assert len(states) == 3, "trimming the log leaves the history of states alone"


async def test_7_a_database_that_was_replaced_is_an_error(app: App, watched: Watched) -> None:
    run = await watched.new()
    watch = watched.watch(run, send_initial_state=True)
    token = (await watch.take(2))[-1].resume_token

    await write(app, lambda conn: events.change_epoch(conn, "another"))

    code, info = await refused(watched.watch(run, resume_token=token).next())
    assert (code, info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "EPOCH_CHANGED")


async def test_7_a_token_from_the_future_of_a_restored_database_is_an_error(
    watched: Watched,
) -> None:
    run = await watched.new()
    watch = watched.watch(run, send_initial_state=True)
    token = (await watch.take(2))[-1].resume_token
    head, _, revision = token.rpartition(".")

    ahead = f"{head}.{int(revision) + 1000}"

    assert await reason(watched.watch(run, resume_token=ahead).next()) == "EPOCH_CHANGED"


async def test_8_progress_comes_though_nothing_matches_and_moves_the_position(
    watched: Watched,
) -> None:
    quiet, busy = await watched.new(), await watched.new()
    watch = await watching(watched, quiet, progress_interval=timedelta(seconds=1))

    written = await watched.propose(busy, RUNNING)

    progress = await watch.next("progress")
    assert progress.progress.revision >= written.revision
    await watched.propose(quiet, RUNNING)
    again = watched.watch(quiet, resume_token=progress.resume_token)
    assert told(await again.next(watched.state_change)).id == quiet.id


@pytest.mark.parametrize("is_named", [True, False], ids=["named", "of a group"])
async def test_9_a_snapshot_and_the_changes_after_it_come_in_one_stream(
    watched: Watched, *, is_named: bool
) -> None:
    group = await watched.new_group()
    runs = [await watched.new(group) for _ in range(3)]
    writing = asyncio.create_task(_write_a_lot(watched, runs))

    if is_named:
        watch = watched.watch(*runs, send_initial_state=True)
    else:
        watch = watched.watch_group(group, send_initial_state=True)
    snapshot = {}
    while kind_of(message := await watch.next()) == "snapshot":
        snapshot[told(message).id] = told(message).version
    assert kind_of(message) == "snapshot_complete"
    await writing
    by_run = {run.id: [snapshot[run.id]] for run in runs}
    while any(seen[-1] < 31 for seen in by_run.values()):
        message = await watch.next(watched.state_change)
        by_run[told(message).id].append(state_of(message).version)

    assert all(seen == list(range(seen[0], 32)) for seen in by_run.values())


async def _write_a_lot(watched: Watched, runs: list[Run]) -> None:
    for _ in range(30):
        await asyncio.gather(*(watched.propose(run, RUNNING) for run in runs))


async def test_9_a_broken_snapshot_begins_anew(watched: Watched) -> None:
    run = await watched.new()
    watch = watched.watch(run, send_initial_state=True)
    token = (await watch.next("snapshot")).resume_token
    watch.cancel()
    await watched.propose(run, RUNNING)

    again = watched.watch(run, resume_token=token)

    assert told(await again.next("snapshot")).version == 2
    await again.next("snapshot_complete")


async def test_10_a_run_that_stops_matching_is_told_to_have_left(watched: Watched) -> None:
    running = {"state": pb.StateFilter(type_any=types(RUNNING))}
    watch = await begun(watched.watch_matching(running, send_initial_state=True))
    run = await watched.new()

    await watched.propose(run, RUNNING)
    await watched.propose(run, COMPLETED)
    await watched.propose(run, RUNNING)

    seen = await watch.take(3)
    assert [kind_of(m) for m in seen] == [
        watched.state_change,
        "left_filter",
        watched.state_change,
    ]
    assert told(seen[1]).state.type == COMPLETED


async def test_10_a_deleted_run_is_told_as_it_last_was(watched: Watched) -> None:
    run = await watched.new(tags=["kept"])
    kept = {"tags": pb.TagsFilter(all=texts("kept"))}
    watch = await begun(watched.watch_matching(kept, send_initial_state=True))

    await watched.delete(run)

    assert told(await watch.next("deleted")).name == run.name


async def test_10_an_update_is_judged_on_the_run_before_and_after(watched: Watched) -> None:
    run = await watched.new(name="blue 1")
    blue = {"name": pb.NameFilter(like="blue")}
    watch = await begun(watched.watch_matching(blue, send_initial_state=True))

    for name in ("blue 2", "green"):
        await watched.rename(run, name)

    seen = await watch.take(2)
    assert [kind_of(m) for m in seen] == [watched.update, "left_filter"]
    assert [told(m).name for m in seen] == ["blue 2", "green"]
