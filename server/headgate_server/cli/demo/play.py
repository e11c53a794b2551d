"""The play: two jobs, their watchers, a person, and a server that is killed."""

import asyncio
import json
import shlex
import time
from typing import Any, Final

from headgate import Client, FlowRun
from headgate_server.cli import words
from headgate_server.cli.demo.orders import (
    BATCHES,
    FLOW,
    QUESTION_KEY,
    euros,
    read_orders,
    total_cents,
    write_orders,
)
from headgate_server.cli.demo.promises import (
    Promise,
    Seen,
    nothing_is_lost,
    versions_count_up,
    watched_in_full,
)
from headgate_server.cli.demo.stage import JOB, PROGRAM, Child, Record, Stage, environment
from headgate_server.cli.demo.voices import Voices
from headgate_server.cli.outcomes import ExitCode, ProgramError

WRONG_ANSWER: Final = {"decision": "perhaps"}
RIGHT_ANSWER: Final = {"decision": "hold", "note": "We call you back."}
_KILL_AT: Final = 6
"""How many states of the second job are acknowledged when the server is killed: in the middle of its batches."""


class Play:
    """Plays both jobs, and tells which promises were kept."""

    def __init__(self, stage: Stage, voices: Voices, *, has_person: bool) -> None:
        """Set the scene.

        Args:
            stage: Where the processes run.
            voices: What tells the play.
            has_person: Whether the person at the keyboard answers, instead of us.
        """
        self._stage = stage
        self._voices = voices
        self._has_person = has_person
        self._target = ""
        self._watchers: list[Child] = []

    async def perform(self) -> list[Promise]:
        """Play, and return what was promised.

        Raises:
            ProgramError: Something went wrong before the promises could be looked at.
        """
        orders = self._stage.path / "orders.csv"
        await asyncio.to_thread(write_orders, orders)
        self._voices.title("A server on a new SQLite file, and two watchers in other processes")
        server = await self._serve("127.0.0.1:0")
        self._watchers = [await self._watch("watcher 1"), await self._watch("watcher 2")]
        await self._stage.until(
            lambda: all(each.records for each in self._watchers), "the watchers watch"
        )
        async with Client(self._target) as client:
            self._voices.title("First job: orders are reviewed, and a person decides")
            promises = await self._review(client)
            self._voices.title("Second job: orders are packed, and the server is killed meanwhile")
            return [*promises, *await self._pack(client, server)]

    async def _serve(self, address: str) -> Child:
        """Start the server and wait until it serves."""
        database = f"sqlite:///{self._stage.path / 'headgate.db'}"
        began = time.monotonic()
        server = await self._stage.start(
            "server",
            *PROGRAM,
            "serve",
            *("--database", database),
            *("--listen", address),
            *("--log-format", "json"),
        )
        await self._stage.until(lambda: "serving" in server.told("event"), "the server takes calls")
        [port] = server.told("port")
        self._target = f"127.0.0.1:{port}"
        self._voices.say(
            "server", f"serves at {self._target}, {time.monotonic() - began:.1f} s after its start"
        )
        return server

    async def _watch(self, name: str) -> Child:
        return await self._stage.start(
            name,
            *self._command("watch", "--flow", FLOW, "--snapshot", "--json"),
            hear=lambda event: self._voices.change(name, event),
        )

    async def _work(self, name: str) -> Child:
        """Start the worker and wait until it has made its run."""

        def hear(record: Record) -> None:
            if "say" in record:
                self._voices.say("worker", record["say"])

        orders = str(self._stage.path / "orders.csv")
        worker = await self._stage.start("worker", *JOB, name, self._target, orders, hear=hear)
        await self._stage.until(lambda: bool(worker.told("run")), "the worker has made its run")
        return worker

    async def _review(self, client: Client) -> list[Promise]:
        worker = await self._work("review")
        [run_id] = worker.told("run")
        waiter = await self._stage.start("waiter", *self._command("wait", run_id, "--json"))
        await self._stage.until(
            lambda: all("PAUSED" in self._types(each, run_id) for each in self._watchers),
            "the watchers have seen the pause",
        )
        question = await client.inputs.get(run_id, f"paused-{QUESTION_KEY}-description")
        self._voices.say("person", f"is asked: {question.value}")
        promises = []
        if self._has_person:
            await self._let_answer(run_id)
        else:
            promises.append(await self._answer_wrong(client, run_id))
            await self._resume(run_id, RIGHT_ANSWER)
        await self._stage.finished(worker)
        code = await self._stage.ended(waiter)
        self._voices.say("waiter", f"has returned: {words.value(waiter.told('state')[0]['data'])}")
        run = await client.flow_runs.get(run_id)
        return [
            *promises,
            Promise(
                text=f"the run went on with the answer and ended {run.state}",
                holds=run.state is not None and run.state.is_completed,
            ),
            Promise(text="whoever waited for it was told", holds=code == ExitCode.DONE),
            *await self._watched(client, run),
        ]

    async def _answer_wrong(self, client: Client, run_id: str) -> Promise:
        """Answer with what the schema does not allow."""
        refused = await self._resume(run_id, WRONG_ANSWER)
        run = await client.flow_runs.get(run_id)
        return Promise(
            text="the wrong answer was refused with the reason, and the run stayed paused",
            holds=refused.code == ExitCode.REFUSED
            and "decision" in " ".join(refused.words)
            and run.state is not None
            and run.state.is_paused,
        )

    async def _resume(self, run_id: str, answer: dict[str, Any]) -> Child:
        arguments = ("resume", run_id, "--input", json.dumps(answer))
        self._voices.typed(shlex.join(("headgate", "flow-run", *arguments)))
        command = await self._stage.start("person", *self._command(*arguments))
        await self._stage.ended(command)
        for line in command.words:
            self._voices.say("person", line)
        return command

    async def _let_answer(self, run_id: str) -> None:
        """Let the person at the keyboard answer."""
        self._voices.typed(f"headgate flow-run resume {run_id}")
        process = await asyncio.create_subprocess_exec(
            *self._command("resume", run_id), env=environment()
        )
        code = await process.wait()
        if code != ExitCode.DONE:
            raise ProgramError("The question was not answered.", ExitCode.INTERRUPTED)

    async def _pack(self, client: Client, server: Child) -> list[Promise]:
        worker = await self._work("pack")
        [run_id] = worker.told("run")
        await self._stage.until(
            lambda: len(self._acknowledged(worker)) >= _KILL_AT, "the job is half done"
        )
        await self._stage.kill(server)
        before = len(self._acknowledged(worker))
        self._voices.say(
            "server", f"killed with SIGKILL; {before} states were acknowledged by then"
        )
        await self._serve(self._target)
        await self._stage.finished(worker)
        run = await client.flow_runs.get(run_id)
        kept = await self._kept(client, run)
        total = total_cents(read_orders(self._stage.path / "orders.csv"))
        data = run.state.data if run.state is not None else None
        return [
            Promise(
                text=f"the server was killed after batch {before - 2} of {BATCHES}",
                holds=0 < before - 2 < BATCHES,
            ),
            nothing_is_lost(self._acknowledged(worker), kept),
            versions_count_up(kept),
            *await self._watched(client, run),
            Promise(
                text=f"the job ended with everything packed, {euros(total)}",
                holds=isinstance(data, dict) and data.get("cents") == total,
            ),
        ]

    async def _watched(self, client: Client, run: FlowRun) -> list[Promise]:
        """Wait until the watchers have seen the end, and compare what they saw with what is kept."""
        run_id, kept = str(run.id), await self._kept(client, run)
        await self._stage.until(
            lambda: all(self._seen(each, run_id)[-1:] == kept[-1:] for each in self._watchers),
            "the watchers have seen the end",
        )
        return [
            watched_in_full(each.name, self._seen(each, run_id), kept) for each in self._watchers
        ]

    def _command(self, *arguments: str) -> tuple[str, ...]:
        return (*PROGRAM, "flow-run", *arguments, "--target", self._target)

    @staticmethod
    async def _kept(client: Client, run: FlowRun) -> list[Seen]:
        """Return the states that the server has of a run."""
        return [
            (state.version, str(state.id))
            async for state in client.flow_runs.iterate_states(run.id)
        ]

    @staticmethod
    def _acknowledged(worker: Child) -> list[Seen]:
        """Return the states that were acknowledged to a worker."""
        return [(told["version"], told["id"]) for told in worker.told("acknowledged")]

    @staticmethod
    def _changes(watcher: Child, run_id: str) -> list[Record]:
        return [
            event["state"]
            for event in watcher.records
            if event["event"] == "state_change" and event["flow_run"]["id"] == run_id
        ]

    def _seen(self, watcher: Child, run_id: str) -> list[Seen]:
        """Return the states of a run that a watcher has seen."""
        return [(state["version"], state["id"]) for state in self._changes(watcher, run_id)]

    def _types(self, watcher: Child, run_id: str) -> list[str]:
        return [state["type"] for state in self._changes(watcher, run_id)]
