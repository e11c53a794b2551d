"""`headgate top`: a live view of what a server keeps."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer
from rich.live import Live

from headgate import Client, FlowRunFilter, ServerUnreachableError, StateFilter, StateType
from headgate_server.cli.examples import examples
from headgate_server.cli.options import DEFAULT_TARGET, AsJson, Target, span
from headgate_server.cli.output import is_terminal, print_json
from headgate_server.cli.overview import Overview, QueueFacts, lines, view

app = typer.Typer(add_completion=False, rich_markup_mode="rich")

_TYPES: Final = tuple(kind for kind in StateType if kind is not StateType.UNKNOWN)
_LATE: Final = FlowRunFilter(state=StateFilter(name_any=["Late"]))
_INTERVAL: Final = timedelta(seconds=10)
_QUEUES: Final = 20
"""Queues that are shown at most: each is asked for by a call of its own."""
_FRAMES: Final = 4
"""How often a second the view is drawn."""


@app.command(epilog=examples("headgate top", "headgate top --once", "headgate top --once --json"))
def top(
    *,
    interval: Annotated[
        timedelta | None,
        typer.Option(
            parser=span,
            metavar="SPAN",
            help="Count anew so often. Default: 10s. What changes in between is followed as it happens.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Show how things stand, and end.")] = False,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Show runs by state, late runs, changes, work queues and watches, live until Ctrl-C.

    Between two countings the numbers follow the watch, so they move as runs do.
    Where nobody looks, as in a pipe, each count is printed as it is made; with --json as one object.
    """
    interval = interval or _INTERVAL
    if interval < timedelta(seconds=1):
        raise typer.BadParameter("--interval must be at least 1s.")
    if once:
        asyncio.run(_once(target, as_json=as_json))
    elif as_json or not is_terminal(sys.stdout):
        asyncio.run(_follow(target, interval, _printer(as_json=as_json)))
    else:
        with Live(refresh_per_second=_FRAMES, screen=True) as live:

            def show(overview: Overview) -> None:
                live.update(view(overview, datetime.now(UTC)))

            asyncio.run(_follow(target, interval, show, frame=1 / _FRAMES))


def _printer(*, as_json: bool) -> Callable[[Overview], None]:
    """Return what prints each count once."""
    last = datetime.min.replace(tzinfo=UTC)

    def show(overview: Overview) -> None:
        nonlocal last
        if overview.counted_at == last:
            return
        last = overview.counted_at
        if as_json:
            print_json(overview.facts())
        else:
            print("\n".join(lines(overview)), flush=True)  # noqa: T201

    return show


async def _once(target: str, *, as_json: bool) -> None:
    async with Client(target) as client:
        overview = Overview(target)
        await _count(client, overview)
    _printer(as_json=as_json)(overview)


async def _follow(
    target: str, interval: timedelta, show: Callable[[Overview], None], frame: float | None = None
) -> None:
    """Show how things stand and go on, until cancelled."""
    async with Client(target) as client:
        overview = Overview(target)
        await _count(client, overview)
        show(overview)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_watch(client, overview))
            tasks.create_task(_count_again(client, overview, interval, show))
            if frame is not None:
                tasks.create_task(_draw(overview, show, frame))


async def _watch(client: Client, overview: Overview) -> None:
    """Follow every change."""
    async with aclosing(client.flow_runs.watch_flow_runs(latest_only=False)) as events:
        async for event in events:
            overview.take(event, datetime.now(UTC))


async def _count_again(
    client: Client, overview: Overview, interval: timedelta, show: Callable[[Overview], None]
) -> None:
    """Count anew now and then. A server that is away for a while is waited for."""
    while True:
        await asyncio.sleep(interval.total_seconds())
        try:
            await _count(client, overview)
        except ServerUnreachableError:
            overview.is_stale = True
        show(overview)


async def _draw(overview: Overview, show: Callable[[Overview], None], frame: float) -> None:
    while True:
        show(overview)
        await asyncio.sleep(frame)


async def _count(client: Client, overview: Overview) -> None:
    """Count everything."""
    runs = client.flow_runs
    numbers = await asyncio.gather(
        runs.count(flow_runs=_LATE),
        *(
            runs.count(flow_runs=FlowRunFilter(state=StateFilter(type_any=[kind])))
            for kind in _TYPES
        ),
    )
    info = await client.server.get_info()
    queues = await _queues(client)
    overview.set_counts(
        dict(zip(_TYPES, numbers[1:], strict=True)),
        late=numbers[0],
        watches=info.watch_count,
        queues=queues,
        now=datetime.now(UTC),
    )


async def _queues(client: Client) -> list[QueueFacts]:
    """Read the queues of all pools, with how well they are served."""
    found: list[QueueFacts] = []
    async for queue in client.work_queues.iterate(page_size=_QUEUES):
        if len(found) >= _QUEUES:
            break
        found.append(QueueFacts.of(await client.work_queues.get_status(queue.id)))
    return found
