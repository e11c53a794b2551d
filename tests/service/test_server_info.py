"""GetServerInfo: what the server is and what it takes."""

from datetime import timedelta
from importlib.metadata import version

import pytest

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.model.server_info import DatabaseKind
from tests.fakes import FakeClock
from tests.service.world import World, lasting


async def info(world: World) -> pb.GetServerInfoResponse:
    return await world.server.GetServerInfo(pb.GetServerInfoRequest())


async def test_the_server_tells_what_it_is(app: App, world: World) -> None:
    told = await info(world)

    assert told.version == version("headgate")
    assert list(told.capabilities) == [
        *("analytics", "batches", "concurrency-limits", "deployments", "request-ids", "task-runs"),
        "wait-flow-runs",
        *("watch-due-flow-runs", "watch-flow-run-inputs", "watch-flow-runs", "watch-task-runs"),
        "work-pools",
    ]
    kinds = {
        DatabaseKind.SQLITE: pb.DATABASE_KIND_SQLITE,
        DatabaseKind.POSTGRESQL: pb.DATABASE_KIND_POSTGRESQL,
    }
    assert told.database_kind == kinds[app.database.kind]
    assert told.schema_revision
    assert told.epoch


async def test_the_open_watches_are_counted(world: World) -> None:
    watch = world.watch()
    await watch.settled()

    during = (await info(world)).watch_count
    watch.cancel()
    while after := (await info(world)).watch_count:
        assert after == 1

    assert during == 1


async def test_the_limits_are_those_of_the_contract_unless_settings_say_otherwise(
    world: World,
) -> None:
    assert (await info(world)).limits == pb.ServerLimits(
        max_message_bytes=4 * 1024 * 1024,
        max_json_bytes=1024 * 1024,
        max_name_characters=255,
        max_tags=100,
        max_ids=1000,
        max_page_size=1000,
        max_inputs=100,
        max_state_message_bytes=64 * 1024,
        max_waiting_writes=10_000,
        request_id_window=lasting(timedelta(hours=24)),
        history_retention=lasting(timedelta(days=7)),
        max_wait=lasting(timedelta(seconds=30)),
        max_call=lasting(timedelta(seconds=60)),
    )


async def test_the_head_moves_with_every_change_and_not_otherwise(world: World) -> None:
    run = await world.new_run()
    before = await info(world)

    answer = await world.propose(run, pb.STATE_TYPE_RUNNING)
    await world.get(run)

    after = await info(world)
    assert before.oldest_revision == after.oldest_revision == 0
    assert after.head_revision == answer.revision == before.head_revision + 1
    assert after.epoch == before.epoch


async def test_the_oldest_revision_moves_when_the_log_is_trimmed(
    app: App, world: World, clock: FakeClock
) -> None:
    for _ in range(3):
        await world.new_run()
    clock.advance(timedelta(days=8))
    await world.new_run()

    dropped = await app.passes.trim(timedelta(days=7))

    told = await info(world)
    assert dropped == 3
    assert (told.oldest_revision, told.head_revision) == (3, 4)


class TestOtherSettings:
    @pytest.fixture
    def flags(self) -> dict[str, str]:
        return {
            "max-json": "2KiB",
            "max-message": "64KiB",
            "max-waiting-writes": "7",
            "history-retention": "1h",
            "max-wait": "2s",
            "max-call": "3s",
        }

    async def test_settings_show_in_the_limits(self, world: World) -> None:
        limits = (await info(world)).limits

        assert (limits.max_json_bytes, limits.max_message_bytes) == (2048, 65536)
        assert limits.max_waiting_writes == 7
        assert limits.history_retention == lasting(timedelta(hours=1))
        assert (limits.max_wait, limits.max_call) == (
            *(lasting(timedelta(seconds=2)), lasting(timedelta(seconds=3))),
        )
