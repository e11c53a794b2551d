"""Flows, as rows."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, bindparam, delete, select, update

from headgate_server.model.flows import Flow
from headgate_server.storage.bulk import BulkInsert, BulkSelect
from headgate_server.storage.tables import FLOW, FLOW_RUN, FLOW_TAG
from headgate_server.storage.times import to_micros

_ENCODE: Final = msgspec.json.Encoder().encode
decode_flow: Final = msgspec.json.Decoder(Flow).decode

_INSERT: Final = BulkInsert(
    *(FLOW.c.id, FLOW.c.name, FLOW.c.create_time, FLOW.c.update_time, FLOW.c.body),
    ignore_conflicts=True,
)
_INSERT_TAGS: Final = BulkInsert(FLOW_TAG.c.flow_id, FLOW_TAG.c.tag, ignore_conflicts=True)
_BY_ID: Final = BulkSelect(select(FLOW.c.body), FLOW.c.id)
_BY_NAME: Final = BulkSelect(select(FLOW.c.body), FLOW.c.name)
# In the order of ids, so that two servers never wait for each other.
_LOCK: Final = BulkSelect(select(FLOW.c.body).order_by(FLOW.c.id).with_for_update(), FLOW.c.id)
_UPDATE: Final = (
    update(FLOW)
    .where(FLOW.c.id == bindparam("flow_id"))
    .values(update_time=bindparam("new_update_time"), body=bindparam("new_body"))
)


def get(conn: Connection, flow_id: str) -> Flow | None:
    """Return the flow with an id; None if there is none."""
    return get_many(conn, [flow_id]).get(flow_id)


def get_many(conn: Connection, flow_ids: Sequence[str]) -> dict[str, Flow]:
    """Return the flows that exist among these, by id."""
    found = (decode_flow(body) for (body,) in _BY_ID.run(conn, flow_ids))
    return {flow.id: flow for flow in found}


def get_by_name(conn: Connection, name: str) -> Flow | None:
    """Return the flow that bears a name; None if there is none."""
    return get_by_names(conn, [name]).get(name)


def get_by_names(conn: Connection, names: Sequence[str]) -> dict[str, Flow]:
    """Return the flows that bear one of these names, by name."""
    found = (decode_flow(body) for (body,) in _BY_NAME.run(conn, names))
    return {flow.name: flow for flow in found}


def insert_or_get(conn: Connection, proposed: Mapping[str, Flow]) -> dict[str, Flow]:
    """Insert the flows whose names are free, and return by name those that bear the names now.

    A flow with the id that was proposed was inserted. A name is missing if its flow was deleted at this very moment.
    """
    found = get_by_names(conn, list(proposed))
    # In the order of names, so that two servers never wait for each other.
    fresh = [proposed[name] for name in sorted(proposed) if name not in found]
    if not fresh:
        return found
    _INSERT.run(conn, [_row(flow) for flow in fresh])
    found |= get_by_names(conn, [flow.name for flow in fresh])
    standing = {flow.id for flow in found.values()}
    _INSERT_TAGS.run(
        conn, [(flow.id, tag) for flow in fresh if flow.id in standing for tag in flow.tags]
    )
    return found


def lock(conn: Connection, flow_ids: Sequence[str]) -> dict[str, Flow]:
    """Return the flows that exist among these, by id, and let nobody else change or use them until the commit."""
    found = (decode_flow(body) for (body,) in _LOCK.run(conn, flow_ids))
    return {flow.id: flow for flow in found}


def update_tags(conn: Connection, flows: Sequence[Flow]) -> None:
    """Write flows that are locked, as they now stand. Their names stay."""
    if not flows:
        return
    rows = [
        {
            "flow_id": flow.id,
            "new_update_time": to_micros(flow.update_time),
            "new_body": _ENCODE(flow),
        }
        for flow in flows
    ]
    conn.execute(_UPDATE, rows)
    conn.execute(delete(FLOW_TAG).where(FLOW_TAG.c.flow_id.in_([flow.id for flow in flows])))
    _INSERT_TAGS.run(conn, [(flow.id, tag) for flow in flows for tag in flow.tags])


def lock_runs(conn: Connection, flow_id: str, limit: int) -> list[str]:
    """Return the first ids of the runs of a flow in order, and let nobody else change them until the commit."""
    runs = select(FLOW_RUN.c.id).where(FLOW_RUN.c.flow_id == flow_id)
    first = runs.order_by(FLOW_RUN.c.id).limit(limit).with_for_update()
    return list(conn.execute(first).scalars())


def delete_flow(conn: Connection, flow_id: str) -> None:
    """Delete a flow with everything under it."""
    conn.execute(delete(FLOW).where(FLOW.c.id == flow_id))


def _row(flow: Flow) -> tuple[str, str, int, int, bytes]:
    """Return the columns of a flow."""
    return (
        flow.id,
        flow.name,
        to_micros(flow.create_time),
        to_micros(flow.update_time),
        _ENCODE(flow),
    )
