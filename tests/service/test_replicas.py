"""Servers that follow one another, or share one PostgreSQL: what one acknowledged, all others know."""

import asyncio

import pytest

from headgate import v1 as pb
from tests.fakes import FakeClock
from tests.service import tasks
from tests.service.pauses import ANSWER, answer_of, asked
from tests.service.replicas import replicas, served
from tests.service.watched import watch_task_runs
from tests.service.world import (
    ACCEPT,
    COMPLETED,
    PENDING,
    RUNNING,
    Watch,
    World,
    scheduled_for,
    texts,
)


async def begun(world: World, run: pb.FlowRun) -> Watch:
    """Return a watch that has begun."""
    watch = world.watch(flow_run_ids=[run.id], send_initial_state=True)
    await watch.take(2)
    return watch


def versions(messages: list[pb.WatchFlowRunsResponse]) -> list[int]:
    return [message.state_change.state.version for message in messages]


class TestOneAfterTheOther:
    async def test_watches_go_on_at_the_next_server(
        self, database_url: str, clock: FakeClock
    ) -> None:
        async with served(database_url, clock) as (_, world):
            run = await world.new_run()
            watch = await begun(world, run)
            await world.propose(run, RUNNING)
            token = (await watch.next("state_change")).resume_token
            await world.propose(run, RUNNING)

        async with served(database_url, clock) as (_, world):
            await world.propose(run, COMPLETED)
            again = world.watch(flow_run_ids=[run.id], resume_token=token)

            assert versions(await again.take(2)) == [3, 4]

    async def test_watches_of_task_runs_go_on_at_the_next_server(
        self, database_url: str, clock: FakeClock
    ) -> None:
        async with served(database_url, clock) as (_, world):
            task_run = await tasks.new_task_run(world)
            watch = watch_task_runs(world, task_run_ids=[task_run.id], send_initial_state=True)
            token = (await watch.take(2))[-1].resume_token
            await tasks.propose(world, task_run, RUNNING)

        async with served(database_url, clock) as (_, world):
            await tasks.propose(world, task_run, COMPLETED)
            again = watch_task_runs(world, task_run_ids=[task_run.id], resume_token=token)

            seen = await again.take(2)
            assert [message.task_state_change.state.version for message in seen] == [2, 3]

    async def test_what_was_acknowledged_is_there(
        self, database_url: str, clock: FakeClock
    ) -> None:
        async with served(database_url, clock) as (_, world):
            run = await asked(world)
            before = await world.server.GetServerInfo(pb.GetServerInfoRequest())

        async with served(database_url, clock) as (_, world):
            after = await world.server.GetServerInfo(pb.GetServerInfoRequest())
            answer = await world.resume(run, ANSWER)

            assert after == before
            assert answer.status == ACCEPT
            assert await answer_of(world, run) == ANSWER

    async def test_pages_go_on_at_the_next_server(
        self, database_url: str, clock: FakeClock
    ) -> None:
        async with served(database_url, clock) as (_, world):
            runs = [await world.new_run() for _ in range(3)]
            request = pb.ListFlowRunsRequest(page_size=1)
            page = await world.runs.ListFlowRuns(request)

        async with served(database_url, clock) as (_, world):
            rest = await world.listed(page_token=page.next_page_token)

            assert [run.id for run in rest] == [runs[1].id, runs[0].id]


