"""Flow runs and their states, as rows. The hot path: every statement is over many rows at once."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy import delete as delete_from

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.states import State
from headgate_server.storage.bulk import (
    BulkDelete,
    BulkInsert,
    BulkLookup,
    BulkSelect,
    BulkUpdate,
    BulkUpdateAndInsert,
    Row,
)
from headgate_server.storage.queue_names import with_queue_names
from headgate_server.storage.state_rows import state_row, without_data
from headgate_server.storage.tables import (
    FLOW,
    FLOW_RUN,
    FLOW_RUN_PAYLOAD,
    FLOW_RUN_STATE,
    FLOW_RUN_TAG,
    TASK_RUN,
)
from headgate_server.storage.times import to_micros, to_span_micros

_ENCODE: Final = msgspec.json.Encoder().encode
decode_run: Final = msgspec.json.Decoder(FlowRun).decode
decode_state: Final = msgspec.json.Decoder(State).decode
_CHANGING: Final = (
    FLOW_RUN.c.version,
    FLOW_RUN.c.edition,
    FLOW_RUN.c.name,
    FLOW_RUN.c.state_type,
    FLOW_RUN.c.state_name,
    FLOW_RUN.c.flow_version,
    FLOW_RUN.c.has_tags,
    FLOW_RUN.c.expected_start_time,
    FLOW_RUN.c.next_scheduled_start_time,
    FLOW_RUN.c.start_time,
    FLOW_RUN.c.end_time,
    FLOW_RUN.c.effective_start_time,
    FLOW_RUN.c.pause_expire_time,
    FLOW_RUN.c.parent_task_run_id,
    FLOW_RUN.c.total_run_time,
    FLOW_RUN.c.running_since,
    FLOW_RUN.c.retries_in_process,
    FLOW_RUN.c.body,
)
_FIXED: Final = (
    FLOW_RUN.c.id,
    FLOW_RUN.c.flow_id,
    FLOW_RUN.c.deployment_id,
    FLOW_RUN.c.work_queue_id,
    FLOW_RUN.c.work_queue_name,
    FLOW_RUN.c.auto_scheduled,
    FLOW_RUN.c.idempotency_key,
)
_INSERT: Final = BulkInsert(*_CHANGING, *_FIXED)
_UPDATE: Final = BulkUpdate(FLOW_RUN.c.id, FLOW_RUN.c.edition, *_CHANGING)
_UPDATE_WITH_STATES: Final = BulkUpdateAndInsert(_UPDATE, *FLOW_RUN_STATE.c)
_DELETE: Final = BulkDelete(FLOW_RUN.c.id, FLOW_RUN.c.edition)
_TASK_RUNS: Final = BulkSelect(select(TASK_RUN.c.id), TASK_RUN.c.id)
_CHILDREN: Final = BulkSelect(select(FLOW_RUN.c.id), FLOW_RUN.c.parent_task_run_id)
_INSERT_PAYLOADS: Final = BulkInsert(*FLOW_RUN_PAYLOAD.c)
_INSERT_TAGS: Final = BulkInsert(
    FLOW_RUN_TAG.c.flow_run_id, FLOW_RUN_TAG.c.tag, ignore_conflicts=True
)
_INSERT_STATES: Final = BulkInsert(*FLOW_RUN_STATE.c)
_LOAD: Final = BulkSelect(
    select(
        FLOW_RUN.c.id, FLOW_RUN.c.edition, FLOW_RUN.c.body, FLOW.c.body.label("flow_body")
    ).join_from(FLOW_RUN, FLOW),
    FLOW_RUN.c.id,
)
_IS_CURRENT: Final = (FLOW_RUN_STATE.c.flow_run_id == FLOW_RUN.c.id) & (
    FLOW_RUN_STATE.c.version == FLOW_RUN.c.version
)
_CURRENT_DATA: Final = BulkSelect(
    select(FLOW_RUN.c.id, FLOW_RUN_STATE.c.data_json).join_from(
        FLOW_RUN, FLOW_RUN_STATE, _IS_CURRENT
    ),
    FLOW_RUN.c.id,
)
_FULL: Final = BulkSelect(
    select(
        FLOW_RUN.c.id,
        FLOW_RUN.c.body,
        FLOW_RUN_STATE.c.data_json,
        FLOW_RUN_PAYLOAD.c.parameters_json,
        FLOW_RUN_PAYLOAD.c.context_json,
        FLOW_RUN_PAYLOAD.c.job_variables_json,
    )
    .join_from(FLOW_RUN, FLOW_RUN_STATE, _IS_CURRENT, isouter=True)
    .join(FLOW_RUN_PAYLOAD, FLOW_RUN_PAYLOAD.c.flow_run_id == FLOW_RUN.c.id, isouter=True),
    FLOW_RUN.c.id,
)
_BASIC: Final = BulkSelect(select(FLOW_RUN.c.id, FLOW_RUN.c.body), FLOW_RUN.c.id)
_EDITIONS: Final = BulkSelect(select(FLOW_RUN.c.id, FLOW_RUN.c.edition), FLOW_RUN.c.id)
# In the order of ids, so that two servers never wait for each other.
_LOCK: Final = BulkSelect(
    select(FLOW_RUN.c.id).order_by(FLOW_RUN.c.id).with_for_update(), FLOW_RUN.c.id
)
_FOR_TRANSITIONS: Final = BulkLookup(
    select(
        FLOW_RUN.c.id,
        FLOW_RUN.c.edition,
        FLOW_RUN.c.body,
        FLOW.c.body.label("flow_body"),
        FLOW_RUN_STATE.c.transition_id,
    )
    .join_from(BulkLookup.GIVEN, FLOW_RUN, FLOW_RUN.c.id == BulkLookup.GIVEN.c.first)
    .join(FLOW)
    .join(
        FLOW_RUN_STATE,
        (FLOW_RUN_STATE.c.flow_run_id == FLOW_RUN.c.id)
        & (FLOW_RUN_STATE.c.transition_id == BulkLookup.GIVEN.c.second)
        # SQLite: only a statement that leaves out what an index leaves out can use that index.
        & FLOW_RUN_STATE.c.transition_id.is_not(None),
        isouter=True,
    )
)


class Loaded(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A run as it is stored, in BASIC view."""

    run: FlowRun
    edition: int
    """Counts the changes of the row; a write must name the one that it was decided on."""
    flow: Flow


