from datetime import timedelta

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from headgate import v1 as pb
from headgate_server.model.commands import FlowRunField, UpdateFlowRun
from headgate_server.model.errors import InvalidRequestError
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert.updates import read_update_flow_run

RUN_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ab"
OTHER_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ac"
LIMITS = Limits()


def a_full_run() -> pb.FlowRun:
    run = pb.FlowRun(
        id=RUN_ID,
        name="name",
        flow_version="v1",
        parameters_json='{"a": 1.0}',
        tags=["b", "a"],
        infrastructure_pid="pid",
        job_variables_json='{"b": 2}',
        policy=pb.FlowRunPolicy(retries=3),
    )
    run.policy.retry_delay.FromTimedelta(timedelta(seconds=4))
    return run


def update(run: pb.FlowRun, *paths: str) -> UpdateFlowRun:
    request = pb.UpdateFlowRunRequest(flow_run=run, update_mask=FieldMask(paths=paths))
    return read_update_flow_run(request, LIMITS)


def faults(request: pb.UpdateFlowRunRequest) -> set[str]:
    with pytest.raises(InvalidRequestError) as caught:
        read_update_flow_run(request, LIMITS)
    return {each.field for each in caught.value.violations}


EVERYTHING = UpdateFlowRun(
    flow_run_id=RUN_ID,
    fields=frozenset(FlowRunField),
    name="name",
    flow_version="v1",
    parameters_json='{"a": 1.0}',
    tags=("b", "a"),
    infrastructure_pid="pid",
    job_variables_json='{"b": 2}',
    retries=3,
    retry_delay=timedelta(seconds=4),
)


def test_all_fields_can_be_named_one_by_one() -> None:
    assert update(a_full_run(), *FlowRunField) == EVERYTHING


def test_a_star_names_all_fields() -> None:
    assert update(a_full_run(), "*") == EVERYTHING


@pytest.mark.parametrize("field", FlowRunField)
def test_only_the_named_field_is_looked_at(field: FlowRunField) -> None:
    attribute = field.rpartition(".")[2]

    changed = update(a_full_run(), field)

    plain = UpdateFlowRun(flow_run_id=RUN_ID, fields=frozenset({field}))
    for name in UpdateFlowRun.__struct_fields__:
        expected = EVERYTHING if name == attribute else plain
        assert getattr(changed, name) == getattr(expected, name), name


def test_what_is_named_and_unset_is_cleared() -> None:
    changed = update(pb.FlowRun(id=RUN_ID), "*")

    assert changed == UpdateFlowRun(flow_run_id=RUN_ID, fields=frozenset(FlowRunField))


def test_wrong_values_of_fields_that_are_not_named_do_no_harm() -> None:
    run = pb.FlowRun(id=RUN_ID, name="name", parameters_json="nonsense", tags=["\0"])

    assert update(run, "name").name == "name"


@pytest.mark.parametrize(
    "path", ["id", "state", "policy", "policy.resuming", "version", "flowVersion", "", "name.x"]
)
def test_a_path_that_names_nothing_to_change_is_refused(path: str) -> None:
    request = pb.UpdateFlowRunRequest(
        flow_run=pb.FlowRun(id=RUN_ID), update_mask=FieldMask(paths=["name", path])
    )

    assert faults(request) == {"update_mask.paths[1]"}


def test_a_request_without_a_mask_or_a_run_is_refused() -> None:
    assert faults(pb.UpdateFlowRunRequest()) == {"update_mask", "flow_run.id"}


def test_everything_wrong_is_told_at_once() -> None:
    run = pb.FlowRun(
        id="x",
        name="x" * 256,
        flow_version="\0",
        parameters_json="[]",
        tags=["x" * 256],
        infrastructure_pid="x" * 256,
        job_variables_json="null",
        policy=pb.FlowRunPolicy(retries=-1),
    )
    run.policy.retry_delay.seconds = -1
    request = pb.UpdateFlowRunRequest(
        flow_run=run, update_mask=FieldMask(paths=["*"]), expected_version=-1, request_id="x"
    )

    assert faults(request) == {
        *("flow_run.id", "flow_run.name", "flow_run.flow_version", "flow_run.parameters_json"),
        *("flow_run.tags[0]", "flow_run.infrastructure_pid", "flow_run.job_variables_json"),
        *("flow_run.policy.retries", "flow_run.policy.retry_delay"),
        *("expected_version", "request_id"),
    }


def test_the_version_and_the_request_id_are_read() -> None:
    request = pb.UpdateFlowRunRequest(
        flow_run=pb.FlowRun(id=RUN_ID),
        update_mask=FieldMask(paths=["name"]),
        expected_version=0,
        request_id=OTHER_ID.upper(),
    )

    changed = read_update_flow_run(request, LIMITS)

    assert (changed.expected_version, changed.request_id) == (0, OTHER_ID)
