"""What drivers raise, as refusals of ours. Their texts stay in the chain for the log and are never sent."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from headgate_server.model.conflicts import DataConflictError
from headgate_server.model.errors import DatabaseUnavailableError

_CONFLICTS: Final = frozenset({"23"})
"""PostgreSQL: a constraint was violated."""
_UNDONE: Final = frozenset({"40001", "40P01"})
"""PostgreSQL: a transaction that came in another's way, or waited for it in a circle, was undone and may be repeated."""
_PASSING: Final = frozenset({"08", "28", "3D", "53", "57"})
"""PostgreSQL: connection trouble, a role or a database that is not there, resources and operator intervention; once somebody has
seen to it, the same statement may succeed."""


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what drivers raise into refusals of ours.

    Raises:
        DataConflictError: A constraint was violated, or two servers waited for each other; nothing was written.
        DatabaseUnavailableError: The database did not answer, or not in time.
    """
    try:
        yield
    except (IntegrityError, sqlite3.IntegrityError) as error:
        raise DataConflictError from error
    except (
        OperationalError,
        InterfaceError,
        PoolTimeoutError,
        sqlite3.OperationalError,
        OSError,
    ) as error:
        raise DatabaseUnavailableError from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailableError from error
        _translate(error.orig, error)
        raise
    except Exception as error:
        # The driver of PostgreSQL is optional and cannot be named; where it is asked directly, its errors come as they are.
        if type(error).__module__.startswith("asyncpg"):
            _translate(error, error)
        raise


def _translate(original: BaseException | None, error: Exception) -> None:
    """Raise the refusal that an error of PostgreSQL stands for, if it stands for one."""
    state = getattr(original, "sqlstate", None)
    if state is None or state[:2] in _PASSING:
        # The driver's own complaints have no state: the connection is closed, or about to be.
        raise DatabaseUnavailableError from error
    if state in _UNDONE or state[:2] in _CONFLICTS:
        raise DataConflictError from error
