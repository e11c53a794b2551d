"""Task runs and their states, as rows. The hot path: every statement is over many rows at once."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from headgate_server.model.states import State, StateType
from headgate_server.model.task_runs import TaskRun
from headgate_server.storage.bulk import (
    BulkDelete,
    BulkInsert,
    BulkLookup,
    BulkSelect,
    BulkSelectTuples,
    BulkUpdate,
    BulkUpdateAndInsert,
    Row,
)
from headgate_server.storage.state_rows import state_row, without_data
from headgate_server.storage.tables import TASK_RUN, TASK_RUN_STATE, TASK_RUN_TAG
from headgate_server.storage.times import to_micros, to_span_micros

Key = tuple[str, str, str]
"""A flow run id, a task key and a dynamic key."""

_ENCODE: Final = msgspec.json.Encoder().encode
decode_task_run: Final = msgspec.json.Decoder(TaskRun).decode
_CHANGING: Final = (
    TASK_RUN.c.version,
    TASK_RUN.c.edition,
    TASK_RUN.c.name,
    TASK_RUN.c.state_type,
    TASK_RUN.c.state_name,
    TASK_RUN.c.expected_start_time,
    TASK_RUN.c.next_scheduled_start_time,
    TASK_RUN.c.start_time,
    TASK_RUN.c.end_time,
    TASK_RUN.c.total_run_time,
    TASK_RUN.c.running_since,
    TASK_RUN.c.body,
)
_FIXED: Final = (
    TASK_RUN.c.id,
    TASK_RUN.c.flow_run_id,
    TASK_RUN.c.task_key,
    TASK_RUN.c.dynamic_key,
    TASK_RUN.c.has_tags,
)
_INSERT: Final = BulkInsert(*_CHANGING, *_FIXED)
_UPDATE: Final = BulkUpdate(TASK_RUN.c.id, TASK_RUN.c.edition, *_CHANGING)
_UPDATE_WITH_STATES: Final = BulkUpdateAndInsert(_UPDATE, *TASK_RUN_STATE.c)
_DELETE: Final = BulkDelete(TASK_RUN.c.id, TASK_RUN.c.edition)
_INSERT_TAGS: Final = BulkInsert(
    TASK_RUN_TAG.c.task_run_id, TASK_RUN_TAG.c.tag, ignore_conflicts=True
)
_INSERT_STATES: Final = BulkInsert(*TASK_RUN_STATE.c)
_LOAD: Final = BulkSelect(select(TASK_RUN.c.id, TASK_RUN.c.edition, TASK_RUN.c.body), TASK_RUN.c.id)
_BASIC: Final = BulkSelect(select(TASK_RUN.c.id, TASK_RUN.c.body), TASK_RUN.c.id)
_EDITIONS: Final = BulkSelect(select(TASK_RUN.c.id, TASK_RUN.c.edition), TASK_RUN.c.id)
# In the order of ids, so that two servers never wait for each other.
_LOCK: Final = BulkSelect(
    select(TASK_RUN.c.id).order_by(TASK_RUN.c.id).with_for_update(), TASK_RUN.c.id
)
_LOCK_BY_FLOW_RUN: Final = BulkSelect(
    select(TASK_RUN.c.body).order_by(TASK_RUN.c.id).with_for_update(), TASK_RUN.c.flow_run_id
)
_BY_KEY: Final = BulkSelectTuples(
    select(TASK_RUN.c.flow_run_id, TASK_RUN.c.task_key, TASK_RUN.c.dynamic_key, TASK_RUN.c.id),
    *(TASK_RUN.c.flow_run_id, TASK_RUN.c.task_key, TASK_RUN.c.dynamic_key),
)
_IS_CURRENT: Final = (TASK_RUN_STATE.c.task_run_id == TASK_RUN.c.id) & (
    TASK_RUN_STATE.c.version == TASK_RUN.c.version
)
_CURRENT_DATA: Final = BulkSelect(
    select(TASK_RUN.c.id, TASK_RUN_STATE.c.data_json).join_from(
        TASK_RUN, TASK_RUN_STATE, _IS_CURRENT
    ),
    TASK_RUN.c.id,
)
_FULL: Final = BulkSelect(
    select(TASK_RUN.c.id, TASK_RUN.c.body, TASK_RUN_STATE.c.data_json).join_from(
        TASK_RUN, TASK_RUN_STATE, _IS_CURRENT, isouter=True
    ),
    TASK_RUN.c.id,
)
_FOR_TRANSITIONS: Final = BulkLookup(
    select(TASK_RUN.c.id, TASK_RUN.c.edition, TASK_RUN.c.body, TASK_RUN_STATE.c.transition_id)
    .join_from(BulkLookup.GIVEN, TASK_RUN, TASK_RUN.c.id == BulkLookup.GIVEN.c.first)
    .join(
        TASK_RUN_STATE,
        (TASK_RUN_STATE.c.task_run_id == TASK_RUN.c.id)
        & (TASK_RUN_STATE.c.transition_id == BulkLookup.GIVEN.c.second)
        # SQLite: only a statement that leaves out what an index leaves out can use that index.
        & TASK_RUN_STATE.c.transition_id.is_not(None),
        isouter=True,
    )
)


class LoadedTask(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A task run as it is stored, in BASIC view."""

    task_run: TaskRun
    edition: int
    """Counts the changes of the row; a write must name the one that it was decided on."""


