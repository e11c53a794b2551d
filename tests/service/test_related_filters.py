"""All six filters, end to end: what each asks of other kinds, and that what is empty still asks."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pytest
from google.protobuf.message import Message

from headgate import v1 as pb
from headgate_server.app import App
from tests.asking import asking
from tests.model.evaluation import Evaluation
from tests.model.questions import Questions
from tests.model.worlds import random_world
from tests.service.deploying import deployed, run_of, undeployed
from tests.service.seeds import task_run_of, write
from tests.service.work import new_pool, new_queue
from tests.service.world import World, reason, texts


class Asked(NamedTuple):
    """How entities of one kind are listed and counted."""

    stub: str
    list_method: str
    list_request: type[Message]
    count_method: str = ""
    count_request: type[Message] = Message


ASKED: Final[Mapping[str, Asked]] = {
    "flows": Asked("flows", "ListFlows", pb.ListFlowsRequest, "CountFlows", pb.CountFlowsRequest),
    "flow_runs": Asked(
        "runs", "ListFlowRuns", pb.ListFlowRunsRequest, "CountFlowRuns", pb.CountFlowRunsRequest
    ),
    "task_runs": Asked(
        "task_runs",
        "ListTaskRuns",
        pb.ListTaskRunsRequest,
        "CountTaskRuns",
        pb.CountTaskRunsRequest,
    ),
    "deployments": Asked(
        "deployments",
        "ListDeployments",
        pb.ListDeploymentsRequest,
        "CountDeployments",
        pb.CountDeploymentsRequest,
    ),
    "work_pools": Asked("work", "ListWorkPools", pb.ListWorkPoolsRequest),
}


@pytest.mark.parametrize("kind", ASKED)
async def test_every_filter_finds_and_counts_what_is_specified(
    app: App, world: World, kind: str
) -> None:
    asked = ASKED[kind]
    stored = random_world(30)
    evaluation, questions = Evaluation(stored), Questions(stored, 30)
    taken = set(asked.list_request.DESCRIPTOR.fields_by_name)
    queries = [
        query
        for query in (*questions.of_each_member(), *questions.of_any_kind(30))
        if {name for name in query.__struct_fields__ if getattr(query, name) is not None} <= taken
    ]
    await write(app, stored.replace_all)

    stub: Any = getattr(world, asked.stub)
    found, counted = [], []
    for query in queries:
        request = asking(asked.list_request, query, page_size=1000)
        answer = await getattr(stub, asked.list_method)(request)
        found.append({each.id for each in getattr(answer, kind)})
        if asked.count_method:
            request = asking(asked.count_request, query)
            counted.append((await getattr(stub, asked.count_method)(request)).count)

    matching = [{each.id for each in getattr(evaluation, kind)(query)} for query in queries]
    assert found == matching
    assert counted == ([len(each) for each in matching] if asked.count_method else [])


async def test_queues_of_a_pool_are_listed_by_urgency_as_far_as_they_match(
    world: World,
) -> None:
    await new_pool(world)
    for name, priority in (("High_1", 2), ("high-2", 1), ("low", 1)):
        await new_queue(world, name, priority=priority)
    names: Mapping[str, dict[str, Any]] = {
        "all": {},
        "startswith": {"name": pb.WorkQueueNameFilter(startswith=texts("HIGH"))},
        "startswith either": {"name": pb.WorkQueueNameFilter(startswith=texts("high_1", "LO"))},
        "startswith none": {"name": pb.WorkQueueNameFilter(startswith=texts())},
        "any": {"name": pb.WorkQueueNameFilter(any=texts("low", "LOW"))},
        "any and startswith": {
            "name": pb.WorkQueueNameFilter(any=texts("low"), startswith=texts("h"))
        },
    }

    listed = {}
    for case, members in names.items():
        request = pb.ListWorkQueuesRequest(
            work_pool_name="pool", work_queues=pb.WorkQueueFilter(**members)
        )
        answer = await world.work.ListWorkQueues(request)
        listed[case] = [
            queue.name
            for queue in sorted(answer.work_queues, key=lambda queue: queue.priority)
            if queue.name != "default"
        ]
        assert [queue.priority for queue in answer.work_queues] == sorted(
            queue.priority for queue in answer.work_queues
        )

    assert listed == {
        "all": ["low", "high-2", "High_1"],
        "startswith": ["high-2", "High_1"],
        "startswith either": ["low", "High_1"],
        "startswith none": [],
        "any": ["low"],
        "any and startswith": [],
    }


async def test_a_filter_without_conditions_still_asks_for_an_entity_of_its_kind(
    app: App, world: World
) -> None:
    await new_pool(world)
    await new_queue(world, "queue")
    deployment = await deployed(world, work_pool_name="pool", work_queue_name="queue")
    gone = await deployed(world, name="gone")
    plain = await world.new_run()
    waiting = await run_of(world, deployment)
    orphan = await world.new_run(flow_id=gone.flow_id, deployment_id=gone.id)
    await undeployed(world, gone)
    busy = await world.new_run()
    await task_run_of(app, busy.id)
    names = {plain.id: "plain", waiting.id: "waiting", orphan.id: "orphan", busy.id: "busy"}
    asked: Mapping[str, Any] = {
        "flows": pb.FlowFilter(),
        "flow_runs": pb.FlowRunFilter(),
        "task_runs": pb.TaskRunFilter(),
        "deployments": pb.DeploymentFilter(),
        "work_pools": pb.WorkPoolFilter(),
        "work_queues": pb.WorkQueueFilter(),
    }

    found = {
        kind: {names[run.id] for run in await world.listed(**{kind: given})}
        for kind, given in asked.items()
    }

    assert found == {
        "flows": set(names.values()),
        "flow_runs": set(names.values()),
        "task_runs": {"busy"},
        "deployments": {"waiting"},
        "work_pools": {"waiting"},
        "work_queues": {"waiting"},
    }


async def test_a_token_of_a_list_serves_no_list_with_another_filter(world: World) -> None:
    for _ in range(3):
        await world.new_run()
    first = await world.runs.ListFlowRuns(pb.ListFlowRunsRequest(page_size=1))

    other = pb.ListFlowRunsRequest(
        page_size=1, page_token=first.next_page_token, deployments=pb.DeploymentFilter()
    )
    assert await reason(world.runs.ListFlowRuns(other)) == "PAGE_TOKEN_MISMATCH"
