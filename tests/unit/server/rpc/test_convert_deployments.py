from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from msgspec.structs import replace

from headgate import v1 as pb
from headgate_server.model.deployment_commands import (
    CreateDeployment,
    CreateDeploymentRun,
    DeleteDeployment,
    DeploymentField,
    ScheduleDeployment,
    UpdateDeployment,
)
from headgate_server.model.deployments import (
    CronSchedule,
    Deployment,
    DeploymentSchedule,
    DeploymentStatus,
    IntervalSchedule,
    RruleSchedule,
    ScheduleRule,
)
from headgate_server.model.errors import InvalidRequestError
from headgate_server.model.server_info import Limits
from headgate_server.model.states import ProposedState, StateType
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.deployment_runs import read_create_deployment_flow_run
from headgate_server.rpc.convert.deployments import (
    read_create_deployment,
    read_delete_deployment,
    read_get_deployment,
    read_update_deployment,
    write_deployment,
)
from headgate_server.rpc.convert.schedules import (
    read_schedule_deployment,
    read_schedules,
    write_schedule,
)
from tests.builders import NOW
from tests.service.world import at, lasting

ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ab"
OTHER_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ac"
LIMITS = Limits()
AN_HOUR = timedelta(hours=1)

FULL = Deployment(
    id=ID,
    flow_id=OTHER_ID,
    name="prod",
    create_time=NOW,
    update_time=NOW + AN_HOUR,
    version="1",
    description="about",
    is_paused=True,
    schedules=(DeploymentSchedule(id=OTHER_ID, rule=CronSchedule(cron="@daily")),),
    tags=("b", "a"),
    parameters_json='{"a":1}',
    parameter_schema_json="{}",
    enforce_parameter_schema=True,
    job_variables_json='{"b":2}',
    pull_steps_json="[1]",
    entrypoint="a.py:b",
    path="/code",
    work_queue_id=OTHER_ID,
    work_queue_name="queue",
    work_pool_name="pool",
    status=DeploymentStatus.READY,
    last_polled_time=NOW,
)
BARE = Deployment(id=ID, flow_id=OTHER_ID, name="prod", create_time=NOW, update_time=NOW)


def faults(read: Any, request: object) -> set[str]:
    with pytest.raises(InvalidRequestError) as caught:
        read(request, LIMITS)
    return {each.field for each in caught.value.violations}


def written(deployment: Deployment, *, is_full: bool = True) -> pb.Deployment:
    message = pb.Deployment()
    write_deployment(deployment, message, is_full=is_full)
    return message


def test_a_deployment_to_create_holds_all_that_is_said() -> None:
    request = pb.CreateDeploymentRequest(
        flow_id=ID.upper(),
        name="prod",
        paused=False,
        tags=["a"],
        parameters_json='{"a": 1}',
        pull_steps_json="null",
        work_pool_name="pool",
        work_queue_name="queue",
    )

    assert read_create_deployment(request, LIMITS) == CreateDeployment(
        flow_id=ID,
        name="prod",
        is_paused=False,
        tags=("a",),
        parameters_json='{"a": 1}',
        pull_steps_json="null",
        work_pool_name="pool",
        work_queue_name="queue",
    )


def test_what_is_not_said_of_a_deployment_to_create_is_left_open() -> None:
    request = pb.CreateDeploymentRequest(flow_id=ID, name="prod")

    assert read_create_deployment(request, LIMITS) == CreateDeployment(flow_id=ID, name="prod")


def test_everything_wrong_with_a_deployment_to_create_is_told_at_once() -> None:
    request = pb.CreateDeploymentRequest(
        name="a&b",
        version="x" * 256,
        schedules=[pb.DeploymentSchedule(id=ID)],
        job_variables_json="[]",
        work_queue_name="queue",
    )

    assert faults(read_create_deployment, request) == {
        *("flow_id", "name", "version", "schedules[0].rule", "schedules[0].id"),
        *("job_variables_json", "work_queue_name"),
    }


def test_an_update_reads_only_the_fields_that_the_mask_names() -> None:
    request = pb.UpdateDeploymentRequest(
        deployment=pb.Deployment(id=ID, version="2", paused=True, parameters_json="not looked at"),
        update_mask=FieldMask(paths=["version", "paused", "description"]),
        request_id=OTHER_ID,
    )

    assert read_update_deployment(request, LIMITS) == UpdateDeployment(
        deployment_id=ID,
        fields=frozenset(
            {DeploymentField.VERSION, DeploymentField.PAUSED, DeploymentField.DESCRIPTION}
        ),
        version="2",
        is_paused=True,
        request_id=OTHER_ID,
    )


def test_what_is_read_from_a_server_can_be_sent_back_whole() -> None:
    request = pb.UpdateDeploymentRequest(
        deployment=written(FULL), update_mask=FieldMask(paths=["*"])
    )

    command = read_update_deployment(request, LIMITS)

    assert command.fields == frozenset(DeploymentField)
    for field in ("version", "tags", "schedules", "parameters_json", "pull_steps_json", "path"):
        assert getattr(command, field) == getattr(FULL, field)
    assert (command.work_pool_name, command.work_queue_name) == ("pool", "queue")


