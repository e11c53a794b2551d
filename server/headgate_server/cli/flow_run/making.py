"""Making: `create`."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from headgate import ProposedState, StateDetails, StateType
from headgate_server.cli.examples import examples
from headgate_server.cli.options import (
    DEFAULT_TARGET,
    AsJson,
    NewTags,
    Target,
    complete_state,
    connected,
    json_object,
    moment,
    span,
    state_type,
)
from headgate_server.cli.output import err, print_json

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    epilog=examples(
        "headgate flow-run create etl",
        """headgate flow-run create etl --name nightly --parameters '{"day": "2030-01-31"}' --tag prod""",
        "headgate flow-run create etl --at +10m --idempotency-key 2030-01-31 --retries 2 --json",
    )
)
def create(
    flow: Annotated[
        str,
        typer.Argument(
            metavar="FLOW",
            help="The name of the flow; it is created if it is new.",
            show_default=False,
        ),
    ],
    *,
    name: Annotated[
        str, typer.Option(metavar="TEXT", help="The name of the run. Default: two random words.")
    ] = "",
    parameters: Annotated[
        dict[str, Any] | None,
        typer.Option(parser=json_object, metavar="JSON", help="The parameters of the run."),
    ] = None,
    tag: NewTags = None,
    state: Annotated[
        StateType | None,
        typer.Option(
            parser=state_type,
            metavar="STATE",
            autocompletion=complete_state,
            help="The type of the first state. Default: pending, or scheduled with --at.",
        ),
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(
            parser=moment,
            metavar="TIME",
            help="Schedule it for this time, or for a span from now such as +10m.",
        ),
    ] = None,
    idempotency_key: Annotated[
        str,
        typer.Option(
            metavar="KEY", help="Return the run of this flow that has this key, if there is one."
        ),
    ] = "",
    retries: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="How often a failure is tried again.")
    ] = None,
    retry_delay: Annotated[
        timedelta | None,
        typer.Option(parser=span, metavar="SPAN", help="How long to wait before that."),
    ] = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Create a flow run and print its id.

    With --json one object with the members `flow_run`, `created` and `revision`.
    """
    first = state or (StateType.PENDING if at is None else StateType.SCHEDULED)
    with connected(target) as client:
        made = client.flow_runs.create(
            client.flows.create(flow).flow.id,
            name=name,
            state=ProposedState(type=first, details=StateDetails(scheduled_time=at)),
            parameters=parameters,
            tags=tag or (),
            idempotency_key=idempotency_key,
            retries=retries,
            retry_delay=retry_delay,
        )
    if as_json:
        print_json(made)
        return
    print(made.flow_run.id)  # noqa: T201
    verb = "Created" if made.created else "There already is"
    err().print(f"{verb} flow run {made.flow_run.name}: {made.flow_run.state}", markup=False)
