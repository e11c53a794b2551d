import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headgate_server.model.states import StateType
from headgate_server.storage.database import Database
from headgate_server.storage.schema import HEAD_REVISION, upgrade
from tests.acceptance.cli.commands import Ended, called, clean_environment
from tests.builders import a_flow, a_flow_run, a_state
from tests.storing import store

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]


def db(directory: Path, *arguments: str) -> Ended:
    return called(["db", *arguments], clean_environment(), directory)


def test_a_database_is_made_looked_at_and_given_a_new_identity(tmp_path: Path) -> None:
    flags = ("--database", "sqlite:///new/runs.db", "--json")

    missing = db(tmp_path, "status", *flags)
    upgraded = db(tmp_path, "upgrade", *flags)
    before = db(tmp_path, "status", *flags)
    changed = db(tmp_path, "new-epoch", *flags)
    after = db(tmp_path, "status", *flags)

    assert (missing.code, missing.error["exit_code"]) == (3, 3)
    assert upgraded.json == {"database": "sqlite:///new/runs.db", "schema_revision": HEAD_REVISION}
    assert before.json["epoch"] != changed.json["epoch"] == after.json["epoch"]
    assert after.json == before.json | {"epoch": changed.json["epoch"]}
    assert before.json["schema_revision"] == HEAD_REVISION
    assert before.json["head_revision"] == 0


def test_a_person_sees_the_facts_one_a_line(tmp_path: Path) -> None:
    told = db(tmp_path, "upgrade", "--database", "sqlite:///runs.db")

    assert told.out.splitlines() == [
        "database        sqlite:///runs.db",
        f"schema revision {HEAD_REVISION}",
    ]


def test_runs_that_ended_long_ago_are_deleted_with_what_is_under_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    flags = ("--older-than", "30d", "--database", url, "--json")
    upgrade(url)
    asyncio.run(fill(url))

    preview = db(tmp_path, "retain", "--dry-run", *flags)
    failed = db(tmp_path, "retain", "--state", "failed", *flags)
    done = db(tmp_path, "retain", "--state", "completed", "--state", "FAILED", *flags)
    again = db(tmp_path, "retain", *flags)

    some = {"database": url, "trees": 3, "flow_runs": 3, "kept_trees": 0, "dry_run": False}
    none = some | {"trees": 0, "flow_runs": 0}
    assert preview.json == some | {"dry_run": True}
    assert (failed.json, done.json, again.json) == (none, some, none)
    log = db(tmp_path, "status", "--database", url, "--json").json
    assert log["head_revision"] == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--older-than"),
        (("--older-than", "soon"), "soon"),
        (("--older-than", "1d", "--state", "running"), "running"),
    ],
    ids=["no age", "no span", "not terminal"],
)
def test_what_is_to_be_deleted_must_be_told(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    refused = db(tmp_path, "retain", *arguments)

    assert refused.code == 2
    assert told in refused.err


async def fill(url: str) -> None:
    """Store three runs that ended long ago, one that ended just now and one that has not ended."""
    flow, now = a_flow(), datetime.now(UTC)
    long_ago = now - timedelta(days=60)
    ended = [a_state(StateType.COMPLETED, timestamp=at) for at in (*[long_ago] * 3, now)]
    runs = [
        a_flow_run(flow, state, start_time=state.timestamp, end_time=state.timestamp)
        for state in ended
    ]
    database = Database.open(url)
    await store(database, flows=[flow], runs=[*runs, a_flow_run(flow, StateType.RUNNING)])
    await database.close()
