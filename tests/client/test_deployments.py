"""Deployments through the client, with Python's types, also over a connection that fails."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

import headgate
from headgate import (
    Client,
    CronSchedule,
    Deployment,
    DeploymentFilter,
    DeploymentSchedule,
    DeploymentSort,
    DeploymentStatus,
    DeploymentView,
    IdFilter,
    IntervalSchedule,
    RruleSchedule,
    errors,
    sync,
)
from tests.client.faults import Fault, FaultyDoor

LOST_ANSWER = Fault(is_answer_lost=True)
ANCHOR = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
A_DAY = timedelta(days=1)


@pytest.fixture
async def flow_id(client: Client) -> UUID:
    """Return a flow of its own for the test."""
    return (await client.flows.create(f"flow-{uuid4()}")).flow.id


async def a_deployment(
    client: Client, flow_id: UUID, name: str = "prod", **fields: Any
) -> Deployment:
    """Return a new deployment."""
    return (await client.deployments.create(flow_id, name, **fields)).deployment


async def test_a_deployment_is_created_with_everything_python_has(
    client: Client, flow_id: UUID
) -> None:
    schedules = (
        DeploymentSchedule(
            rule=IntervalSchedule(interval=A_DAY, anchor_time=ANCHOR, timezone="Europe/Berlin")
        ),
        DeploymentSchedule(rule=CronSchedule(cron="0 9 * * 1-5", day_or=False), active=False),
        DeploymentSchedule(
            rule=RruleSchedule(rrule="FREQ=DAILY"),
            max_active_runs=2,
            max_scheduled_runs=50,
            catchup=True,
        ),
    )

    created = await client.deployments.create(
        flow_id,
        "prod",
        version="1",
        description="für jeden",
        paused=True,
        schedules=schedules,
        tags=["b", "a"],
        parameters={"n": 2**70, "x": 1.5},
        parameter_schema={"type": "object"},
        enforce_parameter_schema=True,
        job_variables={"cpu": 2},
        pull_steps=[{"git": "clone"}],
        entrypoint="a.py:b",
        path="/code",
    )

    made = created.deployment
    assert created.created
    assert (made.flow_id, made.name, made.version, made.paused) == (flow_id, "prod", "1", True)
    assert [each.rule for each in made.schedules] == [each.rule for each in schedules]
    assert all(isinstance(each.id, UUID) for each in made.schedules)
    assert [each.active for each in made.schedules] == [True, False, True]
    assert (made.schedules[2].max_active_runs, made.schedules[2].catchup) == (2, True)
    assert (made.parameters, made.parameter_schema) == ({"n": 2**70, "x": 1.5}, {"type": "object"})
    assert (made.job_variables, made.pull_steps) == ({"cpu": 2}, [{"git": "clone"}])
    assert (made.tags, made.entrypoint, made.path) == (("b", "a"), "a.py:b", "/code")
    assert (made.status, made.last_polled_time) == (DeploymentStatus.NOT_READY, None)
    assert await client.deployments.get(made.id) == made
    assert hash(made) == hash(await client.deployments.get(str(made.id)))


async def test_a_deployment_is_read_by_names_and_in_parts(client: Client, flow_id: UUID) -> None:
    made = await a_deployment(client, flow_id, parameters={"a": 1})
    flow = await client.flows.get(flow_id)

    found = await client.deployments.get_by_name(flow.name, "prod")
    basic = await client.deployments.get(made.id, view=DeploymentView.BASIC)

    assert found == made
    assert (basic.parameters, basic.job_variables) == (None, None)
    with pytest.raises(errors.DeploymentNotFoundError):
        await client.deployments.get_by_name(flow.name, "other")


async def test_what_is_given_is_changed_and_none_clears(client: Client, flow_id: UUID) -> None:
    made = await a_deployment(
        client,
        flow_id,
        version="1",
        tags=["a"],
        parameters={"a": 1},
        schedules=[DeploymentSchedule(rule=CronSchedule(cron="@daily"))],
    )
    kept = made.schedules[0]

    paused = await client.deployments.update(made.id, paused=True, version=None)
    changed = await client.deployments.update(
        made.id,
        description="new",
        schedules=[DeploymentSchedule(rule=CronSchedule(cron="@weekly")), kept],
        tags=[],
        parameters={"b": 2},
        parameter_schema={},
        enforce_parameter_schema=True,
        job_variables={"cpu": 1},
        pull_steps=None,
        entrypoint="a.py:b",
        path=None,
        work_queue=None,
    )

    assert (paused.paused, paused.version, paused.tags) == (True, None, ("a",))
    assert paused.schedules == made.schedules
    assert (changed.paused, changed.description, changed.tags) == (True, "new", ())
    assert changed.schedules[1] == kept
    assert (changed.parameters, changed.job_variables) == ({"b": 2}, {"cpu": 1})
    with pytest.raises(errors.InvalidRequestError):
        await client.deployments.update(made.id)
    with pytest.raises(errors.WorkPoolNotFoundError):
        await client.deployments.update(made.id, work_queue=(str(uuid4()), None))


async def test_wrong_schedules_are_refused_before_or_by_the_server(
    client: Client, flow_id: UUID
) -> None:
    with pytest.raises(ValueError, match="needs a rule"):
        await a_deployment(client, flow_id, schedules=[DeploymentSchedule(rule=None)])
    with pytest.raises(errors.InvalidRequestError) as caught:
        await a_deployment(
            client, flow_id, schedules=[DeploymentSchedule(rule=CronSchedule(cron="never"))]
        )

    assert [each.field for each in caught.value.violations] == ["schedules[0].cron.cron"]


async def test_deployments_are_listed_and_counted(client: Client, flow_id: UUID) -> None:
    made = [await a_deployment(client, flow_id, name) for name in ("b", "a", "c")]
    ours = DeploymentFilter(id=IdFilter(any=[each.id for each in made]))

    names = [each.name async for each in client.deployments.iterate(None, ours, page_size=2)]
    page = await client.deployments.list(
        None, ours, sort=DeploymentSort.NAME_DESC, view=DeploymentView.FULL, page_size=1
    )

    assert names == ["a", "b", "c"]
    assert await client.deployments.count(deployments=ours) == 3
    assert [(each.name, each.parameters) for each in page.items] == [("c", {})]
    assert page.next_page_token


async def test_runs_are_made_of_a_deployment(client: Client, flow_id: UUID) -> None:
    made = await a_deployment(
        client,
        flow_id,
        tags=["a"],
        parameters={"a": 1, "b": {"__prefect_kind": "jinja", "template": "{{ 1 + 1 }}"}},
        parameter_schema={"properties": {"a": {"type": "integer"}}},
        enforce_parameter_schema=True,
    )

    created = await client.deployments.create_flow_run(
        made.id,
        name="mine",
        parameters={"a": 2},
        context={"c": 1},
        tags=["b"],
        job_variables={"cpu": 1},
        idempotency_key="once",
        retries=1,
        retry_delay=timedelta(seconds=2),
    )
    again = await client.deployments.create_flow_run(made.id, idempotency_key="once")

    run = created.flow_run
    assert (created.created, again.created) == (True, False)
    assert again.flow_run.id == run.id
    assert (run.deployment_id, run.name, run.tags) == (made.id, "mine", ("a", "b"))
    assert (run.parameters, run.context) == ({"a": 2, "b": "2"}, {"c": 1})
    with pytest.raises(errors.ParametersInvalidError):
        await client.deployments.create_flow_run(made.id, parameters={"a": "x"})
    loose = await client.deployments.create_flow_run(
        made.id, parameters={"a": "x"}, enforce_parameter_schema=False
    )
    assert loose.created
    with pytest.raises(errors.WorkPoolRequiredError):
        await client.deployments.create_flow_run(made.id, work_queue_name="queue")


async def test_runs_are_scheduled_on_demand_and_go_with_the_deployment(
    client: Client, flow_id: UUID
) -> None:
    made = await a_deployment(
        client,
        flow_id,
        paused=True,
        schedules=[DeploymentSchedule(rule=IntervalSchedule(interval=A_DAY, anchor_time=ANCHOR))],
    )

    ids = await client.deployments.schedule(
        made.id, start_time=ANCHOR, end_time=ANCHOR + 9 * A_DAY, min_runs=4, min_time=A_DAY
    )
    again = await client.deployments.schedule(made.id, start_time=ANCHOR, max_runs=2)

    runs = [await client.flow_runs.get(each) for each in ids]
    assert [run.expected_start_time for run in runs] == [ANCHOR + days * A_DAY for days in range(4)]
    assert again == ()
    assert await client.deployments.delete(made.id) == 4
    with pytest.raises(errors.DeploymentNotFoundError):
        await client.deployments.delete(made.id)


async def test_answers_that_are_lost_are_asked_for_again(
    shaky: Client, door: FaultyDoor, flow_id: UUID
) -> None:
    door.fail("CreateDeployment", LOST_ANSWER)
    made = await a_deployment(shaky, flow_id)
    door.fail("CreateDeploymentFlowRun", LOST_ANSWER)
    created = await shaky.deployments.create_flow_run(made.id)
    door.fail("DeleteDeployment", LOST_ANSWER)

    assert created.created
    assert await shaky.deployments.delete(made.id) == 1


@pytest.fixture
def blocking(server_target: str) -> Iterator[sync.Client]:
    """Return a blocking client."""
    with sync.Client(server_target) as connected:
        yield connected


def test_the_blocking_face_does_the_same(blocking: sync.Client) -> None:
    flow_id = blocking.flows.create(f"flow-{uuid4()}").flow.id
    made = blocking.deployments.create(flow_id, "prod").deployment

    run = blocking.deployments.create_flow_run(made.id, state=headgate.Pending()).flow_run
    ours = DeploymentFilter(id=IdFilter(any=[made.id]))

    assert run.deployment_id == made.id
    assert [each.id for each in blocking.deployments.iterate(None, ours)] == [made.id]
    assert blocking.deployments.delete(made.id) == 0