class TestSideBySide:
    @pytest.fixture
    def database_url(self, postgresql_url: str) -> str:
        """Return a database that several servers can share."""
        return postgresql_url

    async def test_a_change_at_one_is_seen_at_the_other(
        self, database_url: str, clock: FakeClock
    ) -> None:
        async with replicas(2, database_url, clock) as ((_, here), (_, there)):
            run = await here.new_run()
            watch = await begun(there, run)

            answers = [await here.propose(run, RUNNING) for _ in range(3)]

            seen = await watch.take(3)
            assert [message.revision for message in seen] == [each.revision for each in answers]

    async def test_a_change_of_a_task_run_at_one_is_seen_at_the_other(
        self, database_url: str, clock: FakeClock
    ) -> None:
        async with replicas(2, database_url, clock) as ((_, here), (_, there)):
            run = await here.new_run(RUNNING)
            watch = watch_task_runs(there, flow_run_ids=[run.id], send_initial_state=True)
            await watch.next("snapshot_complete")

            task_run = await tasks.new_task_run(here, run)
            answers = [
                await tasks.propose(world, task_run, PENDING) for world in (here, there, here)
            ]

            seen = await watch.take(4)
            assert [message.task_state_change.state.version for message in seen] == [1, 2, 3, 4]
            assert [message.revision for message in seen[1:]] == [each.revision for each in answers]

    async def test_a_watch_of_task_runs_goes_on_at_the_other_and_asks_it_for_relations(
        self, database_url: str, clock: FakeClock
    ) -> None:
        blue = pb.FlowRunFilter(tags=pb.TagsFilter(all=texts("blue")))
        async with replicas(2, database_url, clock) as ((_, here), (_, there)):
            run = await here.new_run(RUNNING, tags=["blue"])
            task_run = await tasks.new_task_run(here, run)
            watch = watch_task_runs(here, flow_runs=blue, send_initial_state=True)
            token = (await watch.take(2))[-1].resume_token
            await tasks.new_task_run(here)
            await tasks.propose(here, task_run, RUNNING)

            again = watch_task_runs(there, flow_runs=blue, resume_token=token)

            message = await again.next("task_state_change")
            assert message.task_state_change.task_run.id == task_run.id

    async def test_a_token_of_one_is_good_at_the_other(
        self, database_url: str, clock: FakeClock
    ) -> None:
        async with replicas(2, database_url, clock) as ((_, here), (_, there)):
            run = await here.new_run()
            watch = await begun(here, run)
            await here.propose(run, RUNNING)
            token = (await watch.next("state_change")).resume_token
            await here.propose(run, RUNNING)

            again = there.watch(flow_run_ids=[run.id], resume_token=token)

            assert versions(await again.take(1)) == [3]

    async def test_a_read_at_one_is_not_older_than_a_write_at_the_other(
        self, database_url: str, clock: FakeClock
    ) -> None:
        async with replicas(2, database_url, clock) as ((_, here), (_, there)):
            run = await here.new_run()
            for _ in range(5):
                answer = await here.propose(run, RUNNING)
                request = pb.GetFlowRunRequest(flow_run_id=run.id, min_revision=answer.revision)
                read = await there.runs.GetFlowRun(request)
                assert read.flow_run.version == answer.version

    async def test_many_that_write_at_both_leave_no_gap(
        self, database_url: str, clock: FakeClock
    ) -> None:
        async with replicas(2, database_url, clock) as ((_, here), (_, there)):
            flow = await here.new_flow()
            runs = [await here.new_run(flow_id=flow.id) for _ in range(5)]
            watch = there.watch(send_initial_state=True)
            await watch.take(6)

            answers = await asyncio.gather(
                *(
                    world.propose(run, RUNNING)
                    for run in runs
                    for world in (here, there)
                    for _ in range(10)
                )
            )

            assert {answer.status for answer in answers} == {ACCEPT}
            seen = await watch.take(100)
            revisions = [message.revision for message in seen]
            assert revisions == sorted(set(revisions))
            for run in runs:
                of_run = [m for m in seen if m.state_change.flow_run.id == run.id]
                assert versions(of_run) == list(range(2, 22))
                states = await here.states(run)
                assert [state.version for state in states] == list(range(1, 22))
                times = [(state.timestamp.seconds, state.timestamp.nanos) for state in states]
                assert times == sorted(set(times))

    async def test_of_all_that_ask_for_a_run_one_gets_it(
        self, database_url: str, clock: FakeClock
    ) -> None:
        async with replicas(2, database_url, clock) as ((_, here), (_, there)):
            for _ in range(5):
                run = await here.new_run(scheduled_for(clock()))

                answers = await asyncio.gather(
                    *(world.propose(run, PENDING) for world in (here, there) for _ in range(4))
                )

                assert sum(answer.status == ACCEPT for answer in answers) == 1

    async def test_a_name_and_a_key_are_taken_once(
        self, database_url: str, clock: FakeClock
    ) -> None:
        async with replicas(2, database_url, clock) as servers:
            worlds = [world for _, world in servers] * 4

            flows = await asyncio.gather(
                *(world.flows.CreateFlow(pb.CreateFlowRequest(name="etl")) for world in worlds)
            )
            request = pb.CreateFlowRunRequest(flow_id=flows[0].flow.id, idempotency_key="key")
            runs = await asyncio.gather(*(world.runs.CreateFlowRun(request) for world in worlds))

            assert [sum(each.created for each in answers) for answers in (flows, runs)] == [1, 1]
            assert len({each.flow.id for each in flows}) == 1
            assert len({each.flow_run.id for each in runs}) == 1
