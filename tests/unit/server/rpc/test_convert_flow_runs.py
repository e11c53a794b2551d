from datetime import timedelta
from typing import Any

import pytest

from headgate import v1 as pb
from headgate_server.model.commands import CreateFlowRun, DeleteFlowRun
from headgate_server.model.errors import InvalidRequestError
from headgate_server.model.filters import (
    FlowFilter,
    FlowRunFilter,
    FlowRunSort,
    IdFilter,
    RunQuery,
)
from headgate_server.model.paging import PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.model.states import ProposedState, StateType
from headgate_server.rpc.convert.flow_runs import (
    FLOW_RUN_SORTS,
    read_count_flow_runs,
    read_create_flow_run,
    read_delete_flow_run,
    read_get_flow_run,
    read_list_flow_runs,
)

HERE = "here"

FLOW_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789aa"
RUN_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ab"
OTHER_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ac"
LIMITS = Limits()


def faults(read: Any, request: object) -> set[str]:
    with pytest.raises(InvalidRequestError) as caught:
        read(request, LIMITS)
    return {each.field for each in caught.value.violations}


def test_a_run_to_create_is_pending_and_plain_unless_more_is_said() -> None:
    assert read_create_flow_run(pb.CreateFlowRunRequest(flow_id=FLOW_ID), LIMITS) == CreateFlowRun(
        flow_id=FLOW_ID, state=ProposedState(type=StateType.PENDING)
    )


def test_a_run_to_create_holds_all_that_is_said() -> None:
    request = pb.CreateFlowRunRequest(
        flow_id=FLOW_ID,
        name="brave-lion",
        state=pb.ProposedState(type=pb.STATE_TYPE_SCHEDULED),
        parameters_json='{"x": 1.0}',
        context_json=' {"y": 1152921504606846977} ',
        tags=["b", "a", "b"],
        flow_version="",
        deployment_id=OTHER_ID,
        parent_task_run_id=OTHER_ID,
        idempotency_key="key",
        retries=0,
        request_id=OTHER_ID,
    )
    request.idempotency_ttl.FromTimedelta(timedelta(hours=1))
    request.retry_delay.FromTimedelta(timedelta())

    assert read_create_flow_run(request, LIMITS) == CreateFlowRun(
        flow_id=FLOW_ID,
        name="brave-lion",
        state=ProposedState(type=StateType.SCHEDULED),
        parameters_json='{"x": 1.0}',
        context_json=' {"y": 1152921504606846977} ',
        tags=("b", "a", "b"),
        flow_version="",
        deployment_id=OTHER_ID,
        parent_task_run_id=OTHER_ID,
        idempotency_key="key",
        idempotency_ttl=timedelta(hours=1),
        retries=0,
        retry_delay=timedelta(),
        request_id=OTHER_ID,
    )


def test_everything_wrong_with_a_run_to_create_is_told_at_once() -> None:
    request = pb.CreateFlowRunRequest(
        name="x" * 256,
        state=pb.ProposedState(),
        parameters_json="[]",
        context_json="",
        tags=["a"] * 101,
        flow_version="x" * 256,
        deployment_id="",
        parent_task_run_id="x",
        idempotency_key="x" * 256,
        retries=-1,
        request_id="x",
    )
    request.idempotency_ttl.seconds = -1
    request.retry_delay.seconds = -1

    assert faults(read_create_flow_run, request) == {
        *("flow_id", "name", "state.type", "parameters_json", "context_json", "tags"),
        *("flow_version", "deployment_id", "parent_task_run_id", "idempotency_key"),
        *("idempotency_ttl", "retries", "retry_delay", "request_id"),
    }


def test_a_time_to_live_without_a_key_is_refused() -> None:
    request = pb.CreateFlowRunRequest(flow_id=FLOW_ID)
    request.idempotency_ttl.seconds = 1

    assert faults(read_create_flow_run, request) == {"idempotency_ttl"}


@pytest.mark.parametrize(
    ("view", "is_full"),
    [
        (pb.FLOW_RUN_VIEW_UNSPECIFIED, True),
        (pb.FLOW_RUN_VIEW_BASIC, False),
        (pb.FLOW_RUN_VIEW_FULL, True),
    ],
)
def test_one_run_is_read_in_full_unless_asked_otherwise(view: Any, is_full: bool) -> None:  # noqa: FBT001
    request = pb.GetFlowRunRequest(flow_run_id=RUN_ID, view=view, min_revision=3)

    assert read_get_flow_run(request, LIMITS) == (RUN_ID, is_full, 3)