def load(conn: Connection, task_run_ids: Sequence[str]) -> dict[str, LoadedTask]:
    """Return the task runs that exist among these, in BASIC view, by id."""
    return {
        task_run_id: LoadedTask(task_run=decode_task_run(body), edition=edition)
        for task_run_id, edition, body in _LOAD.run(conn, task_run_ids)
    }


def load_for_transitions(
    conn: Connection, transitions: Sequence[tuple[str, str | None]]
) -> tuple[dict[str, LoadedTask], set[tuple[str, str]]]:
    """Return the task runs that exist among these, as `load` does, and which of the transitions were made.

    Transitions are pairs of task run id and transition id, if there is one.
    """
    loaded: dict[str, LoadedTask] = {}
    made: set[tuple[str, str]] = set()
    for task_run_id, edition, body, transition_id in _FOR_TRANSITIONS.run(conn, transitions):
        if task_run_id not in loaded:
            loaded[task_run_id] = LoadedTask(task_run=decode_task_run(body), edition=edition)
        if transition_id is not None:
            made.add((task_run_id, transition_id))
    return loaded, made


def lock(conn: Connection, task_run_ids: Sequence[str]) -> None:
    """PostgreSQL: let no other server change these task runs, nor add anything to them, until the commit."""
    if conn.dialect.name != "sqlite":
        _LOCK.run(conn, task_run_ids)


def changed(conn: Connection, editions: Mapping[str, int]) -> set[str]:
    """Return which of these task runs no longer have the edition that they were loaded with, or are gone."""
    if conn.dialect.name == "sqlite":
        return set()  # nobody else writes while a transaction does
    found: dict[str, int] = dict(_EDITIONS.run(conn, list(editions)))
    return {each for each, edition in editions.items() if found.get(each) != edition}


def load_basic(conn: Connection, task_run_ids: Sequence[str]) -> dict[str, TaskRun]:
    """Return the task runs that exist among these, in BASIC view, by id."""
    return {row[0]: decode_task_run(row[1]) for row in _BASIC.run(conn, task_run_ids)}


def load_full(conn: Connection, task_run_ids: Sequence[str]) -> dict[str, TaskRun]:
    """Return the task runs that exist among these, in FULL view, by id."""
    return {
        task_run_id: with_data(decode_task_run(body), data)
        for task_run_id, body, data in _FULL.run(conn, task_run_ids)
    }


def lock_of_flow_runs(conn: Connection, flow_run_ids: Sequence[str]) -> list[TaskRun]:
    """Return all task runs of these flow runs in BASIC view, ordered by id, and lock them as `lock` does."""
    return [decode_task_run(body) for (body,) in _LOCK_BY_FLOW_RUN.run(conn, flow_run_ids)]


