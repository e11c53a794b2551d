"""Queues: `queue create`, `queue update`, `queue pause`, `queue unpause` and `queue delete`."""

from typing import Annotated

import typer

from headgate import UNSET
from headgate_server.cli.examples import examples
from headgate_server.cli.options import DEFAULT_TARGET, AsJson, Target, connected
from headgate_server.cli.output import err, print_json
from headgate_server.cli.work_pool.naming import Limit, NoLimit, Pool, Queue, new_limit

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@app.callback()
def queue() -> None:
    """Create, change, pause and delete the queues of a work pool; `show` lists them."""


@app.command(
    epilog=examples(
        "headgate work-pool queue create docker urgent --priority 1 --concurrency-limit 5"
    )
)
def create(
    pool: Pool,
    name: Queue,
    *,
    description: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    priority: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Its place, 1 first. Default: the lowest that is free."
        ),
    ] = None,
    concurrency_limit: Limit = None,
    paused: Annotated[bool, typer.Option("--paused", help="Hand out nothing at first.")] = False,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Create a queue in a work pool, and print its id."""
    with connected(target) as client:
        made = client.work_queues.create(
            pool,
            name,
            description=description,
            priority=priority,
            concurrency_limit=concurrency_limit,
            paused=paused,
        )
    if as_json:
        print_json(made)
        return
    print(made.id)  # noqa: T201
    err().print(f"Created queue {pool}/{name} with priority {made.priority}", markup=False)


@app.command(epilog=examples("headgate work-pool queue update docker urgent --priority 2"))
def update(
    pool: Pool,
    name: Queue,
    *,
    new_name: Annotated[
        str | None, typer.Option("--name", metavar="TEXT", help="The new name.")
    ] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for.")] = None,
    priority: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Its place, 1 first.")
    ] = None,
    concurrency_limit: Limit = None,
    no_concurrency_limit: NoLimit = False,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Change a queue. What is not given stays."""
    with connected(target) as client:
        changed = client.work_queues.update(
            (pool, name),
            name=UNSET if new_name is None else new_name,
            description=UNSET if description is None else description,
            priority=UNSET if priority is None else priority,
            concurrency_limit=new_limit(concurrency_limit, is_lifted=no_concurrency_limit),
        )
    if as_json:
        print_json(changed)
    else:
        err().print(f"Changed queue {pool}/{changed.name}", markup=False)


@app.command(epilog=examples("headgate work-pool queue pause docker urgent"))
def pause(
    pool: Pool, name: Queue, *, target: Target = DEFAULT_TARGET, as_json: AsJson = False
) -> None:
    """Hand out nothing from a queue."""
    _set_paused(pool, name, target, is_paused=True, as_json=as_json)


@app.command(epilog=examples("headgate work-pool queue unpause docker urgent"))
def unpause(
    pool: Pool, name: Queue, *, target: Target = DEFAULT_TARGET, as_json: AsJson = False
) -> None:
    """Hand out from a queue again."""
    _set_paused(pool, name, target, is_paused=False, as_json=as_json)


def _set_paused(pool: str, name: str, target: str, *, is_paused: bool, as_json: bool) -> None:
    with connected(target) as client:
        changed = client.work_queues.update((pool, name), paused=is_paused)
    if as_json:
        print_json(changed)
    else:
        err().print(f"{'Paused' if is_paused else 'Unpaused'} queue {pool}/{name}", markup=False)


@app.command(epilog=examples("headgate work-pool queue delete docker urgent"))
def delete(
    pool: Pool, name: Queue, *, target: Target = DEFAULT_TARGET, as_json: AsJson = False
) -> None:
    """Delete a queue. Runs and deployments stay, without a queue."""
    with connected(target) as client:
        client.work_queues.delete((pool, name))
    if as_json:
        print_json({"work_pool_name": pool, "name": name})
    else:
        err().print(f"Deleted queue {pool}/{name}", markup=False)
