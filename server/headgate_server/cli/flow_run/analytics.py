"""Analytics: `graph` and `history`."""

import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.text import Text

from headgate import FlowRunGraph, FlowRunView, GraphNodeKind
from headgate.sync import Client
from headgate_server.cli import chart, lanes, words
from headgate_server.cli.examples import examples
from headgate_server.cli.filters import flow_filter, flow_run_filter
from headgate_server.cli.options import (
    DEFAULT_TARGET,
    AsJson,
    FlowNames,
    NamePart,
    RunId,
    States,
    Tags,
    Target,
    connected,
    moment,
    span,
)
from headgate_server.cli.output import is_terminal, out, print_json

app = typer.Typer(rich_markup_mode="rich")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ROWS: Final = 30
"""How many intervals a time is cut into at most unless told otherwise."""
_INTERVALS_MAX: Final = 500
"""What a server tells at most."""
_INTERVALS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600)
) + tuple(timedelta(days=days) for days in (0.5, 1, 2, 7, 14, 28, 56, 112, 364))
"""The intervals that are chosen from."""


@app.command(
    epilog=examples(
        "headgate flow-run graph $RUN",
        "headgate flow-run graph $RUN --deep",
        "headgate flow-run graph $RUN --since -5m --json",
    )
)
def graph(
    run_id: RunId,
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also draw what subflow runs did, all the way down.")
    ] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=moment,
            metavar="TIME",
            help="Leave out what ended before this time: RFC 3339, or a span from now such as -5m.",
        ),
    ] = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Draw what a flow run did: its tasks and subflow runs, what waited for what, and when.

    Each hangs under the last of those that it waited for. A bar of full blocks has
    ended, ▓ goes on, ░ waits; ▸ marks a subflow run.

    With --json one graph, with --deep those of the subflow runs after it.
    """
    with connected(target) as client:
        graphs = _read(client, run_id, since, is_deep=deep)
        if as_json:
            for each in graphs.values():
                print_json(each)
            return
        run = client.flow_runs.get(run_id, view=FlowRunView.BASIC)
    console = out()
    took = f"  {words.span(run.estimated_run_time)}" if run.estimated_run_time else ""
    console.print(Text.assemble(words.run_label(run), "  ", words.state_name(run.state), took))
    lines = list(lanes.draw(graphs, run_id, datetime.now(UTC), _width()))
    for line in lines or [Text("No task of it has begun.", style="dim")]:
        console.print(line)


def _read(
    client: Client, run_id: UUID, since: datetime | None, *, is_deep: bool
) -> dict[UUID, FlowRunGraph]:
    """Return the graph of a run, and those of the subflow runs in it if they are wanted."""
    graphs: dict[UUID, FlowRunGraph] = {}
    ahead = [run_id]
    for each in ahead:
        graphs[each] = client.flow_runs.get_graph(each, since=since)
        if is_deep:
            nodes = graphs[each].nodes
            ahead += [node.id for node in nodes if node.kind is GraphNodeKind.FLOW_RUN]
    return graphs


@app.command(
    epilog=examples(
        "headgate flow-run history",
        "headgate flow-run history --last 7d --interval 1d --flow etl",
        "headgate flow-run history --until +1h --last 2h --state failed --json",
    )
)
def history(
    *,
    last: Annotated[
        timedelta,
        typer.Option(parser=span, metavar="SPAN", help="How far to look back, as in 2h or 7d."),
    ] = "1d",  # type: ignore[assignment]  # read by the parser
    until: Annotated[
        datetime,
        typer.Option(
            parser=moment,
            metavar="TIME",
            help="Until when: RFC 3339, or a span from now such as +1h.",
        ),
    ] = "+0s",  # type: ignore[assignment]  # read by the parser
    interval: Annotated[
        timedelta | None,
        typer.Option(
            parser=span,
            metavar="SPAN",
            help="How long each interval is. Chosen so that there are a few if not given.",
            show_default=False,
        ),
    ] = None,
    flow: FlowNames = None,
    state: States = None,
    name: NamePart = None,
    tag: Tags = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Chart how many flow runs were expected to start when, by the states that they are in now.

    Intervals begin at round times, so the first one may begin a little earlier. With --json
    one interval a line.
    """
    start, end, step = _times(last, until, interval)
    with connected(target) as client:
        intervals = client.flow_runs.get_history(
            start, end, step, flows=flow_filter(flow), flow_runs=flow_run_filter(state, name, tag)
        )
    if as_json:
        for each in intervals:
            print_json(each)
        return
    console = out()
    for line in chart.draw(intervals, _width()):
        console.print(line)
    console.print(chart.summary(intervals))


def _times(
    last: timedelta, until: datetime, interval: timedelta | None
) -> tuple[datetime, datetime, timedelta]:
    """Return when the first interval begins, when the last one ends, and how long each is."""
    if interval is None:
        interval = next((each for each in _INTERVALS if each * _ROWS >= last), _INTERVALS[-1])
    if interval < _INTERVALS[0]:
        raise typer.BadParameter("must be at least a second.", param_hint="--interval")
    try:
        first = (until - last - _EPOCH) // interval
        end = -((_EPOCH - until) // interval)  # rounded up
        start_time, end_time = _EPOCH + first * interval, _EPOCH + end * interval
    except OverflowError:
        raise typer.BadParameter("is before all times.", param_hint="--last") from None
    if end - first > _INTERVALS_MAX:
        raise typer.BadParameter(
            f"makes {end - first} intervals; there may be {_INTERVALS_MAX}.",
            param_hint="--interval",
        )
    return start_time, end_time, interval


def _width() -> int | None:
    """Return how wide a line may be: as wide as the terminal, if there is one."""
    return Console().width if is_terminal(sys.stdout) else None