@pytest.mark.parametrize(
    ("view", "is_full"),
    [
        (pb.FLOW_RUN_VIEW_UNSPECIFIED, False),
        (pb.FLOW_RUN_VIEW_BASIC, False),
        (pb.FLOW_RUN_VIEW_FULL, True),
    ],
)
def test_lists_are_brief_unless_asked_otherwise(view: Any, is_full: bool) -> None:  # noqa: FBT001
    assert read_list_flow_runs(pb.ListFlowRunsRequest(view=view), LIMITS)[3] is is_full


def test_everything_wrong_with_a_run_to_get_is_told_at_once() -> None:
    request = pb.GetFlowRunRequest(view=3, min_revision=-1)  # type: ignore[arg-type]

    assert faults(read_get_flow_run, request) == {"flow_run_id", "view", "min_revision"}


def test_a_list_of_runs_without_arguments_is_the_first_page_of_all() -> None:
    query, sort, page, is_full, revision = read_list_flow_runs(pb.ListFlowRunsRequest(), LIMITS)

    assert query == RunQuery()
    assert sort is FlowRunSort.ID_DESC
    assert page == PageRequest(size=200)
    assert (is_full, revision) == (False, 0)


def test_a_list_of_runs_holds_all_that_is_said() -> None:
    request = pb.ListFlowRunsRequest(
        flows=pb.FlowFilter(),
        flow_runs=pb.FlowRunFilter(id=pb.IdFilter(any=pb.StringList())),
        sort=pb.FLOW_RUN_SORT_NAME_DESC,
        page_size=7,
        page_token=HERE,
        offset=5,
        min_revision=9,
    )

    query, sort, page, _, revision = read_list_flow_runs(request, LIMITS)

    assert query == RunQuery(flows=FlowFilter(), flow_runs=FlowRunFilter(id=IdFilter(any=())))
    assert sort is FlowRunSort.NAME_DESC
    assert page == PageRequest(size=7, token=HERE, offset=5)
    assert revision == 9


@pytest.mark.parametrize(
    ("asked", "given"), [(0, 200), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)]
)
def test_a_page_has_a_default_and_a_greatest_size(asked: int, given: int) -> None:
    request = pb.ListFlowRunsRequest(page_size=asked)

    assert read_list_flow_runs(request, LIMITS)[2].size == given


def test_everything_wrong_with_a_list_of_runs_is_told_at_once() -> None:
    request = pb.ListFlowRunsRequest(
        flow_runs=pb.FlowRunFilter(operator=5),  # type: ignore[arg-type]
        sort=99,  # type: ignore[arg-type]
        page_size=-1,
        offset=-1,
        view=9,  # type: ignore[arg-type]
        min_revision=-1,
    )

    assert faults(read_list_flow_runs, request) == {
        *("flow_runs.operator", "sort", "page_size", "offset", "view", "min_revision")
    }


def test_every_order_of_the_contract_has_a_meaning() -> None:
    assert sorted(FLOW_RUN_SORTS) == sorted(pb.FlowRunSort.values())
    assert set(FLOW_RUN_SORTS.values()) == set(FlowRunSort)


def test_runs_are_counted_by_the_same_filters() -> None:
    request = pb.CountFlowRunsRequest(flow_runs=pb.FlowRunFilter())

    assert read_count_flow_runs(request, LIMITS) == RunQuery(flow_runs=FlowRunFilter())


def test_a_run_to_delete_holds_all_that_is_said() -> None:
    request = pb.DeleteFlowRunRequest(flow_run_id=RUN_ID, expected_version=0, request_id=OTHER_ID)

    assert read_delete_flow_run(request, LIMITS) == DeleteFlowRun(
        flow_run_id=RUN_ID, expected_version=0, request_id=OTHER_ID
    )


def test_everything_wrong_with_a_run_to_delete_is_told_at_once() -> None:
    request = pb.DeleteFlowRunRequest(flow_run_id="x", expected_version=-1, request_id="x")

    assert faults(read_delete_flow_run, request) == {
        *("flow_run_id", "expected_version", "request_id")
    }
