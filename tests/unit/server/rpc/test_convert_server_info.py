from datetime import timedelta

import pytest

from headgate import v1 as pb
from headgate_server.model.server_info import DatabaseKind, Limits, ServerInfo
from headgate_server.rpc.convert.server_info import DATABASE_KIND_NUMBERS, write_server_info

LIMITS = Limits(
    message_bytes=1,
    json_bytes=2,
    name_characters=3,
    tags=4,
    ids=5,
    page_size=6,
    inputs=7,
    state_message_bytes=8,
    waiting_writes=9,
    request_id_window=timedelta(seconds=10),
    history_retention=timedelta(seconds=11),
    wait=timedelta(seconds=12),
    call=timedelta(milliseconds=13),
)


@pytest.mark.parametrize("kind", DatabaseKind)
def test_the_server_is_written_with_all_it_says_of_itself(kind: DatabaseKind) -> None:
    info = ServerInfo(
        version="0.1.0",
        capabilities=("a", "b"),
        limits=LIMITS,
        database_kind=kind,
        head_revision=9,
        oldest_revision=2,
        epoch="epoch",
        schema_revision="0003",
        watch_count=3,
    )
    message = pb.GetServerInfoResponse()

    write_server_info(info, message)

    limits = pb.ServerLimits(
        max_message_bytes=1,
        max_json_bytes=2,
        max_name_characters=3,
        max_tags=4,
        max_ids=5,
        max_page_size=6,
        max_inputs=7,
        max_state_message_bytes=8,
        max_waiting_writes=9,
    )
    limits.request_id_window.FromSeconds(10)
    limits.history_retention.FromSeconds(11)
    limits.max_wait.FromSeconds(12)
    limits.max_call.FromMilliseconds(13)
    assert message == pb.GetServerInfoResponse(
        version="0.1.0",
        capabilities=["a", "b"],
        limits=limits,
        database_kind=f"DATABASE_KIND_{kind}",  # type: ignore[arg-type]
        head_revision=9,
        oldest_revision=2,
        epoch="epoch",
        schema_revision="0003",
        watch_count=3,
    )


def test_every_limit_of_the_contract_is_written() -> None:
    message = pb.GetServerInfoResponse()
    info = ServerInfo(
        version="",
        capabilities=(),
        limits=LIMITS,
        database_kind=DatabaseKind.SQLITE,
        head_revision=0,
        oldest_revision=0,
        epoch="",
        schema_revision="",
        watch_count=0,
    )

    write_server_info(info, message)

    written = {field.name for field, _ in message.limits.ListFields()}
    assert written == {field.name for field in pb.ServerLimits.DESCRIPTOR.fields}


def test_every_kind_of_database_has_a_number() -> None:
    assert sorted(DATABASE_KIND_NUMBERS.values()) == sorted(set(pb.DatabaseKind.values()) - {0})
