"""Names for what nobody has named."""

import re

from headgate_server.model.names import random_name


def test_a_random_name_is_two_lower_case_words_with_a_dash() -> None:
    assert re.fullmatch(r"[a-z]+-[a-z]+", random_name())


def test_random_names_differ() -> None:
    assert len({random_name() for _ in range(1000)}) > 500
