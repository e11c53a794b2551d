import re
import subprocess
import sys
from dataclasses import fields
from importlib import import_module

import pytest
import typer
from typer.main import get_command

from headgate_server import cli
from headgate_server.cli.demo.play import Play
from headgate_server.cli.demo.promises import Promise
from headgate_server.settings import Settings


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_help_loads_nothing_that_it_does_not_need() -> None:
    heavy = "{'grpc', 'sqlalchemy', 'headgate', 'pydantic', 'structlog'}"
    code = f"""if True:
        import sys
        from headgate_server.cli import main
        try:
            main(["--help"])
        except SystemExit as ended:
            sys.exit(ended.code or sorted({heavy} & set(sys.modules)) or None)
    """

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert "flow-run" in done.stdout


@pytest.mark.parametrize("name", cli._COMMANDS)
def test_each_command_has_the_help_that_the_program_tells_of_it(name: str) -> None:
    module = import_module(f"headgate_server.cli.{name.replace('-', '_')}")

    own = (get_command(module.app).help or "").split("\n\n")[0].replace("\n", " ")

    assert own.startswith(cli._COMMANDS[name].rstrip("."))


def test_help_lists_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert (
        "  5  a run that was waited for ended otherwise than COMPLETED" in capsys.readouterr().out
    )


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert re.fullmatch(r"headgate \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_serve_has_a_flag_for_each_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("serve", "--help") == 0

    flags = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert {f"--{each.name.replace('_', '-')}" for each in fields(Settings)} <= flags


def test_all_faults_of_the_settings_are_told_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADGATE_KEEPALIVE", "never")

    assert run("serve", "--late-after", "soon", "--log-level", "loud") == 2

    told = capsys.readouterr().err
    assert "--late-after soon: expected" in told
    assert "--log-level loud: expected" in told
    assert "HEADGATE_KEEPALIVE=never: expected" in told


def test_an_error_is_json_where_json_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("flow-run", "show", "no-uuid", "--json") == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith('{"error":{"exit_code":2,"reason":"BAD_PARAMETER"')
    assert told.err.count("\n") == 1


def test_a_command_that_is_not_there_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("flow-runs") == 2
    assert "No such command" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [(), ("flow-run",), ("db",)], ids=" ".join)
def test_a_command_line_that_asks_for_nothing_gets_help(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2

    told = capsys.readouterr()
    assert "Usage: headgate" in told.out
    assert told.err == ""


def test_a_fault_of_the_program_shows_where_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(cli, "app", fail)

    assert run("info") == 9
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, typer.Abort])
def test_an_interrupted_command_ends_quietly(
    interruption: type[BaseException],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise interruption

    monkeypatch.setattr(cli, "app", interrupt)

    assert run("info") == 130
    assert capsys.readouterr().err == ""


def test_the_demo_fails_if_a_promise_is_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def perform(_: Play) -> list[Promise]:
        return [
            Promise(text="the sun has risen", holds=True),
            Promise(text="nothing is lost", holds=False),
        ]

    monkeypatch.setattr(Play, "perform", perform)

    assert run("demo") == 9

    told = capsys.readouterr()
    assert "kept    the sun has risen" in told.out
    assert "BROKEN  nothing is lost" in told.out
    assert "1 of the promises were broken" in told.err


def test_the_demo_needs_a_terminal_to_ask_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", "--answer") == 2
    assert "terminal" in capsys.readouterr().err
