"""The transition matrix of flow runs is a text that people read: a changed rule shows as a diff."""

import os
from difflib import unified_diff
from pathlib import Path

import pytest

from tests.contract.transition_matrix import render
from tests.contract.transition_sections import SECTIONS

MATRIX = Path(__file__).with_name("flow_run_transitions.txt")
REWRITE = "HEADGATE_REWRITE_MATRIX"


def test_the_rules_are_those_of_the_written_matrix() -> None:
    """Compare, or write the file anew.

    After a rule was changed on purpose, run this once and read the diff that version control shows:

        HEADGATE_REWRITE_MATRIX=1 pytest tests/contract/test_transition_matrix.py
    """
    actual = render(SECTIONS)
    if os.environ.get(REWRITE):
        MATRIX.write_text(actual, encoding="utf-8")

    expected = MATRIX.read_text(encoding="utf-8")

    if actual != expected:
        lines = unified_diff(
            expected.splitlines(), actual.splitlines(), "written", "actual", n=2, lineterm=""
        )
        pytest.fail("\n".join(lines), pytrace=False)


def test_every_section_of_the_matrix_has_a_title_of_its_own() -> None:
    titles = [section.title for section in SECTIONS]

    assert len(set(titles)) == len(titles)
