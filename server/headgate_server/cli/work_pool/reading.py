"""Reading: `ls` and `show`."""

from collections.abc import Iterator
from datetime import UTC, datetime

import typer
from rich.text import Text

from headgate import Worker, WorkerStatus, WorkPool, WorkQueueWithHealth, WorkStatus
from headgate_server.cli import words
from headgate_server.cli.examples import examples
from headgate_server.cli.options import DEFAULT_TARGET, AsJson, Target, connected
from headgate_server.cli.output import out, print_json, print_table
from headgate_server.cli.work_pool.naming import Pool, limit_text

app = typer.Typer(rich_markup_mode="rich")

_STYLES = {
    WorkStatus.READY: "green",
    WorkStatus.NOT_READY: "red",
    WorkStatus.PAUSED: "yellow",
}


@app.command(epilog=examples("headgate work-pool ls", "headgate work-pool ls --json"))
def ls(*, target: Target = DEFAULT_TARGET, as_json: AsJson = False) -> None:
    """List work pools by name."""
    with connected(target) as client:
        pools = list(client.work_pools.iterate(page_size=1000))
    if as_json:
        for pool in pools:
            print_json(pool)
        return
    print_table(
        ("NAME", "TYPE", "STATUS", "LIMIT", "CREATED"),
        [
            (
                pool.name,
                pool.type,
                status_text(pool.status),
                limit_text(pool.concurrency_limit),
                words.moment(pool.create_time),
            )
            for pool in pools
        ],
    )


@app.command(epilog=examples("headgate work-pool show docker"))
def show(name: Pool, *, target: Target = DEFAULT_TARGET, as_json: AsJson = False) -> None:
    """Show a work pool with its queues, how well they are served, and its workers.

    With --json one object with the members `work_pool`, `work_queues` and `workers`.
    """
    with connected(target) as client:
        pool = client.work_pools.get(name)
        queues = [
            client.work_queues.get_status(queue.id) for queue in client.work_queues.iterate(name)
        ]
        workers = list(client.workers.iterate(name))
    if as_json:
        print_json({"work_pool": pool, "work_queues": queues, "workers": workers})
        return
    console = out()
    for heading, fact in _facts(pool):
        console.print(Text.assemble((f"{heading:<14}", "dim"), fact))
    _print_queues(queues)
    if workers:
        _print_workers(workers)


def status_text(status: WorkStatus | None) -> Text:
    """Return a status in its colour."""
    if status is None:
        return Text("-", style="dim")
    return Text(status.lower().replace("_", " "), style=_STYLES.get(status, ""))


def _facts(pool: WorkPool) -> Iterator[tuple[str, str | Text]]:
    yield "id", str(pool.id)
    yield "name", Text(pool.name, style="bold")
    yield "type", pool.type
    yield "status", status_text(pool.status)
    yield "limit", limit_text(pool.concurrency_limit)
    yield "created", words.moment(pool.create_time)
    if pool.description:
        yield "description", pool.description
    if pool.base_job_template:
        yield "template", words.value(pool.base_job_template)


def _print_queues(queues: list[WorkQueueWithHealth]) -> None:
    now = datetime.now(UTC)
    print_table(
        ("PRIORITY", "QUEUE", "STATUS", "HEALTH", "LATE", "LIMIT", "POLLED"),
        [
            (
                str(queue.priority),
                queue.name,
                status_text(queue.status),
                Text("healthy", style="green")
                if health.healthy
                else Text("unhealthy", style="red"),
                str(health.late_runs_count),
                limit_text(queue.concurrency_limit),
                "never"
                if queue.last_polled_time is None
                else words.ago(queue.last_polled_time, now),
            )
            for told in queues
            for queue, health in [(told.work_queue, told.health)]
        ],
    )


def _print_workers(workers: list[Worker]) -> None:
    now = datetime.now(UTC)
    print_table(
        ("WORKER", "STATUS", "LAST HEARTBEAT"),
        [
            (
                worker.name,
                Text(
                    worker.status.lower(),
                    style="green" if worker.status is WorkerStatus.ONLINE else "dim",
                ),
                words.ago(worker.last_heartbeat_time, now),
            )
            for worker in workers
        ],
    )
