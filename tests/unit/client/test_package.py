"""The package: quick to import, on its own feet, and complete."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import headgate
from headgate import (
    client,
    concurrency_limits,
    deployments,
    flow_runs,
    flows,
    inputs,
    server,
    sync,
    task_runs,
    variables,
    work_pools,
    work_queues,
    workers,
)


def in_a_fresh_interpreter(program: str) -> Any:
    """Return what a program prints as JSON."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def test_importing_is_quick() -> None:
    program = (
        "import time; began = time.process_time(); import headgate; "
        "print(time.process_time() - began)"
    )

    assert min(in_a_fresh_interpreter(program) for _ in range(3)) < 0.4


def test_importing_loads_neither_the_server_nor_what_only_it_needs() -> None:
    program = (
        "import json, sys; import headgate.sync; "
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )

    loaded = set(in_a_fresh_interpreter(program))

    assert "headgate" in loaded
    assert not loaded & {
        "headgate_server",
        "msgspec",
        "pydantic",
        "sqlalchemy",
        "structlog",
        "jsonschema",
        "typer",
        "rich",
    }


def test_the_version_is_that_of_the_distribution() -> None:
    assert headgate.__version__.count(".") == 2


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = headgate.nothing  # type: ignore[attr-defined]


def test_every_public_name_is_there_and_documented() -> None:
    for name in headgate.__all__:
        value = getattr(headgate, name)
        assert not callable(value) or value.__doc__, name


FACES = [
    (flows.Flows, sync.Flows),
    (flow_runs.FlowRuns, sync.FlowRuns),
    (inputs.FlowRunInputs, sync.FlowRunInputs),
    (deployments.Deployments, sync.Deployments),
    (task_runs.TaskRuns, sync.TaskRuns),
    (concurrency_limits.ConcurrencyLimits, sync.ConcurrencyLimits),
    (work_pools.WorkPools, sync.WorkPools),
    (work_queues.WorkQueues, sync.WorkQueues),
    (workers.Workers, sync.Workers),
    (variables.Variables, sync.Variables),
    (server.Server, sync.Server),
]


@pytest.mark.parametrize(("awaiting", "blocking"), FACES, ids=lambda face: face.__module__)
def test_both_faces_have_the_same_methods(awaiting: type, blocking: type) -> None:
    assert set(public_methods(awaiting)) == set(public_methods(blocking))


def test_both_clients_have_the_same_parts_and_arguments() -> None:
    assert set(public_methods(client.Client)) == set(public_methods(sync.Client))
    assert client.Client.__init__.__annotations__ == sync.Client.__init__.__annotations__


@pytest.mark.parametrize(("awaiting", "blocking"), FACES, ids=lambda face: face.__module__)
def test_methods_of_the_blocking_face_have_the_words_of_their_namesakes(
    awaiting: type, blocking: type
) -> None:
    for name in public_methods(blocking):
        assert getattr(blocking, name).__doc__ == getattr(awaiting, name).__doc__


@pytest.mark.parametrize("awaiting", [face for face, _ in FACES], ids=lambda face: face.__name__)
def test_the_documentation_of_a_method_names_each_argument(awaiting: type) -> None:
    for name, method in public_methods(awaiting).items():
        documented = method.__doc__ or ""
        for argument in set(method.__annotations__) - {"return"}:
            assert f" {argument}: " in documented, f"{name}({argument})"


def public_methods(kind: type) -> dict[str, Callable[..., object]]:
    return {
        name: getattr(kind, name)
        for name in dir(kind)
        if not name.startswith("_") and callable(getattr(kind, name))
    }