def load(conn: Connection, run_ids: Sequence[str]) -> dict[str, Loaded]:
    """Return the runs that exist among these, in BASIC view, by id."""
    loaded = {
        run_id: _loaded(edition, body, flow_body)
        for run_id, edition, body, flow_body in _LOAD.run(conn, run_ids)
    }
    return _with_queue_names(conn, loaded)


def load_for_transitions(
    conn: Connection, transitions: Sequence[tuple[str, str | None]]
) -> tuple[dict[str, Loaded], set[tuple[str, str]]]:
    """Return the runs that exist among these, as `load` does, and which of the transitions were made.

    Transitions are pairs of run id and transition id, if there is one.
    """
    loaded: dict[str, Loaded] = {}
    made: set[tuple[str, str]] = set()
    for run_id, edition, body, flow_body, transition_id in _FOR_TRANSITIONS.run(conn, transitions):
        if run_id not in loaded:
            loaded[run_id] = _loaded(edition, body, flow_body)
        if transition_id is not None:
            made.add((run_id, transition_id))
    return _with_queue_names(conn, loaded), made


def lock(conn: Connection, run_ids: Sequence[str]) -> None:
    """PostgreSQL: let no other server change these runs, nor add anything to them, until the commit."""
    if conn.dialect.name != "sqlite":
        _LOCK.run(conn, run_ids)