def test_everything_wrong_with_an_update_is_told_at_once() -> None:
    request = pb.UpdateDeploymentRequest(
        deployment=pb.Deployment(id="x", path="x" * 1001, work_queue_name="q"),
        update_mask=FieldMask(paths=["path", "work_queue", "id"]),
        request_id="x",
    )

    assert faults(read_update_deployment, request) == {
        *("deployment.id", "deployment.path", "deployment.work_queue_name"),
        *("update_mask.paths[2]", "request_id"),
    }


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (pb.GetDeploymentRequest(deployment_id=ID), ((ID, "", ""), True)),
        (
            pb.GetDeploymentRequest(
                name=pb.DeploymentName(flow_name="f", deployment_name="d"),
                view=pb.DEPLOYMENT_VIEW_BASIC,
            ),
            ((None, "f", "d"), False),
        ),
    ],
    ids=["by-id", "by-name"],
)
def test_a_deployment_is_asked_for_by_id_or_by_name(
    request_: pb.GetDeploymentRequest, expected: object
) -> None:
    assert read_get_deployment(request_, LIMITS) == expected


def test_a_deployment_to_delete_is_named_by_id() -> None:
    request = pb.DeleteDeploymentRequest(deployment_id=ID, request_id=OTHER_ID)

    assert read_delete_deployment(request, LIMITS) == DeleteDeployment(
        deployment_id=ID, request_id=OTHER_ID
    )
    assert faults(read_delete_deployment, pb.DeleteDeploymentRequest()) == {"deployment_id"}


def test_a_deployment_is_written_whole_or_without_what_is_large() -> None:
    large = {"parameters_json", "parameter_schema_json", "job_variables_json", "pull_steps_json"}

    full, basic = written(FULL), written(FULL, is_full=False)

    assert {field.name for field in pb.Deployment.DESCRIPTOR.fields} == {
        field.name for field, _ in full.ListFields()
    }
    assert {field.name for field, _ in basic.ListFields()} == {
        field.name for field, _ in full.ListFields()
    } - large


def test_what_is_unknown_of_a_deployment_is_unset() -> None:
    assert {field.name for field, _ in written(BARE).ListFields()} == {
        *("id", "flow_id", "name", "create_time", "update_time"),
        *("parameters_json", "job_variables_json", "status"),
    }


SCHEDULES: dict[str, ScheduleRule] = {
    "interval": IntervalSchedule(
        interval=timedelta(days=1, microseconds=1), anchor_time=NOW, timezone="Europe/Berlin"
    ),
    "cron": CronSchedule(cron="0 9 * * 1-5", timezone="Europe/Berlin", day_or=False),
    "rrule": RruleSchedule(rrule="FREQ=DAILY", timezone="Europe/Berlin"),
}


@pytest.mark.parametrize("rule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_schedule_is_read_as_it_was_written(rule: ScheduleRule) -> None:
    schedule = DeploymentSchedule(
        id=ID, rule=rule, is_active=False, max_active_runs=1, max_scheduled_runs=50, catchup=True
    )
    message = pb.DeploymentSchedule()
    write_schedule(schedule, message)
    plain = pb.DeploymentSchedule()
    write_schedule(DeploymentSchedule(id=ID, rule=rule), plain)

    read = read_schedules([message, plain], "schedules", checks := Checks(LIMITS))

    assert checks.passed(read) == (schedule, DeploymentSchedule(id=ID, rule=rule))


def test_what_is_not_said_of_a_schedule_is_plain() -> None:
    message = pb.DeploymentSchedule(interval=pb.IntervalSchedule(interval=Duration(seconds=3600)))

    assert read_schedules([message], "schedules", Checks(LIMITS)) == (
        DeploymentSchedule(id="", rule=IntervalSchedule(interval=AN_HOUR)),
    )


def test_a_run_of_a_deployment_holds_all_that_is_said() -> None:
    request = pb.CreateDeploymentFlowRunRequest(
        deployment_id=ID,
        name="name",
        parameters_json='{"a": 1}',
        enforce_parameter_schema=False,
        work_queue_name="queue",
        idempotency_key="key",
        idempotency_ttl=lasting(AN_HOUR),
        retries=0,
    )
    plain = CreateDeploymentRun(deployment_id=ID, state=ProposedState(type=StateType.SCHEDULED))

    assert read_create_deployment_flow_run(request, LIMITS) == replace(
        plain,
        name="name",
        parameters_json='{"a": 1}',
        enforce_parameter_schema=False,
        work_queue_name="queue",
        idempotency_key="key",
        idempotency_ttl=AN_HOUR,
        retries=0,
    )
    bare = pb.CreateDeploymentFlowRunRequest(deployment_id=ID)
    assert read_create_deployment_flow_run(bare, LIMITS) == plain


def test_what_is_to_be_scheduled_holds_all_that_is_said() -> None:
    request = pb.ScheduleDeploymentRequest(
        deployment_id=ID,
        start_time=at(NOW),
        end_time=at(NOW + AN_HOUR),
        min_time=lasting(timedelta()),
        min_runs=0,
        max_runs=1000,
    )

    assert read_schedule_deployment(request, LIMITS) == ScheduleDeployment(
        deployment_id=ID,
        start_time=NOW,
        end_time=NOW + AN_HOUR,
        min_time=timedelta(),
        min_runs=0,
        max_runs=1000,
    )
    bare = pb.ScheduleDeploymentRequest(deployment_id=ID)
    assert read_schedule_deployment(bare, LIMITS) == ScheduleDeployment(deployment_id=ID)
