"""How a command line names a deployment: by its id, or by the names of its flow and of itself."""

from typing import Annotated, TypeAlias
from uuid import UUID

import typer

from headgate import Deployment
from headgate.sync import Client

Named: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="DEPLOYMENT", help="The id of the deployment, or FLOW/NAME.", show_default=False
    ),
]


def find(client: Client, name: str) -> Deployment:
    """Return the deployment that a text names.

    Raises:
        DeploymentNotFoundError: There is none.
    """
    flow_name, mark, own_name = name.partition("/")
    if mark:
        return client.deployments.get_by_name(flow_name, own_name)
    try:
        deployment_id = UUID(name)
    except ValueError:
        raise typer.BadParameter(
            f"{name!r} is neither the id of a deployment nor FLOW/NAME."
        ) from None
    return client.deployments.get(deployment_id)