def changed(conn: Connection, editions: Mapping[str, int]) -> set[str]:
    """Return which of these runs no longer have the edition that they were loaded with, or are gone."""
    if conn.dialect.name == "sqlite":
        return set()  # nobody else writes while a transaction does
    found: dict[str, int] = dict(_EDITIONS.run(conn, list(editions)))
    return {run_id for run_id, edition in editions.items() if found.get(run_id) != edition}


def load_basic(conn: Connection, run_ids: Sequence[str]) -> dict[str, FlowRun]:
    """Return the runs that exist among these, in BASIC view, by id."""
    runs = [decode_run(body) for _, body in _BASIC.run(conn, run_ids)]
    return {run.id: run for run in with_queue_names(conn, runs)}


def load_full(conn: Connection, run_ids: Sequence[str]) -> dict[str, FlowRun]:
    """Return the runs that exist among these, in FULL view, by id."""
    runs = [_full(*row[1:]) for row in _FULL.run(conn, run_ids)]
    return {run.id: run for run in with_queue_names(conn, runs)}


def current_data(conn: Connection, run_ids: Sequence[str]) -> dict[str, str | None]:
    """Return the data of the current states of these runs, by run id."""
    return {row[0]: row[1] for row in _CURRENT_DATA.run(conn, run_ids)}


def insert(conn: Connection, runs: Sequence[FlowRun]) -> None:
    """Insert new runs, given in FULL view, with their payloads and tags but without their states."""
    _INSERT.run(conn, [(*_changing(run, 1), *_fixed(run)) for run in runs])
    _INSERT_PAYLOADS.run(
        conn,
        [
            (run.id, *payload)
            for run in runs
            if (payload := (run.parameters_json, run.context_json, run.job_variables_json))
            != ("{}", "{}", "{}")
        ],
    )
    _INSERT_TAGS.run(conn, [(run.id, tag) for run in runs for tag in run.tags])


def update(
    conn: Connection,
    changed: Sequence[tuple[FlowRun, Loaded]],
    states: Sequence[tuple[str, State]] = (),
) -> set[str]:
    """Write runs as they now stand, each with what was loaded before it was changed.

    Args:
        conn: The connection that writes.
        changed: The runs.
        states: New states of these runs, each with the id of its run; inserted for the runs that are written.

    Returns:
        The ids of the runs that were written. The others had moved on.
    """
    return _UPDATE_WITH_STATES.run(
        conn,
        [
            (
                # The body has the time of the change: it never is as it was, and need not be made to know that.
                (*_columns(before.run, before.edition), b""),
                _changing(run, before.edition + 1),
                run.id,
            )
            for run, before in changed
        ],
        [before.edition for _, before in changed],
        [state_row(*each) for each in states],
    )


def insert_states(conn: Connection, states: Sequence[tuple[str, State]]) -> None:
    """Insert states, each with the id of its run."""
    _INSERT_STATES.run(conn, [state_row(*each) for each in states])


def delete(conn: Connection, editions: Sequence[tuple[str, int]]) -> set[str]:
    """Delete runs with everything under them, each at the edition it was loaded at.

    Returns:
        The ids of the runs that were deleted. The others had moved on.
    """
    return _DELETE.run(conn, editions)


def subflows_of(conn: Connection, run_ids: Sequence[str]) -> list[str]:
    """Return the ids of the runs that task runs of these runs started."""
    statement = (
        select(FLOW_RUN.c.id)
        .join_from(FLOW_RUN, TASK_RUN, FLOW_RUN.c.parent_task_run_id == TASK_RUN.c.id)
        .where(TASK_RUN.c.flow_run_id.in_(run_ids))
    )
    return list(conn.execute(statement).scalars())


def children_of(conn: Connection, task_run_ids: Sequence[str]) -> list[str]:
    """Return the ids of the runs that these task runs stand for."""
    return [run_id for (run_id,) in _CHILDREN.run(conn, task_run_ids)]


