"""What watches judge in memory is what plain Python says."""

import pytest

from headgate_server.model.filters import RunQuery
from headgate_server.model.matching import matches, matches_task_run
from tests.model.evaluation import Evaluation
from tests.model.questions import Questions
from tests.model.worlds import World, random_world


def queries_of(world: World, seed: int, *kinds: str) -> list[RunQuery]:
    """Return queries with filters of some kinds alone."""
    questions = Questions(world, seed)
    drawn = [
        *questions.of_each_member(),
        *questions.without_conditions(),
        *questions.of_any_kind(100),
    ]
    return [RunQuery(**{kind: getattr(query, kind) for kind in kinds}) for query in drawn]


@pytest.mark.parametrize("seed", range(4))
def test_flow_runs_are_judged_as_they_are_found(seed: int) -> None:
    world = random_world(seed)
    flows = {flow.id: flow for flow in world.flows}
    parents = {task_run.id: task_run.flow_run_id for task_run in world.task_runs}
    deployed = {deployment.flow_id for deployment in world.deployments}

    for query in queries_of(world, seed, "flows", "flow_runs"):
        judged = [
            run
            for run in world.flow_runs
            if matches(
                query,
                run,
                flows[run.flow_id],
                parent_flow_run_id=parents.get(run.parent_task_run_id or ""),
                has_deployments=run.flow_id in deployed,
            )
        ]

        assert judged == Evaluation(world).flow_runs(query), query


@pytest.mark.parametrize("seed", range(4))
def test_task_runs_are_judged_as_they_are_found(seed: int) -> None:
    world = random_world(seed)
    parents = {run.parent_task_run_id for run in world.flow_runs}

    for query in queries_of(world, seed, "task_runs"):
        judged = [
            task_run
            for task_run in world.task_runs
            if matches_task_run(query.task_runs, task_run, has_subflow_runs=task_run.id in parents)
        ]

        assert judged == Evaluation(world).task_runs(query), query
