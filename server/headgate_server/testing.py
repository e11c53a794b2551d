"""The real service inside a test: for ours and for those of users.

Example:
    ```python
    async with running_server(tmp_path / "headgate.db") as target:
        async with headgate.Client(target) as client:
            flow = await client.flows.create("etl")
    ```
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from headgate_server.app import App
from headgate_server.settings import Settings
from headgate_server.storage.schema import prepare


@asynccontextmanager
async def running_server(database: Path | str, **flags: str) -> AsyncIterator[str]:
    """Run a server on loopback, on a port of its own, and stop it afterwards.

    Args:
        database: A SQLite file, made if it is not there, or the URL of a database.
        **flags: Settings by name, as in `late_after="1s"`.

    Yields:
        The target for a client.
    """
    url = f"sqlite:///{database}" if isinstance(database, Path) else database
    app = await started_app(Settings.read({}, {"database": url, "listen": "127.0.0.1:0", **flags}))
    try:
        yield f"127.0.0.1:{app.port}"
    finally:
        await app.stop()


async def started_app(settings: Settings) -> App:
    """Bring the schema up to date and start a server."""
    await asyncio.to_thread(prepare, settings.database)
    app = App(settings)
    await app.start()
    return app
