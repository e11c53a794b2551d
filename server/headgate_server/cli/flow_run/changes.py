"""Changes: `cancel`, `set-state` and `delete`."""

import sys
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from headgate import NewFlowRunInput, ProposedState, StateDetails, StateType, VerdictStatus
from headgate_server.cli import words
from headgate_server.cli.examples import examples
from headgate_server.cli.options import (
    DEFAULT_TARGET,
    AsJson,
    AtVersion,
    RunId,
    RunIds,
    Target,
    complete_state,
    connected,
    json_value,
    moment,
    state_type,
)
from headgate_server.cli.outcomes import ExitCode
from headgate_server.cli.output import err, is_terminal, out, print_json

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    epilog=examples(
        "headgate flow-run cancel $RUN",
        "headgate flow-run cancel $RUN --message 'No longer needed.'",
    )
)
def cancel(
    run_id: RunId,
    *,
    message: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for a person.")] = None,
    expected_version: AtVersion = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Ask for a flow run to stop. What no process works on is cancelled at once."""
    with connected(target) as client:
        state = client.flow_runs.cancel_flow_run(
            run_id, message=message, expected_version=expected_version
        )
    if as_json:
        print_json(state)
    else:
        out().print(str(state), markup=False)


def new_input(text: str) -> NewFlowRunInput:
    """Read `KEY=JSON`."""
    key, mark, value = text.partition("=")
    if not mark:
        raise typer.BadParameter(f"{text!r} is not KEY=JSON.")
    return NewFlowRunInput(key=key, value=json_value(value))


@app.command(
    "set-state",
    epilog=examples(
        "headgate flow-run set-state $RUN running",
        """headgate flow-run set-state $RUN completed --message 'All done.' --data '{"rows": 7}'""",
        "headgate flow-run set-state $RUN scheduled --name AwaitingRetry --at +5m --force",
    ),
)
def set_state(
    run_id: RunId,
    state: Annotated[
        StateType,
        typer.Argument(
            parser=state_type,
            metavar="STATE",
            autocompletion=complete_state,
            help="The type of the state, as in running.",
            show_default=False,
        ),
    ],
    *,
    name: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="The name of the state. Default: that of its type."),
    ] = None,
    message: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What a person should know about it.")
    ] = None,
    data: Annotated[
        Any, typer.Option(parser=json_value, metavar="JSON", help="The result of the run.")
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(
            parser=moment,
            metavar="TIME",
            help="For scheduled: when, or how far from now as in +10m.",
        ),
    ] = None,
    inputs: Annotated[
        list[NewFlowRunInput] | None,
        typer.Option(
            "--input",
            parser=new_input,
            metavar="KEY=JSON",
            help="An input to create with the state. May be given several times.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write the state without asking the rules. For repairs.")
    ] = False,
    expected_version: AtVersion = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Propose a state for a flow run, and show what the rules say to it.

    Ends with 1 unless the state was written. With --json the verdict: `status`,
    `state`, `version`, `reason`, `delay`, `created` and `revision`.
    """
    details = StateDetails(scheduled_time=at)
    proposed = ProposedState(type=state, name=name, message=message, data=data, details=details)
    with connected(target) as client:
        verdict = client.flow_runs.set_state(
            run_id,
            proposed,
            force=force,
            expected_version=expected_version,
            inputs=inputs or (),
        )
    if as_json:
        print_json(verdict)
    else:
        style = "green" if verdict.is_accepted else "bold red"
        told = Text.assemble((verdict.status, style), "  ", words.state_name(verdict.state))
        told.append(f" v{verdict.version}")
        told.append(f"  {verdict.reason}" if verdict.reason else "")
        if verdict.status is VerdictStatus.WAIT and verdict.delay is not None:
            told.append(f"  propose it again in {words.span(verdict.delay)}")
        out().print(told)
    if not verdict.is_accepted:
        raise typer.Exit(ExitCode.REFUSED)


@app.command(epilog=examples("headgate flow-run delete $RUN $OTHER_RUN --yes"))
def delete(
    run_ids: RunIds,
    *,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask. Nobody is asked without a terminal.")
    ] = False,
    expected_version: AtVersion = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Delete flow runs with their states and inputs, in whatever state they are.

    With --json an object for each run: `flow_run_id` and `revision`.
    """
    what = "this flow run" if len(run_ids) == 1 else f"these {len(run_ids)} flow runs"
    if (
        not (yes or as_json)
        and is_terminal(sys.stdin)
        and not typer.confirm(f"Delete {what}?", err=True)
    ):
        raise typer.Exit(ExitCode.REFUSED)
    with connected(target) as client:
        for run_id in run_ids:
            revision = client.flow_runs.delete(run_id, expected_version=expected_version)
            if as_json:
                print_json({"flow_run_id": run_id, "revision": revision})
            else:
                err().print(f"Deleted {run_id}", markup=False)
