"""`headgate flow`: flows from a shell."""

from itertools import islice
from typing import Annotated

import typer

from headgate import FlowFilter, FlowSort, NameFilter, TagsFilter
from headgate_server.cli import words
from headgate_server.cli.examples import examples
from headgate_server.cli.options import DEFAULT_TARGET, AsJson, NewTags, Target, connected
from headgate_server.cli.output import err, print_json, print_table

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="rich")

_PAGE = 1000


@app.callback()
def flow() -> None:
    """List and create flows, the workflows that runs belong to."""


@app.command(epilog=examples("headgate flow ls", "headgate flow ls --name etl --json"))
def ls(
    *,
    name: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only flows whose name contains this text, in any case."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAG", help="Only flows with this tag. Given several times: with all of them."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Show so many at most.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="Show all that match.")] = False,
    sort: Annotated[
        FlowSort,
        typer.Option(
            case_sensitive=False, metavar="ORDER", help="The order: " + ", ".join(FlowSort)
        ),
    ] = FlowSort.NAME_ASC,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """List flows by name."""
    matching = FlowFilter(
        name=NameFilter(like=name) if name else None, tags=TagsFilter(all=tag) if tag else None
    )
    with connected(target) as client:
        page_size = _PAGE if everything else min(limit, _PAGE)
        found = iter(client.flows.iterate(matching, sort=sort, page_size=page_size))
        flows = list(found if everything else islice(found, limit))
    if as_json:
        for each in flows:
            print_json(each)
        return
    print_table(
        ("ID", "NAME", "TAGS", "CREATED"),
        [
            (str(each.id), each.name, ", ".join(each.tags), words.moment(each.create_time))
            for each in flows
        ],
    )


@app.command(epilog=examples("headgate flow create etl --tag nightly"))
def create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The name of the flow.", show_default=False)
    ],
    *,
    tag: NewTags = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Create a flow, or find the one that has the name, and print its id.

    With --json one object with the members `flow` and `created`.
    """
    with connected(target) as client:
        made = client.flows.create(name, tags=tag or ())
    if as_json:
        print_json(made)
        return
    print(made.flow.id)  # noqa: T201
    verb = "Created" if made.created else "There already is"
    err().print(f"{verb} flow {made.flow.name}", markup=False)