def task_runs_among(conn: Connection, task_run_ids: Sequence[str]) -> set[str]:
    """Return which of these task runs exist."""
    return {task_run_id for (task_run_id,) in _TASK_RUNS.run(conn, task_run_ids)}


def replace_payload(conn: Connection, run: FlowRun) -> None:
    """Write what lists do not show of a run given in FULL view."""
    conn.execute(delete_from(FLOW_RUN_PAYLOAD).where(FLOW_RUN_PAYLOAD.c.flow_run_id == run.id))
    _INSERT_PAYLOADS.run(
        conn, [(run.id, run.parameters_json, run.context_json, run.job_variables_json)]
    )


def replace_tags(conn: Connection, run: FlowRun) -> None:
    """Write the tags of a run."""
    conn.execute(delete_from(FLOW_RUN_TAG).where(FLOW_RUN_TAG.c.flow_run_id == run.id))
    _INSERT_TAGS.run(conn, [(run.id, tag) for tag in run.tags])


def basic(run: FlowRun) -> FlowRun:
    """Return a run in BASIC view."""
    if run.parameters_json is None and (run.state is None or run.state.data_json is None):
        return run
    return msgspec.structs.replace(
        run,
        state=None if run.state is None else without_data(run.state),
        parameters_json=None,
        context_json=None,
        job_variables_json=None,
    )


def _loaded(edition: int, body: bytes, flow_body: bytes) -> Loaded:
    return Loaded(run=decode_run(body), edition=edition, flow=_decode_flow(bytes(flow_body)))


def _with_queue_names(conn: Connection, loaded: dict[str, Loaded]) -> dict[str, Loaded]:
    """Return runs with the names that their queues now have."""
    runs = with_queue_names(conn, [each.run for each in loaded.values()])
    return {
        each.run.id: each if run is each.run else msgspec.structs.replace(each, run=run)
        for each, run in zip(loaded.values(), runs, strict=True)
    }


def _full(
    body: bytes,
    data: str | None,
    parameters: str | None,
    context: str | None,
    job_variables: str | None,
) -> FlowRun:
    """Return a run from its body and what is kept beside it."""
    run = decode_run(body)
    state = run.state
    if state is not None and data is not None:
        state = msgspec.structs.replace(state, data_json=data)
    return msgspec.structs.replace(
        run,
        state=state,
        parameters_json=parameters or "{}",
        context_json=context or "{}",
        job_variables_json=job_variables or "{}",
    )


def _changing(run: FlowRun, edition: int) -> Row:
    """Return the columns of a run that may change, the body last."""
    return (*_columns(run, edition), _ENCODE(basic(run)))


def _columns(run: FlowRun, edition: int) -> Row:
    """Return the columns of a run that may change, but for its body."""
    state = run.state
    pause = state.details.pause_expire_time if state and state.type == "PAUSED" else None
    start = to_micros(run.start_time)
    expected = to_micros(run.expected_start_time)
    return (
        run.version,
        edition,
        run.name,
        state and str(state.type),
        state and state.name,
        run.flow_version,
        int(bool(run.tags)),
        expected,
        to_micros(run.next_scheduled_start_time),
        start,
        to_micros(run.end_time),
        expected if start is None else start,
        to_micros(pause),
        run.parent_task_run_id,
        to_span_micros(run.total_run_time),
        to_micros(state.timestamp) if state and state.type == "RUNNING" else None,
        int(run.policy.retry_type == "IN_PROCESS"),
    )


def _fixed(run: FlowRun) -> Row:
    """Return the columns of a run that never change."""
    return (
        run.id,
        run.flow_id,
        run.deployment_id,
        run.work_queue_id,
        run.work_queue_name,
        int(run.auto_scheduled),
        run.idempotency_key,
    )


@lru_cache(maxsize=1024)
def _decode_flow(body: bytes) -> Flow:
    """Return a flow from its row; runs of one flow share it."""
    return msgspec.json.decode(body, type=Flow)
