"""Several servers on one PostgreSQL: callers cannot tell which one they talk to."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final
from uuid import uuid4

import grpc.aio
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.settings import Settings
from tests.acceptance.program import Program
from tests.fakes import FakeClock
from tests.postgresql import Databases
from tests.service.world import (
    ABORT,
    ACCEPT,
    PENDING,
    REJECT,
    RUNNING,
    Watch,
    World,
    keyset,
    paused,
)

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(60)]

SERVERS: Final = 3
CLAIMANTS: Final = 20
SCHEMA: Final = '{"type": "object", "required": ["approve"]}'


@pytest.fixture(scope="module")
def programs(
    postgresql_databases: Databases,
    postgresql_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Sequence[Program]]:
    """Return servers that run on one database."""
    url = postgresql_databases.create(postgresql_template)
    directory = tmp_path_factory.mktemp("replicas")
    made = [Program(url, directory) for _ in range(SERVERS)]
    for program in made:
        program.start()
    yield made
    for program in made:
        program.kill()
    postgresql_databases.drop(url)
    assert [fault for program in made for fault in program.faults()] == []


@pytest.fixture
async def worlds(programs: Sequence[Program]) -> AsyncIterator[Sequence[World]]:
    """Return the service as callers of each server see it."""
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(program.target))
            for program in programs
        ]
        yield [World(channel) for channel in channels]


async def begun(world: World, **fields: object) -> Watch:
    """Return a watch that has caught up."""
    watch = world.watch(send_initial_state=True, **fields)
    while (await watch.next()).WhichOneof("event") != "snapshot_complete":
        pass
    return watch


def of_flow(flow: pb.Flow) -> pb.FlowFilter:
    return pb.FlowFilter(id=pb.IdFilter(any=pb.StringList(values=[flow.id])))


async def test_proposals_through_all_servers_at_once_leave_no_gap_and_every_replica_tells_the_same(
    worlds: Sequence[World],
) -> None:
    flow = await worlds[0].new_flow()
    watches = [await begun(world, flows=of_flow(flow)) for world in worlds]
    runs = [await worlds[0].new_run(flow_id=flow.id) for _ in range(4)]

    async def propose(world: World, run: pb.FlowRun) -> list[tuple[int, str]]:
        answers = [await world.propose(run, RUNNING) for _ in range(15)]
        assert {answer.status for answer in answers} == {ACCEPT}
        return [(answer.version, answer.state.id) for answer in answers]

    places = [(world, run) for run in runs for world in worlds for _ in range(2)]
    answered = await asyncio.gather(*(propose(world, run) for world, run in places))

    acknowledged: dict[str, list[tuple[int, str]]] = {run.id: [(1, run.state.id)] for run in runs}
    for (_, run), answers in zip(places, answered, strict=True):
        acknowledged[run.id] += answers
    total = sum(map(len, acknowledged.values()))
    told = [await watch.take(total) for watch in watches]
    revisions = [[message.revision for message in messages] for messages in told]
    assert revisions[0] == sorted(set(revisions[0]))
    assert revisions[1:] == revisions[:-1]
    for run in runs:
        states = await worlds[-1].runs.ListFlowRunStates(
            pb.ListFlowRunStatesRequest(flow_run_id=run.id)
        )
        history = [(state.version, state.id) for state in states.states]
        assert history == sorted(acknowledged[run.id])
        assert [version for version, _ in history] == list(range(1, len(history) + 1))
        for messages in told:
            changes = [m.state_change for m in messages if m.state_change.flow_run.id == run.id]
            assert [(change.state.version, change.state.id) for change in changes] == history


async def test_exactly_one_of_many_claimants_wins_a_run(worlds: Sequence[World]) -> None:
    for _ in range(5):
        run = await worlds[0].new_run(pb.STATE_TYPE_SCHEDULED)

        answers = await asyncio.gather(
            *(worlds[place % SERVERS].propose(run, PENDING) for place in range(CLAIMANTS))
        )

        statuses = [answer.status for answer in answers]
        assert (statuses.count(ACCEPT), statuses.count(ABORT)) == (1, CLAIMANTS - 1)
        winner = next(answer.state.id for answer in answers if answer.status == ACCEPT)
        stored = await worlds[1].get(run)
        assert (stored.version, stored.state.id) == (2, winner)


async def test_a_transition_is_made_once_and_everybody_is_told_of_its_state(
    worlds: Sequence[World],
) -> None:
    for _ in range(30):
        run = await worlds[0].new_run()
        state = pb.ProposedState(type=RUNNING, details=pb.StateDetails(transition_id=str(uuid4())))

        answers = await asyncio.gather(
            *(worlds[place % SERVERS].propose(run, state) for place in range(CLAIMANTS))
        )

        statuses = [answer.status for answer in answers]
        assert (statuses.count(ACCEPT), statuses.count(REJECT)) == (1, CLAIMANTS - 1)
        assert {(answer.version, answer.state.id) for answer in answers} == {
            (2, answers[0].state.id)
        }


async def test_exactly_one_of_many_answers_resumes_a_run(worlds: Sequence[World]) -> None:
    run = await worlds[0].new_run(RUNNING)
    schema = pb.NewFlowRunInput(key=keyset().schema, value_json=SCHEMA)
    await worlds[0].propose(run, paused(run_input_keyset=keyset()), inputs=[schema])

    async def answer(place: int) -> "pb.VerdictStatus.ValueType | str":
        request = pb.ResumeFlowRunRequest(
            flow_run_id=run.id, run_input_json=f'{{"approve":{place}}}'
        )
        answered = await worlds[place % SERVERS].runs.ResumeFlowRun(request)
        return answered.status

    statuses = await asyncio.gather(*(answer(place) for place in range(CLAIMANTS)))

    assert (statuses.count(ACCEPT), statuses.count(ABORT)) == (1, CLAIMANTS - 1)
    request = pb.GetFlowRunInputRequest(flow_run_id=run.id, key=keyset().response)
    kept = (await worlds[1].inputs.GetFlowRunInput(request)).input.value_json
    assert kept == f'{{"approve":{statuses.index(ACCEPT)}}}'
    assert (await worlds[2].get(run)).version == 3


async def test_an_idempotency_key_makes_one_run_whoever_is_asked(worlds: Sequence[World]) -> None:
    flow = await worlds[0].new_flow()
    request = pb.CreateFlowRunRequest(flow_id=flow.id, idempotency_key="once")

    answers = await asyncio.gather(
        *(worlds[place % SERVERS].runs.CreateFlowRun(request) for place in range(CLAIMANTS))
    )

    assert len({answer.flow_run.id for answer in answers}) == 1
    assert [answer.created for answer in answers].count(True) == 1


async def test_a_request_id_is_answered_once_whoever_is_asked(worlds: Sequence[World]) -> None:
    flow = await worlds[0].new_flow()
    request = pb.CreateFlowRunRequest(flow_id=flow.id, request_id=str(uuid4()))

    answers = await asyncio.gather(
        *(worlds[place % SERVERS].runs.CreateFlowRun(request) for place in range(CLAIMANTS))
    )

    assert len({answer.flow_run.id for answer in answers}) == 1
    count = await worlds[1].runs.CountFlowRuns(pb.CountFlowRunsRequest(flows=of_flow(flow)))
    assert count.count == 1


async def test_a_read_elsewhere_is_not_older_than_what_was_written_here(
    worlds: Sequence[World],
) -> None:
    run = await worlds[0].new_run()
    for _ in range(20):
        written = await worlds[0].propose(run, RUNNING)
        for world in worlds[1:]:
            request = pb.GetFlowRunRequest(flow_run_id=run.id, min_revision=written.revision)
            assert (await world.runs.GetFlowRun(request)).flow_run.version >= written.version


async def test_a_watch_goes_on_elsewhere_when_its_server_dies(
    programs: Sequence[Program], worlds: Sequence[World]
) -> None:
    run = await worlds[1].new_run()
    watch = await begun(worlds[0], flow_run_ids=[run.id])
    for _ in range(3):
        await worlds[1].propose(run, RUNNING)
    token = (await watch.take(2))[-1].resume_token

    programs[0].kill()
    try:
        await worlds[2].propose(run, RUNNING)
        again = worlds[1].watch(flow_run_ids=[run.id], resume_token=token)
        seen = await again.take(2)
    finally:
        await asyncio.to_thread(programs[0].start)

    assert [message.state_change.state.version for message in seen] == [4, 5]


class TestPasses:
    """Servers in this process, so that their background passes run when they are told to."""

    @pytest.fixture
    async def apps(self, postgresql_url: str, clock: FakeClock) -> AsyncIterator[Sequence[App]]:
        """Return servers on one database that do nothing by themselves."""
        never = {"late-interval": "1d", "pause-expiry-interval": "1d", "trim-interval": "1d"}
        given = {"database": postgresql_url, "listen": "127.0.0.1:0", **never}
        started = [App(Settings.read({}, given), clock=clock) for _ in range(SERVERS)]
        for app in started:
            await app.start()
        yield started
        for app in started:
            await app.stop()

    @pytest.fixture
    async def world(self, apps: Sequence[App]) -> AsyncIterator[World]:
        """Return the service as callers of the first server see it."""
        async with grpc.aio.insecure_channel(f"127.0.0.1:{apps[0].port}") as channel:
            yield World(channel)

    async def test_late_runs_are_marked_once(
        self, apps: Sequence[App], world: World, clock: FakeClock
    ) -> None:
        flow = await world.new_flow()
        new = (world.new_run(pb.STATE_TYPE_SCHEDULED, flow_id=flow.id) for _ in range(150))
        runs = await asyncio.gather(*new)
        clock.advance(timedelta(minutes=1))

        marked = await asyncio.gather(
            *(app.passes.mark_late(timedelta(seconds=15)) for app in apps)
        )

        assert sum(marked) == len(runs)
        after = await asyncio.gather(*(world.get(run) for run in runs))
        assert {(run.version, run.state.name) for run in after} == {(2, "Late")}

    async def test_expired_pauses_are_ended_once(
        self, apps: Sequence[App], world: World, clock: FakeClock
    ) -> None:
        flow = await world.new_flow()
        runs = await asyncio.gather(*(world.new_run(RUNNING, flow_id=flow.id) for _ in range(150)))
        state = paused()
        state.details.pause_expire_time.FromDatetime(clock.now + timedelta(seconds=30))
        await asyncio.gather(*(world.propose(run, state) for run in runs))
        clock.advance(timedelta(minutes=1))

        ended = await asyncio.gather(*(app.passes.expire_pauses() for app in apps))

        assert sum(ended) == len(runs)
        after = await asyncio.gather(*(world.get(run) for run in runs))
        assert {(run.version, run.state.type) for run in after} == {(3, pb.STATE_TYPE_FAILED)}
