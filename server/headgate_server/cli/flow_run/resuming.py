"""Resuming: `resume`, with an answer from the command line, from a file or from the person at the terminal."""

import sys
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.text import Text

from headgate import JsonObject, ResumeRefusedError, State
from headgate.sync import Client
from headgate_server.cli.asking import ask, show_question
from headgate_server.cli.examples import examples
from headgate_server.cli.fields import read_pairs
from headgate_server.cli.options import (
    DEFAULT_TARGET,
    AsJson,
    AtVersion,
    RunId,
    Target,
    connected,
    json_object,
    json_object_file,
)
from headgate_server.cli.output import err, is_terminal, out, print_json
from headgate_server.cli.questions import read_question

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    epilog=examples(
        "headgate flow-run resume $RUN",
        "headgate flow-run resume $RUN approved=yes note='Looks good.'",
        """headgate flow-run resume $RUN --input '{"approved": true}'""",
        """echo '{"approved": true}' | headgate flow-run resume $RUN --input-file - --json""",
    )
)
def resume(
    run_id: RunId,
    pairs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=VALUE",
            help="Members of the answer, each read as the schema of the pause has it.",
            show_default=False,
        ),
    ] = None,
    *,
    run_input: Annotated[
        dict[str, Any] | None,
        typer.Option("--input", parser=json_object, metavar="JSON", help="The answer."),
    ] = None,
    run_input_file: Annotated[
        dict[str, Any] | None,
        typer.Option(
            "--input-file",
            parser=json_object_file,
            metavar="FILE",
            help="A file with the answer as JSON; - is the standard input.",
        ),
    ] = None,
    expected_version: AtVersion = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Resume a paused or suspended flow run with the answer it waits for.

    Without an answer, the person at the terminal is asked for it, field by field.
    An answer that breaks the schema is refused with the reason, and the run stays
    paused.
    """
    if sum(bool(given) for given in (pairs, run_input is not None, run_input_file is not None)) > 1:
        raise typer.BadParameter("Give the answer in one way: NAME=VALUE, --input or --input-file.")
    answer = run_input if run_input is not None else run_input_file
    with connected(target) as client:
        if answer is None and (pairs or _is_person_there(as_json=as_json)):
            state = _resume_as_asked(client, run_id, pairs or [], expected_version)
        else:
            state = client.flow_runs.resume_flow_run(
                run_id, answer, expected_version=expected_version
            )
    if as_json:
        print_json(state)
    else:
        out().print(str(state), markup=False)


def _is_person_there(*, as_json: bool) -> bool:
    return not as_json and is_terminal(sys.stdin) and is_terminal(sys.stderr)


def _resume_as_asked(
    client: Client, run_id: UUID, pairs: list[str], expected_version: int | None
) -> State:
    """Resume a run with an answer that depends on what it asks."""
    question = read_question(client, client.flow_runs.get(run_id))
    if pairs:
        answer = read_pairs(pairs, question.schema if question else None)
        return client.flow_runs.resume_flow_run(run_id, answer, expected_version=expected_version)
    if question is None:
        return client.flow_runs.resume_flow_run(run_id, expected_version=expected_version)
    console = err()
    show_question(console, question)
    before: JsonObject = {}
    while True:
        before = ask(console, question, before)
        try:
            # Somebody else may answer meanwhile, and another question is not to get this answer.
            return client.flow_runs.resume_flow_run(
                run_id, before, expected_version=question.version
            )
        except ResumeRefusedError as error:
            console.print(Text(str(error), style="bold red"))
