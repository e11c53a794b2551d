from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from headgate import FlowRunFilter, NameFilter, Operator, StateFilter, StateType, TagsFilter
from headgate_server.cli import options
from headgate_server.cli.filters import flow_filter, flow_run_filter


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("15s", timedelta(seconds=15)),
        ("1.5 m", timedelta(seconds=90)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("3", timedelta(seconds=3)),
    ],
)
def test_a_span_of_time_is_a_number_with_its_unit(text: str, length: timedelta) -> None:
    assert options.span(text) == length


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (options.span, "soon"),
        (options.span, "-1s"),
        (options.moment, "tomorrow"),
        (options.moment, "+soon"),
        (options.json_value, "{"),
        (options.json_value, "NaN"),
        (options.json_object, "[]"),
        (options.json_object_file, "/nowhere/at-all.json"),
        (options.json_object_or_file, "{nonsense"),
        (options.state_type, "unknown"),
        (options.state_type, "Late"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_text_that_means_nothing_is_refused_by_name(read: Any, text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r".") as refused:
        read(text)

    assert text.lstrip("+") in str(refused.value)


def test_a_time_is_read_in_its_zone() -> None:
    assert options.moment("2030-01-31T08:00:00+02:00") == datetime(2030, 1, 31, 6, tzinfo=UTC)
    assert options.moment("2030-01-31T08:00:00Z") == datetime(2030, 1, 31, 8, tzinfo=UTC)


def test_a_time_may_be_told_from_now() -> None:
    before = datetime.now(UTC)

    read = options.moment("+5m")

    assert timedelta() <= read - before - timedelta(minutes=5) < timedelta(seconds=10)


def test_an_object_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text('{"type": "object"}')

    assert options.json_object_or_file(str(file)) == {"type": "object"}
    assert options.json_object_or_file(' {"type": "object"}') == {"type": "object"}


def test_states_are_completed_in_the_case_that_was_begun() -> None:
    assert options.complete_state("ca") == ["cancelled", "cancelling"]
    assert options.complete_state("CR") == ["CRASHED"]
    assert "UNKNOWN" not in options.complete_state("")


def test_states_are_told_by_type_and_by_name() -> None:
    assert flow_run_filter(["paused", "Late"], None, None) == FlowRunFilter(
        state=StateFilter(operator=Operator.OR, type_any=[StateType.PAUSED], name_any=["Late"])
    )


def test_a_run_has_a_part_of_the_name_and_all_of_the_tags() -> None:
    assert flow_run_filter(None, "night", ["a", "b"]) == FlowRunFilter(
        name=NameFilter(like="night"), tags=TagsFilter(all=["a", "b"])
    )


def test_nothing_asked_for_is_no_filter() -> None:
    assert flow_run_filter(None, None, None) is None
    assert flow_filter(None) is None
