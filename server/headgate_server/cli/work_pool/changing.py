"""Changing: `create`, `update`, `pause`, `unpause` and `delete`."""

from typing import Annotated, Any

import typer

from headgate import UNSET
from headgate_server.cli.examples import examples
from headgate_server.cli.options import (
    DEFAULT_TARGET,
    AsJson,
    Target,
    connected,
    json_object_or_file,
)
from headgate_server.cli.output import err, print_json
from headgate_server.cli.work_pool.naming import Limit, NoLimit, Pool, new_limit

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    epilog=examples(
        "headgate work-pool create docker --type docker",
        "headgate work-pool create batch --type process --concurrency-limit 10",
    )
)
def create(
    name: Pool,
    *,
    type_: Annotated[
        str, typer.Option("--type", metavar="TEXT", help="What kind of infrastructure it is.")
    ] = "process",
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for.")] = None,
    template: Annotated[
        dict[str, Any] | None,
        typer.Option(
            parser=json_object_or_file,
            metavar="JSON",
            help="How its workers make a job of a run, with `job_configuration` and `variables`: a JSON object, or a file with one.",
        ),
    ] = None,
    concurrency_limit: Limit = None,
    paused: Annotated[bool, typer.Option("--paused", help="Hand out nothing at first.")] = False,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Create a work pool with its default queue, and print its id."""
    with connected(target) as client:
        pool = client.work_pools.create(
            name,
            type=type_,
            description=description,
            base_job_template=template,
            paused=paused,
            concurrency_limit=concurrency_limit,
        )
    if as_json:
        print_json(pool)
        return
    print(pool.id)  # noqa: T201
    err().print(f"Created work pool {pool.name}", markup=False)


@app.command(
    epilog=examples(
        "headgate work-pool update docker --concurrency-limit 20",
        "headgate work-pool update docker --no-concurrency-limit",
    )
)
def update(
    name: Pool,
    *,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for.")] = None,
    template: Annotated[
        dict[str, Any] | None,
        typer.Option(
            parser=json_object_or_file, metavar="JSON", help="How its workers make a job of a run."
        ),
    ] = None,
    concurrency_limit: Limit = None,
    no_concurrency_limit: NoLimit = False,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Change a work pool. What is not given stays."""
    with connected(target) as client:
        pool = client.work_pools.update(
            name,
            description=UNSET if description is None else description,
            base_job_template=UNSET if template is None else template,
            concurrency_limit=new_limit(concurrency_limit, is_lifted=no_concurrency_limit),
        )
    if as_json:
        print_json(pool)
    else:
        err().print(f"Changed work pool {pool.name}", markup=False)


@app.command(epilog=examples("headgate work-pool pause docker"))
def pause(name: Pool, *, target: Target = DEFAULT_TARGET, as_json: AsJson = False) -> None:
    """Hand out nothing from any queue of a work pool."""
    _set_paused(name, target, is_paused=True, as_json=as_json)


@app.command(epilog=examples("headgate work-pool unpause docker"))
def unpause(name: Pool, *, target: Target = DEFAULT_TARGET, as_json: AsJson = False) -> None:
    """Hand out from the queues of a work pool again."""
    _set_paused(name, target, is_paused=False, as_json=as_json)


def _set_paused(name: str, target: str, *, is_paused: bool, as_json: bool) -> None:
    with connected(target) as client:
        pool = client.work_pools.update(name, paused=is_paused)
    if as_json:
        print_json(pool)
    else:
        err().print(f"{'Paused' if is_paused else 'Unpaused'} work pool {pool.name}", markup=False)


@app.command(epilog=examples("headgate work-pool delete docker"))
def delete(name: Pool, *, target: Target = DEFAULT_TARGET, as_json: AsJson = False) -> None:
    """Delete a work pool with its queues and workers. Runs and deployments stay, without a queue."""
    with connected(target) as client:
        client.work_pools.delete(name)
    if as_json:
        print_json({"name": name})
    else:
        err().print(f"Deleted work pool {name}", markup=False)
