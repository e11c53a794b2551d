"""The transition matrices are texts that people read: a changed rule shows as a diff."""

import os
from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Final

import pytest

from tests.contract import task_transition_sections, transition_sections
from tests.contract.matrix_text import Section, render

REWRITE: Final = "HEADGATE_REWRITE_MATRIX"

MATRICES: Final = [
    pytest.param("Flow", transition_sections.SECTIONS, id="flow runs"),
    pytest.param("Task", task_transition_sections.SECTIONS, id="task runs"),
]


@pytest.mark.parametrize(("kind", "sections"), MATRICES)
def test_the_rules_are_those_of_the_written_matrix(kind: str, sections: Sequence[Section]) -> None:
    """Compare, or write the files anew.

    After a rule was changed on purpose, run this once and read the diff that version control shows:

        HEADGATE_REWRITE_MATRIX=1 pytest tests/contract/test_transition_matrix.py
    """
    file = Path(__file__).with_name(f"{kind.lower()}_run_transitions.txt")
    actual = render(kind, sections)
    if os.environ.get(REWRITE):
        file.write_text(actual, encoding="utf-8")

    expected = file.read_text(encoding="utf-8")

    if actual != expected:
        lines = unified_diff(
            expected.splitlines(), actual.splitlines(), "written", "actual", n=2, lineterm=""
        )
        pytest.fail("\n".join(lines), pytrace=False)


@pytest.mark.parametrize(("kind", "sections"), MATRICES)
def test_every_section_of_a_matrix_has_a_title_of_its_own(
    kind: str, sections: Sequence[Section]
) -> None:
    titles = [section.title for section in sections]

    assert len(set(titles)) == len(titles), kind
