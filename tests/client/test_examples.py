"""The examples in the documentation of the client, word for word, and without await as well."""

import ast
import asyncio
import inspect
import re
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest

import headgate
from headgate import Client, client, flow_runs, inputs, sync, task_runs
from tests.client.conftest import MakeRun

HELPERS = {
    "watch_flow_run",
    "watch_flow_runs",
    "watch_task_run",
    "watch_task_runs",
    "wait_for_flow_run",
    "wait_for_flow_runs",
    "flow_runs_as_completed",
    "wait_for_resume",
    "pause_flow_run",
    "suspend_flow_run",
    "resume_flow_run",
    "cancel_flow_run",
    "send_input",
    "receive_input",
}

# Examples that wait for the end of a run, or for an answer: what others have done by then.
AFTER_THE_END = {
    "headgate",
    "headgate.sync",
    "watch_flow_run",
    "watch_task_run",
    "wait_for_flow_run",
    "wait_for_flow_runs",
    "flow_runs_as_completed",
}
AFTER_THE_ANSWER = {"wait_for_resume"}


def examples_of(documented: object, name: str) -> Iterator[tuple[str, str]]:
    """Yield the examples in a documentation string."""
    for found in re.finditer(r"```python\n(.*?)```", inspect.getdoc(documented) or "", re.DOTALL):
        yield name, textwrap.dedent(found[1].expandtabs())


def all_examples() -> dict[str, str]:
    """Return every example by the name of what it is the example of."""
    places: list[type | ModuleType] = [headgate, sync, client.Client]
    examples = {
        place.__name__: code for place in places for _, code in examples_of(place, place.__name__)
    }
    for kind in (flow_runs.FlowRuns, task_runs.TaskRuns, inputs.FlowRunInputs):
        for name, method in inspect.getmembers(kind, callable):
            if not name.startswith("_"):
                examples |= dict(examples_of(method, name))
    return examples


EXAMPLES = all_examples()


@pytest.fixture
async def names(
    client: Client,
    a_run: MakeRun,
    server_target: str,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Any]:
    """Return what the examples take as given."""
    monkeypatch.setenv("HEADGATE_TARGET", server_target)
    runs = [await a_run(deployment_id=uuid4()) for _ in range(3)]
    schema = {"type": "object", "properties": {"approved": {"type": "boolean"}}}
    await client.flow_runs.pause_flow_run(runs[2].id, schema=schema)
    await client.inputs.send_input("hello", runs[0].id)
    task_run = (await client.task_runs.create(runs[0].id, "task", "0")).task_run
    return {
        "headgate": headgate,
        "flow_run_id": runs[0].id,
        "flow_run_ids": [runs[0].id, runs[1].id],
        "paused_run_id": runs[2].id,
        "task_run_id": task_run.id,
    }


async def let_others_act(client: Client, example: str, names: dict[str, Any]) -> None:
    """Do what an example expects others to do."""
    if example in AFTER_THE_END:
        await client.task_runs.set_state(names["task_run_id"], headgate.Completed())
        for run_id in names["flow_run_ids"]:
            await client.flow_runs.set_state(run_id, headgate.Completed())
    if example in AFTER_THE_ANSWER:
        paused: UUID = names["paused_run_id"]
        await client.flow_runs.resume_flow_run(paused, {"approved": True})


def test_every_helper_has_an_example() -> None:
    assert set(EXAMPLES) >= HELPERS


@pytest.mark.parametrize("example", sorted(EXAMPLES.keys() - {"headgate.sync"}))
async def test_an_example_runs(client: Client, names: dict[str, Any], example: str) -> None:
    await let_others_act(client, example, names)
    names["client"] = client
    code = compile(
        EXAMPLES[example], example, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
    )
    run: Callable[[], Awaitable[None]] = lambda: eval(code, names)  # noqa: E731, S307 - our own words

    await run()


@pytest.mark.parametrize("example", sorted(EXAMPLES))
async def test_an_example_runs_without_await(
    client: Client, names: dict[str, Any], example: str, server_target: str
) -> None:
    await let_others_act(client, example, names)
    code = re.sub(r"\b(await|async) ", "", EXAMPLES[example])
    code = code.replace("headgate.Client(", "headgate.sync.Client(")

    def script() -> None:
        with sync.Client(server_target) as blocking:
            exec(compile(code, example, "exec"), names | {"client": blocking})  # noqa: S102 - ours

    await asyncio.to_thread(script)
