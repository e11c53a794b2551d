"""What the filters mean. That the databases mean the same is tested with them."""

from datetime import timedelta
from typing import Final

import pytest
from msgspec.structs import replace

from headgate_server.model.filters import (
    AnyFilter,
    FlowFilter,
    FlowRunFilter,
    IdFilter,
    KeyFilter,
    NameFilter,
    Operator,
    PresenceFilter,
    ReferenceFilter,
    RunQuery,
    StateFilter,
    TagsFilter,
    TimeFilter,
)
from headgate_server.model.matching import compile_query, matches
from headgate_server.model.states import StateType
from tests.builders import NOW, a_flow, a_flow_run

A_MICROSECOND: Final = timedelta(microseconds=1)

FLOW: Final = a_flow(id="flow", name="orderly-otter", tags=("etl",))
BARE_FLOW: Final = replace(FLOW, tags=())
RUN: Final = a_flow_run(
    FLOW,
    StateType.RUNNING,
    id="run",
    name="Kind-1-Ibex",
    tags=("red", "green"),
    deployment_id="deployment",
    work_queue_name="queue",
    flow_version="1.0",
    expected_start_time=NOW,
    next_scheduled_start_time=NOW,
    parent_task_run_id="task-run",
    idempotency_key="key",
)
BARE_RUN: Final = a_flow_run(FLOW, None, id="bare", name="bare")

NOTHING_GIVEN: Final = {
    "id": IdFilter(),
    "name": NameFilter(),
    "tags": TagsFilter(),
    "deployment_id": ReferenceFilter(),
    "work_queue_name": ReferenceFilter(),
    "state": StateFilter(),
    "flow_version": AnyFilter(),
    "start_time": TimeFilter(),
    "expected_start_time": TimeFilter(),
    "next_scheduled_start_time": TimeFilter(),
    "parent_flow_run_id": AnyFilter(),
    "parent_task_run_id": ReferenceFilter(),
    "idempotency_key": KeyFilter(),
}
EMPTY_LISTS: Final = {
    "id": IdFilter(any=()),
    "name": NameFilter(any=()),
    "deployment_id": ReferenceFilter(any=()),
    "work_queue_name": ReferenceFilter(any=()),
    "state": StateFilter(type_any=()),
    "flow_version": AnyFilter(any=()),
    "parent_flow_run_id": AnyFilter(any=()),
    "parent_task_run_id": ReferenceFilter(any=()),
    "idempotency_key": KeyFilter(any=()),
}

