"""What a program does that upgrades a database at the same moment as another. Run in a process of its own."""

from multiprocessing.synchronize import Barrier

from headgate_server.storage.schema import upgrade


def upgrade_together(url: str, everybody_is_there: Barrier) -> None:
    """Upgrade a database once the others are about to."""
    everybody_is_there.wait(timeout=15)
    upgrade(url)
