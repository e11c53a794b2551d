"""Pausing: `pause` and `suspend`."""

from datetime import timedelta
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import typer

from headgate import State
from headgate.sync import Client
from headgate_server.cli.examples import examples
from headgate_server.cli.options import (
    DEFAULT_TARGET,
    AsJson,
    AtVersion,
    RunId,
    Target,
    connected,
    json_object_or_file,
    span,
)
from headgate_server.cli.output import err, out, print_json

app = typer.Typer(rich_markup_mode="rich")

_HOUR: Final = timedelta(hours=1)

# fmt: off
_Schema: TypeAlias = Annotated[dict[str, Any] | None, typer.Option("--schema", parser=json_object_or_file, metavar="JSON|FILE", help="What an answer must look like, a JSON schema. Without one no answer is asked for.")]
_Description: TypeAlias = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What a person is asked. Needs --schema.")]
_Key: TypeAlias = Annotated[str | None, typer.Option("--key", metavar="KEY", help="Names the pause, which a run makes once for each key. Default: a key of its own.")]
_Timeout: TypeAlias = Annotated[timedelta | None, typer.Option("--timeout", parser=span, metavar="SPAN", help="How long until it expires and the run fails. Default: 1h.")]
_Forever: TypeAlias = Annotated[bool, typer.Option("--no-timeout", help="Let it never expire.")]
_Wait: TypeAlias = Annotated[bool, typer.Option("--wait", help="Wait until the run is resumed, and print the answer as JSON.")]
# fmt: on


@app.command(
    epilog=examples(
        "headgate flow-run pause $RUN",
        """headgate flow-run pause $RUN --key approval --description 'Ship it?' --schema """
        """'{"type": "object", "properties": {"ship": {"type": "boolean"}}, "required": ["ship"]}'""",
    )
)
def pause(
    run_id: RunId,
    *,
    schema: _Schema = None,
    description: _Description = None,
    key: _Key = None,
    timeout: _Timeout = None,
    forever: _Forever = False,
    expected_version: AtVersion = None,
    wait: _Wait = False,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Pause a running flow run in place. Its process stays and waits to be resumed.

    The schema and the question are there as soon as the run is paused.
    """
    with connected(target) as client:
        state = client.flow_runs.pause_flow_run(
            run_id,
            key=key,
            timeout=_length(timeout, forever=forever),
            schema=schema,
            description=description,
            expected_version=expected_version,
        )
        _tell(client, run_id, state, is_waiting=wait, as_json=as_json)


@app.command(epilog=examples("headgate flow-run suspend $RUN --key night --timeout 12h"))
def suspend(
    run_id: RunId,
    *,
    schema: _Schema = None,
    description: _Description = None,
    key: _Key = None,
    timeout: _Timeout = None,
    forever: _Forever = False,
    expected_version: AtVersion = None,
    wait: _Wait = False,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Suspend a running flow run of a deployment. Its process ends; resuming schedules it anew."""
    with connected(target) as client:
        state = client.flow_runs.suspend_flow_run(
            run_id,
            key=key,
            timeout=_length(timeout, forever=forever),
            schema=schema,
            description=description,
            expected_version=expected_version,
        )
        _tell(client, run_id, state, is_waiting=wait, as_json=as_json)


def _length(timeout: timedelta | None, *, forever: bool) -> timedelta | None:
    """Return how long a pause lasts at most."""
    if forever:
        if timeout is not None:
            raise typer.BadParameter("--timeout and --no-timeout exclude each other.")
        return None
    return _HOUR if timeout is None else timeout


def _tell(client: Client, run_id: UUID, state: State, *, is_waiting: bool, as_json: bool) -> None:
    """Print the state of the pause, or the answer that ends it."""
    if not is_waiting:
        if as_json:
            print_json(state)
        else:
            out().print(str(state), markup=False)
        return
    err().print(f"{state}; waiting for: headgate flow-run resume {run_id}", markup=False)
    print_json(client.flow_runs.wait_for_resume(run_id, key=state.details.pause_key))
