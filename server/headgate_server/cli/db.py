"""`headgate db`: looks after the database of a server."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, TypeAlias, TypeVar
from uuid import uuid4

import typer

from headgate_server.app import utc_now
from headgate_server.cli.databases import make_directory, reachable, shown
from headgate_server.cli.examples import examples
from headgate_server.cli.options import span
from headgate_server.cli.outcomes import ExitCode, ProgramError
from headgate_server.cli.output import out, print_json
from headgate_server.metrics import Metrics
from headgate_server.model.retention import Retention, RetentionReport
from headgate_server.model.states import TERMINAL, StateType
from headgate_server.operations.retention import Retaining
from headgate_server.settings import Settings
from headgate_server.storage import events, schema
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.writer import BATCH_SIZE, Writer

T = TypeVar("T")

# fmt: off
DatabaseUrl: TypeAlias = Annotated[str | None, typer.Option("--database", metavar="URL", help="URL of the database, as for `headgate serve`. Default: HEADGATE_DATABASE, else the SQLite file in the user's data directory.", show_default=False)]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
# fmt: on


def terminal_state(text: str) -> StateType:
    """Read the type of a state in which runs end, in upper or lower case."""
    if text.upper() not in TERMINAL:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(sorted(TERMINAL))}.")
    return StateType(text.upper())


app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="rich")


@app.callback()
def db() -> None:
    """Look after the database of a server. Reads the same settings as `headgate serve`."""


@app.command(
    epilog=examples("headgate db upgrade", "headgate db upgrade --database sqlite:///runs.db")
)
def upgrade(*, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Bring the database to the schema that this program needs, all or nothing.

    A SQLite file is made where there is none. Stop the servers of a PostgreSQL
    database first: they go on with the schema they began with.
    """
    settings = _settings(database)
    with reachable(settings):
        make_directory(settings)
        schema.upgrade(settings.database)
    _tell(settings, as_json=as_json, schema_revision=schema.HEAD_REVISION)


@app.command(
    epilog=examples("headgate db status", "headgate db status --database sqlite:///runs.db --json")
)
def status(*, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show which schema the database has and where its log of changes stands.

    Ends with 7 if the schema is not the one that this program needs.
    """
    settings = _settings(database)

    def look(conn: Connection) -> dict[str, Any]:
        schema.check(conn)
        log = events.position(conn)
        return {
            "schema_revision": schema.current_revision(conn),
            "epoch": log.epoch,
            "head_revision": log.revision,
            "oldest_revision": log.oldest_revision,
        }

    _tell(settings, as_json=as_json, **_run(settings, look))


@app.command(
    epilog=examples("headgate db new-epoch", "headgate db new-epoch --database sqlite:///runs.db")
)
def new_epoch(*, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Give the database a new identity, after it was restored from a backup.

    Revisions are then given a second time. Watchers that saw the first must not go
    on as if nothing had happened: with a new identity their positions are refused,
    and they begin anew. Stop the servers of the database first.
    """
    settings = _settings(database)
    epoch = str(uuid4())

    def change(conn: Connection) -> None:
        schema.check(conn)
        events.change_epoch(conn, epoch)

    _run(settings, change)
    _tell(settings, as_json=as_json, epoch=epoch)


@app.command(
    epilog=examples(
        "headgate db retain --older-than 30d --dry-run",
        "headgate db retain --older-than 90d --state completed --state cancelled",
    )
)
def retain(
    *,
    older_than: Annotated[
        timedelta,
        typer.Option(
            parser=span,
            metavar="SPAN",
            help="How long ago a run must have ended, as in 12h or 30d.",
            show_default=False,
        ),
    ],
    state: Annotated[
        list[StateType] | None,
        typer.Option(
            parser=terminal_state,
            metavar="STATE",
            help="Only runs that ended in this state. May be given several times. Default: any.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Delete nothing, and tell what would go.")
    ] = False,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Delete flow runs that ended long ago, with their task runs and subflow runs.

    A run goes with everything under it or not at all: where a subflow run has not
    ended, all of them stay. Servers may go on meanwhile, and watchers are told.
    """
    settings = _settings(database)
    retention = Retention(age=older_than, states=frozenset(state or TERMINAL))
    report = _open(settings, partial(retained, retention=retention, dry_run=dry_run))
    told = {
        "trees": report.trees,
        "flow_runs": report.flow_runs,
        "kept_trees": report.kept_trees,
        "dry_run": dry_run,
    }
    _tell(settings, as_json=as_json, **told)


async def retained(opened: Database, *, retention: Retention, dry_run: bool) -> RetentionReport:
    """Delete what need not be kept, or only tell what would go."""
    await opened.read(schema.check)
    writer = Writer(
        opened,
        clock=utc_now,
        publish=lambda _: None,
        metrics=Metrics(),
        waiting_max=BATCH_SIZE,
    )
    retaining = Retaining(opened, writer, clock=utc_now)
    if dry_run:
        return await retaining.preview(retention)
    writing = asyncio.create_task(writer.run())
    try:
        return await retaining.retain(retention, runs_max=None)
    finally:
        writer.close()
        await writing


def _settings(database: str | None) -> Settings:
    return Settings.read(os.environ, {} if database is None else {"database": database})


def _run(settings: Settings, function: Callable[[Connection], T]) -> T:
    """Run a function of a connection in one transaction, on a database that is there."""
    return _open(settings, lambda opened: opened.write(function))


def _open(settings: Settings, function: Callable[[Database], Awaitable[T]]) -> T:
    """Run a function of a database that is there."""
    path = settings.sqlite_path()
    if path is not None and not path.exists():
        raise ProgramError(f"There is no database at {path} yet.", ExitCode.NOT_FOUND)

    async def run() -> T:
        opened = Database.open(settings.database, readers=1)
        try:
            return await function(opened)
        finally:
            await opened.close()

    with reachable(settings):
        return asyncio.run(run())


def _tell(settings: Settings, *, as_json: bool, **facts: Any) -> None:
    told = {"database": shown(settings.database), **facts}
    if as_json:
        print_json(told)
        return
    for name, fact in told.items():
        out().print(f"{name.replace('_', ' '):<16}{fact}", markup=False)