# fmt: off
CASES: Final = (
    #  member                       condition                                           RUN    BARE_RUN
    ("id",                          IdFilter(any=("run", "other")),                     True,  False),
    ("id",                          IdFilter(not_any=("run",)),                         False, True),
    ("id",                          IdFilter(not_any=()),                               True,  True),
    ("id",                          IdFilter(any=("run",), not_any=("run",)),           False, False),
    ("name",                        NameFilter(any=("Kind-1-Ibex",)),                   True,  False),
    ("name",                        NameFilter(any=("kind-1-ibex",)),                   False, False),
    ("name",                        NameFilter(any=("Kind-1-Ibex",), like="bare"),      False, False),
    ("tags",                        TagsFilter(all=("red",)),                           True,  False),
    ("tags",                        TagsFilter(all=("green", "red", "green")),          True,  False),
    ("tags",                        TagsFilter(all=("red", "blue")),                    False, False),
    ("tags",                        TagsFilter(all=()),                                 True,  True),
    ("tags",                        TagsFilter(is_null=True),                           False, True),
    ("tags",                        TagsFilter(is_null=False),                          True,  False),
    ("tags",                        TagsFilter(all=("red",), is_null=True),             False, False),
    ("tags",                        TagsFilter(operator=Operator.OR, all=("red",), is_null=True), True, True),
    ("deployment_id",               ReferenceFilter(any=("deployment",)),               True,  False),
    ("deployment_id",               ReferenceFilter(is_null=True),                      False, True),
    ("deployment_id",               ReferenceFilter(is_null=False),                     True,  False),
    ("deployment_id",               ReferenceFilter(any=("deployment",), is_null=True), False, False),
    ("deployment_id",               ReferenceFilter(operator=Operator.OR, any=("deployment",), is_null=True), True, True),
    ("work_queue_name",             ReferenceFilter(any=("queue",)),                    True,  False),
    ("work_queue_name",             ReferenceFilter(is_null=True),                      False, True),
    ("state",                       StateFilter(type_any=(StateType.RUNNING,)),         True,  False),
    ("state",                       StateFilter(type_any=(StateType.PAUSED,)),          False, False),
    ("state",                       StateFilter(name_any=("Running", "Late")),          True,  False),
    ("state",                       StateFilter(name_any=("running",)),                 False, False),
    ("state",                       StateFilter(type_any=(StateType.RUNNING,), name_any=("Late",)), False, False),
    ("state",                       StateFilter(operator=Operator.OR, type_any=(StateType.RUNNING,), name_any=("Late",)), True, False),
    ("flow_version",                AnyFilter(any=("1.0",)),                            True,  False),
    ("start_time",                  TimeFilter(before=NOW),                             True,  False),
    ("start_time",                  TimeFilter(before=NOW - A_MICROSECOND),             False, False),
    ("start_time",                  TimeFilter(after=NOW),                              True,  False),
    ("start_time",                  TimeFilter(after=NOW + A_MICROSECOND),              False, False),
    ("start_time",                  TimeFilter(is_null=True),                           False, True),
    ("start_time",                  TimeFilter(is_null=False),                          True,  False),
    ("start_time",                  TimeFilter(after=NOW, is_null=True),                False, False),
    ("expected_start_time",         TimeFilter(after=NOW, before=NOW),                  True,  False),
    ("next_scheduled_start_time",   TimeFilter(after=NOW, before=NOW),                  True,  False),
    ("parent_task_run_id",          ReferenceFilter(any=("task-run",)),                 True,  False),
    ("parent_task_run_id",          ReferenceFilter(is_null=True),                      False, True),
    ("idempotency_key",             KeyFilter(any=("key",)),                            True,  False),
    ("idempotency_key",             KeyFilter(not_any=("key",)),                        False, True),
    ("idempotency_key",             KeyFilter(not_any=("other",)),                      True,  True),
    ("idempotency_key",             KeyFilter(not_any=()),                              True,  True),
)
LIKES: Final = (
    # text                      name              matches
    ("",                        "",               True),
    ("ibex",                    "Kind-1-Ibex",    True),
    ("IBEX",                    "Kind-1-Ibex",    True),
    ("ibexes",                  "Kind-1-Ibex",    False),
    ("d_1",                     "Kind-1-Ibex",    True),
    ("d_1",                     "Kind1",          False),
    ("k%x",                     "Kind-1-Ibex",    True),
    ("x%k",                     "Kind-1-Ibex",    False),
    ("%%",                      "",               True),
    ("_",                       "",               False),
    ("_",                       "\N{PILE OF POO}", True),
    ("__",                      "\N{PILE OF POO}", False),
    ("a_b",                     "a\nb",           True),
    ("a%b",                     "a\n\nb",         True),
    ("É",                       "É",              True),
    ("É",                       "é",              False),
    ("\N{LATIN SMALL LETTER LONG S}", "s",         False),
    ("\N{KELVIN SIGN}",         "k",              False),
    (r"a\%",                    r"a\b",           True),
    (r"a\%",                    "a%",             False),
    ("a.c",                     "abc",            False),
    ("[ab]",                    "a",              False),
)
# fmt: on


@pytest.mark.parametrize(("member", "condition", "of_run", "of_bare_run"), CASES)
def test_a_condition_on_runs_means_what_its_name_says(
    member: str, condition: object, *, of_run: bool, of_bare_run: bool
) -> None:
    query = RunQuery(flow_runs=FlowRunFilter(**{member: condition}))  # type: ignore[arg-type]

    judged = (matches(query, RUN, FLOW), matches(query, BARE_RUN, FLOW))

    assert judged == (of_run, of_bare_run)


@pytest.mark.parametrize(("text", "name", "is_match"), LIKES)
def test_like_finds_a_text_in_either_case_and_with_live_wildcards(
    text: str, name: str, *, is_match: bool
) -> None:
    query = RunQuery(flow_runs=FlowRunFilter(name=NameFilter(like=text)))

    judged = matches(query, replace(RUN, name=name), FLOW)

    assert judged is is_match


def test_like_with_many_wildcards_gives_up_soon() -> None:
    query = RunQuery(flow_runs=FlowRunFilter(name=NameFilter(like="%a" * 200 + "%b")))

    judged = matches(query, replace(RUN, name="a" * 255), FLOW)

    assert not judged


