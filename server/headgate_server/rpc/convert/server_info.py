"""What the server is: written."""

from collections.abc import Mapping
from typing import Final

from headgate import v1 as pb
from headgate_server.model.server_info import DatabaseKind, Limits, ServerInfo
from headgate_server.rpc.convert.times import write_span

DATABASE_KIND_NUMBERS: Final[Mapping[DatabaseKind, pb.DatabaseKind.ValueType]] = {
    each: pb.DatabaseKind.Value(f"DATABASE_KIND_{each}") for each in DatabaseKind
}
"""The number on the wire of each kind of database."""


def write_server_info(info: ServerInfo, message: pb.GetServerInfoResponse) -> None:
    """Write what the server is."""
    message.version = info.version
    message.capabilities.extend(info.capabilities)
    _write_limits(info.limits, message.limits)
    message.database_kind = DATABASE_KIND_NUMBERS[info.database_kind]
    message.head_revision = info.head_revision
    message.oldest_revision = info.oldest_revision
    message.epoch = info.epoch
    message.schema_revision = info.schema_revision
    message.watch_count = info.watch_count


def _write_limits(limits: Limits, message: pb.ServerLimits) -> None:
    message.max_message_bytes = limits.message_bytes
    message.max_json_bytes = limits.json_bytes
    message.max_name_characters = limits.name_characters
    message.max_tags = limits.tags
    message.max_ids = limits.ids
    message.max_page_size = limits.page_size
    message.max_inputs = limits.inputs
    message.max_state_message_bytes = limits.state_message_bytes
    message.max_waiting_writes = limits.waiting_writes
    write_span(limits.request_id_window, message.request_id_window)
    write_span(limits.history_retention, message.history_retention)
    write_span(limits.wait, message.max_wait)
    write_span(limits.call, message.max_call)
