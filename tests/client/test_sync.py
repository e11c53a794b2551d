"""The blocking face: the same without await, for any number of threads."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

import headgate
from headgate import FlowRun, StateChange, errors
from headgate._portal import PORTAL
from headgate.sync import Client
from tests.client.faults import FaultyDoor


@pytest.fixture
def client(server_target: str) -> Iterator[Client]:
    """Return a blocking client."""
    with Client(server_target) as connected:
        yield connected


@pytest.fixture
def flow_id(client: Client) -> UUID:
    """Return a flow of its own for the test."""
    return client.flows.create(f"flow-{uuid4()}").flow.id


@pytest.fixture
def make_run(client: Client, flow_id: UUID) -> Callable[[], FlowRun]:
    """Return what makes runs that run."""
    return lambda: client.flow_runs.create(flow_id, state=headgate.Running()).flow_run


def test_a_run_is_driven_without_await(client: Client, make_run: Callable[[], FlowRun]) -> None:
    run = make_run()

    client.flow_runs.pause_flow_run(run.id, schema=int)
    client.flow_runs.resume_flow_run(run.id, {"value": 4})
    answer = client.flow_runs.wait_for_resume(run.id, schema=int)
    client.flow_runs.set_state(run.id, headgate.Completed(data=answer))

    ended = client.flow_runs.wait_for_flow_run(run.id, timeout=10)
    assert ended.state is not None
    assert ended.state.data == 4


def test_lists_are_iterated_over(
    client: Client, flow_id: UUID, make_run: Callable[[], FlowRun]
) -> None:
    runs = [make_run() for _ in range(3)]
    ours = headgate.FlowFilter(id=headgate.IdFilter(any=[flow_id]))

    listed = [run.id for run in client.flow_runs.iterate(ours, page_size=2)]

    assert listed == [run.id for run in reversed(runs)]


def test_events_are_iterated_over(client: Client, make_run: Callable[[], FlowRun]) -> None:
    run = make_run()
    with client.flow_runs.watch_flow_run(run.id) as events:
        next(events)
        client.flow_runs.set_state(run.id, headgate.Completed())

        names = [event.state.name for event in events if isinstance(event, StateChange)]

    assert names == ["Completed"]


def test_errors_are_the_same(client: Client) -> None:
    with pytest.raises(errors.FlowRunNotFoundError):
        client.flow_runs.get(uuid4())
    with pytest.raises(ValueError, match="is negative"):
        client.flow_runs.wait_for_flow_run(uuid4(), timeout=-1)


def test_many_threads_share_a_client(client: Client, flow_id: UUID) -> None:
    with ThreadPoolExecutor(8) as threads:
        created = list(threads.map(lambda _: client.flow_runs.create(flow_id), range(24)))

    assert len({each.flow_run.id for each in created}) == 24


def test_one_thread_waits_while_another_works(
    client: Client, make_run: Callable[[], FlowRun]
) -> None:
    run = make_run()
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(client.flow_runs.wait_for_flow_run, run.id, 10)

        client.flow_runs.set_state(run.id, headgate.Completed())

        assert waiting.result(10).is_final


def test_closing_an_iterator_ends_whoever_waits_for_it(
    door: FaultyDoor, make_run: Callable[[], FlowRun]
) -> None:
    run = make_run()
    with Client(door.target) as shaky, ThreadPoolExecutor(1) as other:
        events = shaky.flow_runs.watch_flow_run(run.id, until=None, send_initial_state=False)
        waiting = other.submit(list, events)
        door.wait_for_calls("WatchFlowRuns", 1)

        events.close()

        assert waiting.result(10) == []
        assert list(events) == []
        door.wait_until_no_streams()


def test_closing_the_client_ends_whoever_waits(
    door: FaultyDoor, make_run: Callable[[], FlowRun]
) -> None:
    run = make_run()
    shaky = Client(door.target)
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(shaky.flow_runs.wait_for_flow_run, run.id)
        door.wait_for_calls("WatchFlowRuns", 1)

        shaky.close()

        assert isinstance(waiting.exception(10), errors.ClientClosedError)


def test_a_closed_client_says_so_however_often(server_target: str) -> None:
    client = Client(server_target)
    events = client.flow_runs.watch_flow_runs()
    client.close()

    client.close()
    events.close()

    with pytest.raises(errors.ClientClosedError):
        client.server.get_info()


def test_the_thread_ends_with_the_last_client(server_target: str) -> None:
    first, second = Client(server_target), Client(server_target)
    first.close()
    assert second.server.get_info().epoch
    second.close()

    names = [thread.name for thread in threading.enumerate()]

    assert "headgate" not in names


def test_a_forgotten_client_leaves_no_thread_behind(server_target: str) -> None:
    client = Client(server_target)
    client.server.get_info()

    del client

    assert "headgate" not in [thread.name for thread in threading.enumerate()]


def test_a_blocking_call_from_the_loop_itself_is_refused(client: Client) -> None:
    async def blocking() -> None:
        client.server.get_info()

    with pytest.raises(RuntimeError, match="the very thread"):
        PORTAL.run(blocking())


async def test_it_works_beside_a_running_loop(server_target: str) -> None:
    def script() -> str:
        with Client(server_target) as client:
            return client.server.get_info().epoch

    async with headgate.Client(server_target) as awaiting:
        assert await asyncio.to_thread(script) == (await awaiting.server.get_info()).epoch


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_ctrl_c_ends_a_call_that_blocks(door: FaultyDoor, make_run: Callable[[], FlowRun]) -> None:
    run = make_run()
    program = (
        "import sys; from headgate.sync import Client\n"
        "with Client(sys.argv[1]) as client:\n"
        "    try:\n"
        "        client.flow_runs.wait_for_flow_run(sys.argv[2])\n"
        "    except KeyboardInterrupt:\n"
        "        print(client.flow_runs.get(sys.argv[2]).state, flush=True)\n"
        "        sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, door.target, str(run.id)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        door.wait_for_calls("WatchFlowRuns", 1)

        process.send_signal(signal.SIGINT)

        assert process.stdout is not None
        assert process.stdout.readline() == "Running()\n"
        door.wait_until_no_streams()
        process.communicate("", timeout=10)
    assert process.returncode == 0
