"""What a watcher keeps of what it is told, through breaks too, is in the end what a list shows."""

from random import Random
from typing import Any

import pytest
from sqlalchemy import update

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.operations import related
from headgate_server.storage.tables import DEPLOYMENT
from tests.service.seeds import deployment_of, write
from tests.service.watched import kind_of, told
from tests.service.world import COMPLETED, RUNNING, Watch, World, types

STEPS = 80
FILTERS: dict[str, Any] = {
    "flow_runs": pb.FlowRunFilter(state=pb.StateFilter(type_any=types(RUNNING))),
    "deployments": pb.DeploymentFilter(paused=pb.EqualFilter(eq=True)),
}


class Keeper:
    """A watcher that keeps the ids of what matches, as it is told."""

    def __init__(self, world: World, marker: pb.FlowRun) -> None:
        self.ids: set[str] = set()
        self._world = world
        self._marker = marker
        self._token = ""
        self._revision = 0
        self._watch = self._open()

    def _open(self) -> Watch:
        return self._world.watch(resume_token=self._token, send_initial_state=True, **FILTERS)

    def resume(self) -> None:
        """Leave what was not read, and go on from where it stands."""
        self._watch.cancel()
        self._watch = self._open()

    async def begin(self) -> None:
        """Read what matches now."""
        while await self._read() != "snapshot_complete":
            pass

    async def catch_up(self) -> None:
        """Read until everything that has happened was told."""
        answer = await self._world.propose(self._marker, RUNNING, force=True)
        while self._revision < answer.revision:
            await self._read()

    async def _read(self) -> str:
        message = await self._watch.next()
        self._revision, self._token = message.revision, message.resume_token
        match kind := kind_of(message):
            case "snapshot" | "state_change":
                self.ids.add(told(message).id)
            case "left_filter" | "deleted":
                self.ids.discard(told(message).id)
        return kind


async def pause(app: App, deployment_id: str, *, is_paused: bool) -> None:
    """Pause a deployment or let it go on, behind the back of every watch."""
    pick = DEPLOYMENT.c.id == deployment_id
    statement = update(DEPLOYMENT).where(pick).values(is_paused=int(is_paused))
    await write(app, lambda conn: conn.execute(statement))


@pytest.mark.parametrize("remembered", [3, 1000], ids=["a short memory", "a long memory"])
@pytest.mark.parametrize("seed", range(3))
async def test_a_watcher_by_relations_keeps_what_a_list_shows(
    app: App, world: World, monkeypatch: pytest.MonkeyPatch, seed: int, remembered: int
) -> None:
    monkeypatch.setattr(related, "REMEMBERED_MAX", remembered)
    draw = Random(seed)  # noqa: S311  the same each time
    flow = await world.new_flow()
    paused, *others = [await deployment_of(app, flow.id) for _ in range(4)]
    await pause(app, paused, is_paused=True)
    marker = await world.new_run(flow_id=flow.id, deployment_id=paused)
    runs = [
        await world.new_run(RUNNING, flow_id=flow.id, deployment_id=draw.choice([*others, None]))
        for _ in range(8)
    ]
    keeper = Keeper(world, marker)
    await keeper.begin()

    for _ in range(STEPS):
        match draw.randrange(8):
            case 0:
                keeper.resume()
            case 1:
                await keeper.catch_up()
            case 2 | 3:
                await pause(app, draw.choice(others), is_paused=draw.random() < 0.5)
            case _:
                state = draw.choice([RUNNING, RUNNING, COMPLETED])
                await world.propose(draw.choice(runs), state, force=True)
    await world.delete(runs.pop())
    for run in runs:
        await world.propose(run, draw.choice([RUNNING, COMPLETED]), force=True)
    await keeper.catch_up()

    assert keeper.ids == {run.id for run in await world.listed(**FILTERS)}
