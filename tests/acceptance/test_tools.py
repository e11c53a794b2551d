"""The tools that people reach for first, `grpcurl` and `buf curl`, need nothing but the address of a server."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import grpc.aio
import pytest

from tests.acceptance.health import SERVICES
from tests.acceptance.program import Program
from tests.service.world import RUNNING, World

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(60)]

ROOT: Final = Path(__file__).parents[2]
FOUND_IN: Final = os.pathsep.join(
    [str(ROOT / ".bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
)
FLOW_RUNS: Final = "headgate.v1.FlowRunService"
STANDARD: Final = ("grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection")
MISSING: Final = "00000000-0000-4000-8000-000000000000"
MESSAGE_SECONDS: Final = 20


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    directory = tmp_path_factory.mktemp("tools")
    with Program(f"sqlite:///{directory / 'headgate.db'}", directory) as started:
        yield started
    assert started.faults() == []


@pytest.fixture
async def world(program: Program) -> AsyncIterator[World]:
    async with grpc.aio.insecure_channel(program.target) as channel:
        yield World(channel)


def tool(name: str) -> str:
    """Return where a tool is."""
    found = shutil.which(name, path=FOUND_IN)
    if found is None:
        pytest.skip(f"{name} is not here; .ci/run installs it where Go is")
    return found


class Tool:
    """A program that talks to the server."""

    def __init__(self, *command: str) -> None:
        self._command = command

    async def run(self, *arguments: str) -> str:
        """Return what the tool prints; it must succeed."""
        code, printed, said = await self.end(*arguments)
        assert code == 0, said
        return printed

    async def end(self, *arguments: str) -> tuple[int, str, str]:
        """Return how the tool ends, what it prints and what it says of errors."""
        process = await self._start(*arguments)
        printed, said = await process.communicate()
        assert process.returncode is not None
        return process.returncode, printed.decode(), said.decode()

    @asynccontextmanager
    async def listening(self, *arguments: str) -> AsyncIterator["Messages"]:
        """Let the tool print the messages of a stream for as long as this is held."""
        process = await self._start(*arguments)
        assert process.stdout is not None
        try:
            yield Messages(process.stdout)
        finally:
            process.terminate()
            await process.communicate()

    async def _start(self, *arguments: str) -> Process:
        return await asyncio.create_subprocess_exec(
            *self._command, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )


class Messages:
    """Messages that a tool prints, each over one line or many."""

    def __init__(self, lines: asyncio.StreamReader) -> None:
        self._lines = lines

    async def next(self) -> dict[str, Any]:
        """Wait for the next message."""
        text = ""
        while True:
            line = await asyncio.wait_for(self._lines.readline(), MESSAGE_SECONDS)
            assert line, f"The stream ended by itself: {text}"
            text += line.decode()
            with suppress(ValueError):
                message: dict[str, Any] = json.loads(text)
                return message


class TestGrpcurl:
    @pytest.fixture
    def grpcurl(self) -> Tool:
        return Tool(tool("grpcurl"), "-plaintext")

    async def test_it_lists_services_and_methods(self, grpcurl: Tool, program: Program) -> None:
        services = (await grpcurl.run(program.target, "list")).split()
        methods = (await grpcurl.run(program.target, "list", FLOW_RUNS)).split()

        assert {*SERVICES, *STANDARD} <= set(services)
        assert f"{FLOW_RUNS}.WatchFlowRuns" in methods

    async def test_it_describes_services_and_messages(
        self, grpcurl: Tool, program: Program
    ) -> None:
        service = await grpcurl.run(program.target, "describe", FLOW_RUNS)
        message = await grpcurl.run(program.target, "describe", "headgate.v1.StateDetails")
        method = await grpcurl.run(
            program.target, "describe", "headgate.v1.FlowRunService.SetFlowRunState"
        )

        assert "rpc WatchFlowRuns" in service
        assert "stream .headgate.v1.WatchFlowRunsResponse" in service
        assert "google.protobuf.Timestamp scheduled_time = 3;" in message
        assert ".headgate.v1.SetFlowRunStateRequest" in method

    async def test_it_calls(self, grpcurl: Tool, program: Program, world: World) -> None:
        run = await world.new_run()
        request = {"flow_run_id": run.id, "state": {"type": "STATE_TYPE_RUNNING"}}

        printed = await grpcurl.run(
            "-d", json.dumps(request), program.target, f"{FLOW_RUNS}/SetFlowRunState"
        )

        answer = json.loads(printed)
        assert answer["status"] == "VERDICT_STATUS_ACCEPT"
        assert answer["state"]["name"] == "Running"

    async def test_it_tells_why_it_was_refused(self, grpcurl: Tool, program: Program) -> None:
        code, _, said = await grpcurl.end(
            *("-d", json.dumps({"flow_run_id": MISSING})),
            *(program.target, f"{FLOW_RUNS}/GetFlowRun"),
        )

        assert code == 64 + grpc.StatusCode.NOT_FOUND.value[0]
        assert "Code: NotFound" in said

    async def test_it_watches(self, grpcurl: Tool, program: Program, world: World) -> None:
        run = await world.new_run()
        request = {"flow_run_ids": [run.id], "send_initial_state": True}

        async with grpcurl.listening(
            "-d", json.dumps(request), program.target, f"{FLOW_RUNS}/WatchFlowRuns"
        ) as messages:
            assert "snapshot" in await messages.next()
            assert "snapshot_complete" in await messages.next()
            await world.propose(run, RUNNING)
            assert "state_change" in await messages.next()


class TestBufCurl:
    @pytest.fixture
    def buf(self) -> Tool:
        return Tool(tool("buf"), "curl", "--http2-prior-knowledge", "--protocol", "grpc")

    @pytest.mark.parametrize("protocol", ["grpc-v1", "grpc-v1alpha"])
    async def test_it_lists_through_both_versions_of_reflection(
        self, buf: Tool, program: Program, protocol: str
    ) -> None:
        version = ("--reflect-protocol", protocol)

        services = await buf.run(*version, "--list-services", f"http://{program.target}")
        methods = await buf.run(*version, "--list-methods", f"http://{program.target}")

        assert {*SERVICES, *STANDARD} <= set(services.split())
        assert f"{FLOW_RUNS}/WatchFlowRuns" in methods.split()

    @pytest.mark.parametrize(
        "schema",
        [
            pytest.param(("--reflect-protocol", "grpc-v1"), id="reflection v1"),
            pytest.param(("--reflect-protocol", "grpc-v1alpha"), id="reflection v1alpha"),
            pytest.param(("--schema", str(ROOT)), id="the contract itself"),
        ],
    )
    async def test_it_calls(
        self, buf: Tool, program: Program, world: World, schema: Sequence[str]
    ) -> None:
        run = await world.new_run()

        printed = await buf.run(
            *schema,
            *("--data", json.dumps({"flow_run_id": run.id})),
            f"http://{program.target}/{FLOW_RUNS}/GetFlowRun",
        )

        assert json.loads(printed)["flowRun"]["name"] == run.name

    async def test_it_tells_why_it_was_refused(self, buf: Tool, program: Program) -> None:
        code, _, said = await buf.end(
            *("--data", json.dumps({"flow_run_id": MISSING})),
            f"http://{program.target}/{FLOW_RUNS}/GetFlowRun",
        )

        assert code != 0
        refusal = json.loads(said)
        assert refusal["code"] == "not_found"
        assert "google.rpc.ErrorInfo" in [detail["type"] for detail in refusal["details"]]

    async def test_it_watches(self, buf: Tool, program: Program, world: World) -> None:
        run = await world.new_run()
        request = {"flow_run_ids": [run.id], "send_initial_state": True}

        async with buf.listening(
            *("--data", json.dumps(request)),
            f"http://{program.target}/{FLOW_RUNS}/WatchFlowRuns",
        ) as messages:
            assert "snapshot" in await messages.next()
            assert "snapshotComplete" in await messages.next()
            await world.propose(run, RUNNING)
            assert "stateChange" in await messages.next()
