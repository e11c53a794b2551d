from pathlib import Path

import pytest

from tests.acceptance.cli.shell import HEADGATE, Ended, clean_environment, ended

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]


def db(directory: Path, *arguments: str) -> Ended:
    return ended([*HEADGATE, "db", *arguments], clean_environment(), directory)


def test_a_database_is_made_looked_at_and_given_a_new_identity(tmp_path: Path) -> None:
    flags = ("--database", "sqlite:///new/runs.db", "--json")

    missing = db(tmp_path, "status", *flags)
    upgraded = db(tmp_path, "upgrade", *flags)
    before = db(tmp_path, "status", *flags)
    changed = db(tmp_path, "new-epoch", *flags)
    after = db(tmp_path, "status", *flags)

    assert (missing.code, missing.error["exit_code"]) == (3, 3)
    assert upgraded.json == {"database": "sqlite:///new/runs.db", "schema_revision": "0001"}
    assert before.json["epoch"] != changed.json["epoch"] == after.json["epoch"]
    assert after.json == before.json | {"epoch": changed.json["epoch"]}
    assert before.json["schema_revision"] == "0001"
    assert before.json["head_revision"] == 0


def test_a_person_sees_the_facts_one_a_line(tmp_path: Path) -> None:
    told = db(tmp_path, "upgrade", "--database", "sqlite:///runs.db")

    assert told.out.splitlines() == [
        "database        sqlite:///runs.db",
        "schema revision 0001",
    ]
