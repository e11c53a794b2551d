from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headgate_server.app import AddressInUseError
from headgate_server.cli import databases, serve
from headgate_server.cli.outcomes import ExitCode, ProgramError
from headgate_server.settings import Settings


class FakeApp:
    """A server that fails when it is told to."""

    def __init__(self, _settings: Settings) -> None:
        self.database = SimpleNamespace(close=self._close)
        self.port = 4244
        self.done: list[str] = []
        APPS.append(self)

    async def start(self) -> None:
        self.done.append("started")
        if START_ERRORS:
            raise START_ERRORS.pop()

    async def failure(self) -> None:
        raise RuntimeError("the writer has died")

    async def stop(self) -> None:
        self.done.append("stopped")

    async def _close(self) -> None:
        self.done.append("closed")


APPS: list[FakeApp] = []
START_ERRORS: list[Exception] = []


@pytest.fixture(autouse=True)
def fake_app(monkeypatch: pytest.MonkeyPatch) -> None:
    APPS.clear()
    monkeypatch.setattr(serve, "App", FakeApp)
    monkeypatch.setattr(serve, "_stop_on_signals", lambda _: None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.read({}, {"database": f"sqlite:///{tmp_path / 'x.db'}"})


async def test_a_server_that_cannot_go_on_is_stopped_and_says_why(settings: Settings) -> None:
    with pytest.raises(RuntimeError, match="the writer has died"):
        await serve._serve(settings)

    assert APPS[0].done == ["started", "stopped"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AddressInUseError("Cannot listen."), None),
        (OSError(98, "Address already in use"), ExitCode.ADDRESS_IN_USE),
    ],
    ids=["for calls", "for metrics"],
)
async def test_a_server_that_cannot_start_leaves_the_database(
    settings: Settings, error: Exception, code: ExitCode | None
) -> None:
    START_ERRORS.append(error)

    with pytest.raises(type(error) if code is None else ProgramError) as refused:
        await serve._serve(settings)

    assert getattr(refused.value, "code", None) == code
    assert APPS[0].done == ["started", "closed"]


def test_a_missing_driver_is_told_with_what_brings_it(settings: Settings) -> None:
    with (
        pytest.raises(ProgramError, match=r"install headgate\[postgres\]"),
        databases.reachable(settings),
    ):
        raise ModuleNotFoundError("No module named 'asyncpg'", name="asyncpg")


def test_another_missing_module_is_a_fault(settings: Settings) -> None:
    with pytest.raises(ModuleNotFoundError), databases.reachable(settings):
        raise ModuleNotFoundError("No module named 'nowhere'", name="nowhere")


def test_the_password_of_a_database_is_never_shown() -> None:
    assert databases.shown("postgresql://me:secret@there/x") == "postgresql://me:***@there/x"


def test_a_setting_is_asked_for_by_what_stands_for_its_value() -> None:
    annotations: dict[str, Any] = serve.serve.__annotations__

    [option] = annotations["late_after"].__metadata__

    assert option.metavar == "SPAN"
