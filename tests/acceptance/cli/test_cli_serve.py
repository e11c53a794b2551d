import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from headgate import v1 as pb
from headgate.sync import Client
from headgate_server.storage.schema import HEAD_REVISION
from tests.acceptance.cli.commands import HEADGATE, Ended, clean_environment, ended
from tests.acceptance.cli.shell import Shell, Terminal, until
from tests.acceptance.program import Program, free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

NewProgram = Callable[..., Program]


def serve(directory: Path, *flags: str, **environment: str) -> Ended:
    command = [*HEADGATE, "serve", *flags]
    return ended(command, clean_environment() | environment, directory)


@pytest.fixture
def serving(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Return the program as it serves on any port that is free, on a file in a new directory."""
    database = f"sqlite:///{tmp_path / 'not' / 'there' / 'yet.db'}"
    with subprocess.Popen(
        [*HEADGATE, "serve", "--database", database, "--listen", "127.0.0.1:0"],
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def port_of(serving: "subprocess.Popen[str]") -> int:
    """Return the port that the log tells."""
    assert serving.stderr is not None
    events = (json.loads(line) for line in serving.stderr)
    return int(next(event["port"] for event in events if event["event"] == "serving"))


def test_the_log_tells_the_port_that_was_free(
    serving: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    port = port_of(serving)

    with Client(f"127.0.0.1:{port}") as client:
        assert client.server.get_info().head_revision == 0
    assert (tmp_path / "not" / "there" / "yet.db").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_server(
    serving: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    port_of(serving)

    serving.send_signal(number)

    assert serving.wait(20) == 0
    assert serving.stderr is not None
    assert [json.loads(line)["event"] for line in serving.stderr][-2:] == ["draining", "stopped"]


def test_a_second_ctrl_c_quits_at_once(new_program: NewProgram, tmp_path: Path) -> None:
    file = tmp_path / "headgate.db"
    program = new_program(f"sqlite:///{file}", drain_timeout="1h")
    program.start()
    with (
        grpc.insecure_channel(program.target) as channel,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        held_up = pb.FlowServiceStub(channel).CreateFlow.future(pb.CreateFlowRequest(name="etl"))
        # What comes later on the same connection is answered, so the server has the call before it.
        pb.ServerServiceStub(channel).GetServerInfo(pb.GetServerInfoRequest())
        program.process.send_signal(signal.SIGINT)
        until(lambda: '"draining"' in program.output())

        program.process.send_signal(signal.SIGINT)

        assert program.wait() == -signal.SIGINT
        assert held_up.exception() is not None


def test_flags_win_over_the_environment(tmp_path: Path) -> None:
    refused = serve(tmp_path, "--listen", "nowhere", HEADGATE_LISTEN="elsewhere")

    assert refused.code == 2
    assert "--listen nowhere: expected an address and a port" in refused.err
    assert "elsewhere" not in refused.err


def test_an_address_that_is_taken_is_told_in_a_line(shell: Shell, tmp_path: Path) -> None:
    refused = serve(tmp_path, "--database", "sqlite:///x.db", "--listen", shell.target)

    assert refused.code == 8
    assert f"Error: Cannot listen on {shell.target}." in refused.err
    assert "add_port" not in refused.err


def test_an_address_for_metrics_that_is_taken_is_told_in_a_line(
    shell: Shell, tmp_path: Path
) -> None:
    flags = ("--database", "sqlite:///x.db", "--listen", "127.0.0.1:0")

    refused = serve(tmp_path, *flags, "--metrics-listen", shell.target)

    assert refused.code == 8
    assert f"Error: Cannot serve metrics on {shell.target}" in refused.err


def test_a_database_that_is_away_is_told_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://me:secret@127.0.0.1:{free_port()}/x"

    refused = serve(tmp_path, "--database", url, "--listen", "127.0.0.1:0")

    assert refused.code == 6
    assert "Error: Cannot use the database postgresql://me:***@127.0.0.1" in refused.err
    assert "secret" not in refused.err


def test_a_file_that_is_no_database_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("nonsense" * 1000)

    refused = serve(tmp_path, "--database", "sqlite:///x.db", "--listen", "127.0.0.1:0")

    assert refused.code == 6
    assert "file is not a database" in refused.err


def test_a_newer_schema_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")
        file.commit()

    refused = serve(tmp_path, "--database", sqlite_url, "--listen", "127.0.0.1:0")

    assert refused.code == 7
    assert "Error: The database has schema 9999, which is newer than this program" in refused.err


def test_postgresql_is_upgraded_by_command_alone(
    empty_postgresql_url: str, tmp_path: Path, new_program: NewProgram
) -> None:
    refused = serve(tmp_path, "--database", empty_postgresql_url, "--listen", "127.0.0.1:0")
    upgraded = ended(
        [*HEADGATE, "db", "upgrade", "--json"],
        clean_environment() | {"HEADGATE_DATABASE": empty_postgresql_url},
        tmp_path,
    )
    program = new_program(empty_postgresql_url)
    program.start()

    assert refused.code == 7
    assert "Run `headgate db upgrade` once." in refused.err
    assert (upgraded.code, upgraded.json["schema_revision"]) == (0, HEAD_REVISION)
    assert program.stop() == 0


def test_a_person_is_told_where_the_server_is_and_how_to_stop_it(tmp_path: Path) -> None:
    flags = ("--database", f"sqlite:///{tmp_path / 'x.db'}", "--listen", "127.0.0.1:0")

    with Terminal([*HEADGATE, "serve", *flags], clean_environment(), tmp_path) as terminal:
        terminal.expect("serves at 127.0.0.1:")
        terminal.expect(f"from sqlite:///{tmp_path / 'x.db'}")
        terminal.expect("Ctrl-C")
        terminal.press_ctrl_c()

        assert terminal.wait() == 0
    assert os.linesep in terminal.seen
