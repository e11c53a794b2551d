"""Flow-run inputs, as rows."""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, select

from headgate_server.model.inputs import FlowRunInput
from headgate_server.storage.bulk import BulkDelete, BulkInsert, BulkSelect, BulkSelectTuples, Row
from headgate_server.storage.tables import FLOW_RUN, FLOW_RUN_INPUT
from headgate_server.storage.times import from_micros, to_micros

Pair = tuple[str, str]
"""The id of a run and the key of an input."""

COLUMNS: Final = (
    FLOW_RUN_INPUT.c.id,
    FLOW_RUN_INPUT.c.flow_run_id,
    FLOW_RUN_INPUT.c.key,
    FLOW_RUN_INPUT.c.value_json,
    FLOW_RUN_INPUT.c.sender,
    FLOW_RUN_INPUT.c.create_time,
)
"""What `input_of` makes an input from."""

_INSERT: Final = BulkInsert(*COLUMNS)
_BY_PAIR: Final = BulkSelectTuples(
    select(*COLUMNS), FLOW_RUN_INPUT.c.flow_run_id, FLOW_RUN_INPUT.c.key
)
_PAIRS: Final = BulkSelectTuples(
    select(FLOW_RUN_INPUT.c.flow_run_id, FLOW_RUN_INPUT.c.key),
    *(FLOW_RUN_INPUT.c.flow_run_id, FLOW_RUN_INPUT.c.key),
)
_BY_RUN: Final = BulkSelect(
    select(*COLUMNS).order_by(FLOW_RUN_INPUT.c.create_time, FLOW_RUN_INPUT.c.id),
    FLOW_RUN_INPUT.c.flow_run_id,
)
_DELETE: Final = BulkDelete(FLOW_RUN_INPUT.c.id, FLOW_RUN_INPUT.c.flow_run_id)
_RUNS: Final = BulkSelect(select(FLOW_RUN.c.id), FLOW_RUN.c.id)


def get(conn: Connection, flow_run_id: str, key: str) -> FlowRunInput | None:
    """Return the input of a run with this very key; None if there is none."""
    return find(conn, [(flow_run_id, key)]).get((flow_run_id, key))


def find(conn: Connection, pairs: Sequence[Pair]) -> dict[Pair, FlowRunInput]:
    """Return the inputs that exist among these."""
    return _by_pair(map(input_of, _BY_PAIR.run(conn, pairs)))


def existing(conn: Connection, pairs: Sequence[Pair]) -> set[Pair]:
    """Return which of these inputs exist, without reading them."""
    return {(run_id, key) for run_id, key in _PAIRS.run(conn, pairs)}


def of_runs(conn: Connection, run_ids: Sequence[str]) -> list[FlowRunInput]:
    """Return all inputs of these runs, from oldest to newest."""
    return [input_of(row) for row in _BY_RUN.run(conn, run_ids)]


def runs_among(conn: Connection, run_ids: Sequence[str]) -> set[str]:
    """Return which of these runs exist, and so can have inputs."""
    return {run_id for (run_id,) in _RUNS.run(conn, run_ids)}


def insert(conn: Connection, new: Sequence[FlowRunInput]) -> None:
    """Insert inputs whose runs exist and whose keys are free."""
    # In the order of keys, so that two servers never wait for each other.
    _INSERT.run(conn, [_row(each) for each in sorted(new, key=_pair_of)])


def delete_keys(conn: Connection, pairs: Sequence[Pair]) -> dict[Pair, FlowRunInput]:
    """Delete inputs, and return those that were there."""
    found = find(conn, pairs)
    gone = _DELETE.run(conn, [(each.id, each.flow_run_id) for each in found.values()])
    return {pair: each for pair, each in found.items() if each.id in gone}


def input_of(row: Row) -> FlowRunInput:
    """Return an input from its row."""
    input_id, run_id, key, value_json, sender, create_time = row
    return FlowRunInput(
        id=input_id,
        flow_run_id=run_id,
        key=key,
        value_json=value_json,
        sender=sender,
        create_time=from_micros(create_time),
    )


def _row(each: FlowRunInput) -> Row:
    """Return the columns of an input."""
    return (
        each.id,
        each.flow_run_id,
        each.key,
        each.value_json,
        each.sender,
        to_micros(each.create_time),
    )


def _pair_of(each: FlowRunInput) -> Pair:
    return each.flow_run_id, each.key


def _by_pair(inputs: Iterable[FlowRunInput]) -> dict[Pair, FlowRunInput]:
    return {_pair_of(each): each for each in inputs}
