"""What the READMEs say of the code is what the code says.

`HEADGATE_REWRITE_READMES=1 pytest tests/contract/test_readmes.py` writes the generated parts anew.
"""

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from headgate_server import settings

ROOT = Path(__file__).parents[2]
MATRICES = Path(__file__).parent


def settings_table() -> str:
    """Return the table of settings."""
    rows = [
        f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |"
        for name, default, meaning in settings.table()
    ]
    return "\n".join(["| setting | default | meaning |", "| --- | --- | --- |", *rows])


def transitions_table(kind: str) -> str:
    """Return the plain table of transitions that the golden file for a kind of run begins with."""
    matrix = (MATRICES / f"{kind}_run_transitions.txt").read_text()
    table = re.search(r"^ +SCHEDULED .*\n(?:\S.*\n)+", matrix, re.MULTILINE)
    assert table is not None
    return "```text\n" + table[0] + "```"


GENERATED = [
    pytest.param(ROOT / "README.md", "settings", settings_table, id="settings"),
    *(
        pytest.param(
            ROOT / "server/README.md",
            f"{kind} run transitions",
            partial(transitions_table, kind),
            id=f"{kind} run transitions",
        )
        for kind in ("flow", "task")
    ),
]


@pytest.mark.parametrize(("file", "part", "generate"), GENERATED)
def test_a_generated_part_of_a_readme_is_fresh(
    file: Path, part: str, generate: Callable[[], str]
) -> None:
    text = file.read_text()
    form = re.compile(f"(<!-- {part}: begin -->\n)(.*?)(<!-- {part}: end -->)", re.DOTALL)
    fresh = form.sub(lambda found: f"{found[1]}{generate()}\n{found[3]}", text)

    if os.environ.get("HEADGATE_REWRITE_READMES"):
        file.write_text(fresh)

    assert fresh == file.read_text()


@pytest.mark.parametrize(
    "file", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("[a-z]*/README.md")), ids=str
)
def test_what_a_readme_links_to_is_there(file: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", file.read_text())

    assert [link for link in links if not (file.parent / link).exists()] == []