@pytest.mark.parametrize("member", NOTHING_GIVEN)
def test_a_member_without_a_condition_holds_always_and_so_decides_an_or(member: str) -> None:
    unmet = IdFilter(any=()) if member != "id" else None
    other = {"id": unmet} if unmet else {"name": NameFilter(any=())}
    given = FlowRunFilter(operator=Operator.OR, **{member: NOTHING_GIVEN[member]}, **other)  # type: ignore[arg-type]

    judged = matches(RunQuery(flow_runs=given), BARE_RUN, FLOW)

    assert judged


@pytest.mark.parametrize("member", EMPTY_LISTS)
def test_an_empty_list_matches_nothing(member: str) -> None:
    given = FlowRunFilter(**{member: EMPTY_LISTS[member]})  # type: ignore[arg-type]

    judged = matches(RunQuery(flow_runs=given), RUN, FLOW, parent_flow_run_id="parent")

    assert not judged


@pytest.mark.parametrize(
    ("operator", "expected"), [(Operator.AND, False), (Operator.OR, True)], ids=str
)
def test_the_members_of_a_filter_are_joined_by_its_operator(
    operator: Operator, *, expected: bool
) -> None:
    given = FlowRunFilter(
        operator=operator, id=IdFilter(any=("other",)), name=NameFilter(like="ibex")
    )

    judged = matches(RunQuery(flow_runs=given), RUN, FLOW)

    assert judged is expected


def test_a_run_must_match_both_filters() -> None:
    flow_filter = FlowFilter(name=NameFilter(like="otter"))
    query = RunQuery(flows=flow_filter, flow_runs=FlowRunFilter(id=IdFilter(any=("run",))))

    judged = [
        matches(query, RUN, FLOW),
        matches(query, BARE_RUN, FLOW),
        matches(query, RUN, replace(FLOW, name="kind-ibex")),
    ]

    assert judged == [True, False, False]


@pytest.mark.parametrize(
    "query",
    [
        RunQuery(),
        RunQuery(flows=FlowFilter()),
        RunQuery(flow_runs=FlowRunFilter()),
        RunQuery(flow_runs=FlowRunFilter(operator=Operator.OR)),
    ],
    ids=["no filter", "empty flows", "empty flow runs", "empty or"],
)
def test_a_query_without_conditions_matches_every_run(query: RunQuery) -> None:
    assert matches(query, BARE_RUN, BARE_FLOW)


@pytest.mark.parametrize(
    ("given", "of_flow", "of_bare_flow"),
    [
        (FlowFilter(id=IdFilter(any=("flow",))), True, True),
        (FlowFilter(name=NameFilter(any=("other",))), False, False),
        (FlowFilter(tags=TagsFilter(all=("etl",))), True, False),
        (FlowFilter(tags=TagsFilter(is_null=True)), False, True),
        (FlowFilter(operator=Operator.OR, name=NameFilter(any=()), tags=TagsFilter(is_null=True)), False, True),
    ],
    ids=["id", "name", "tags", "no tags", "or"],
)  # fmt: skip
def test_a_condition_on_flows_judges_the_flow_of_the_run(
    given: FlowFilter, *, of_flow: bool, of_bare_flow: bool
) -> None:
    query = RunQuery(flows=given)

    judged = (matches(query, RUN, FLOW), matches(query, RUN, BARE_FLOW))

    assert judged == (of_flow, of_bare_flow)


@pytest.mark.parametrize("has_deployments", [True, False])
@pytest.mark.parametrize("is_null", [True, False])
def test_a_flow_is_deployed_if_it_has_deployments(*, is_null: bool, has_deployments: bool) -> None:
    query = RunQuery(flows=FlowFilter(deployment=PresenceFilter(is_null=is_null)))

    judged = matches(query, RUN, FLOW, has_deployments=has_deployments)

    assert judged is (is_null is not has_deployments)


@pytest.mark.parametrize(
    ("parent", "expected"), [("parent", True), ("another", False), (None, False)]
)
def test_a_subflow_run_is_found_by_its_parent(parent: str | None, *, expected: bool) -> None:
    query = RunQuery(flow_runs=FlowRunFilter(parent_flow_run_id=AnyFilter(any=("parent",))))

    judged = matches(query, RUN, FLOW, parent_flow_run_id=parent)

    assert judged is expected


def test_a_compiled_query_judges_many_runs() -> None:
    is_match = compile_query(RunQuery(flow_runs=FlowRunFilter(tags=TagsFilter(is_null=False))))

    judged = [is_match(run, FLOW) for run in (RUN, BARE_RUN, RUN)]

    assert judged == [True, False, True]