def ids_by_key(conn: Connection, keys: Sequence[Key]) -> dict[Key, str]:
    """Return the ids of the task runs that exist among those with these keys."""
    return {(row[0], row[1], row[2]): row[3] for row in _BY_KEY.run(conn, keys)}


def current_data(conn: Connection, task_run_ids: Sequence[str]) -> dict[str, str | None]:
    """Return the data of the current states of these task runs, by id."""
    return {row[0]: row[1] for row in _CURRENT_DATA.run(conn, task_run_ids)}


def insert(conn: Connection, task_runs: Sequence[TaskRun]) -> None:
    """Insert new task runs with their tags but without their states."""
    # In the order of ids, so that two servers never wait for each other.
    ordered = sorted(task_runs, key=lambda each: each.id)
    _INSERT.run(conn, [(*_changing(each, 1), *_fixed(each)) for each in ordered])
    _INSERT_TAGS.run(conn, [(each.id, tag) for each in ordered for tag in each.tags])


def update(
    conn: Connection,
    changed: Sequence[tuple[TaskRun, LoadedTask]],
    states: Sequence[tuple[str, State]] = (),
) -> set[str]:
    """Write task runs as they now stand, each with what was loaded before it was changed.

    Args:
        conn: The connection that writes.
        changed: The task runs.
        states: New states of these task runs, each with the id of its task run; inserted for those that are written.

    Returns:
        The ids of the task runs that were written. The others had moved on.
    """
    return _UPDATE_WITH_STATES.run(
        conn,
        [
            (
                # The body has the time of the change: it never is as it was, and need not be made to know that.
                (*_columns(before.task_run, before.edition), b""),
                _changing(task_run, before.edition + 1),
                task_run.id,
            )
            for task_run, before in changed
        ],
        [before.edition for _, before in changed],
        [state_row(*each) for each in states],
    )


def insert_states(conn: Connection, states: Sequence[tuple[str, State]]) -> None:
    """Insert states, each with the id of its task run."""
    _INSERT_STATES.run(conn, [state_row(*each) for each in states])


def delete(conn: Connection, editions: Sequence[tuple[str, int]]) -> set[str]:
    """Delete task runs with everything under them, each at the edition it was loaded at.

    Returns:
        The ids of the task runs that were deleted. The others had moved on.
    """
    return _DELETE.run(conn, editions)


def basic(task_run: TaskRun) -> TaskRun:
    """Return a task run in BASIC view."""
    state = task_run.state
    if state is None or state.data_json is None:
        return task_run
    return msgspec.structs.replace(task_run, state=without_data(state))


def with_data(task_run: TaskRun, data_json: str | None) -> TaskRun:
    """Return a task run whose state has this data."""
    if task_run.state is None or data_json is None:
        return task_run
    state = msgspec.structs.replace(task_run.state, data_json=data_json)
    return msgspec.structs.replace(task_run, state=state)


def _changing(task_run: TaskRun, edition: int) -> Row:
    """Return the columns of a task run that may change, the body last."""
    return (*_columns(task_run, edition), _ENCODE(basic(task_run)))


def _columns(task_run: TaskRun, edition: int) -> Row:
    """Return the columns of a task run that may change, but for its body."""
    state = task_run.state
    is_running = state is not None and state.type is StateType.RUNNING
    return (
        task_run.version,
        edition,
        task_run.name,
        state and str(state.type),
        state and state.name,
        to_micros(task_run.expected_start_time),
        to_micros(task_run.next_scheduled_start_time),
        to_micros(task_run.start_time),
        to_micros(task_run.end_time),
        to_span_micros(task_run.total_run_time),
        to_micros(state.timestamp) if state and is_running else None,
    )


def _fixed(task_run: TaskRun) -> Row:
    """Return the columns of a task run that never change."""
    return (
        task_run.id,
        task_run.flow_run_id,
        task_run.task_key,
        task_run.dynamic_key,
        int(bool(task_run.tags)),
    )
