"""The database of a server, before there is a server: found, made, brought up to date."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from headgate_server.cli.outcomes import ExitCode, ProgramError
from headgate_server.model.errors import DatabaseUnavailableError
from headgate_server.settings import Settings
from headgate_server.storage.schema import prepare


def shown(url: str) -> str:
    """Return the URL of a database without its password."""
    return make_url(url).render_as_string(hide_password=True)


def prepared(settings: Settings) -> None:
    """Make sure that a server can start on a database; a SQLite file is made where there is none.

    Raises:
        ProgramError: The database cannot be reached.
        SchemaError: Its schema is not that of this program.
    """
    with reachable(settings):
        make_directory(settings)
        prepare(settings.database)


def make_directory(settings: Settings) -> None:
    """Make the directory of a SQLite file."""
    path = settings.sqlite_path()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def reachable(settings: Settings) -> Iterator[None]:
    """Say in one line what is wrong if the database cannot be reached.

    Raises:
        ProgramError: It cannot.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise ProgramError(
            "PostgreSQL needs a driver: install headgate[postgres].", ExitCode.USAGE
        ) from error
    except (DatabaseUnavailableError, SQLAlchemyError, OSError) as error:
        cause: BaseException = error
        while isinstance(cause, DatabaseUnavailableError | SQLAlchemyError):
            inner = getattr(cause, "orig", None) or cause.__cause__
            if inner is None:
                break
            cause = inner
        raise ProgramError(
            f"Cannot use the database {shown(settings.database)}: {cause}", ExitCode.UNREACHABLE
        ) from error
