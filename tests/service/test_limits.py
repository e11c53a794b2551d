"""Every limit that the contract states: at it a request is taken, beyond it refused by the name of the field."""

import json
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from headgate import v1 as pb
from tests.service.limits import Limit, fields_refused
from tests.service.world import (
    COMPLETED,
    PENDING,
    RUNNING,
    SCHEDULED,
    Watch,
    World,
    lasting,
    new_input,
    text_of,
    texts,
    types,
    violations,
)

Call = Awaitable[Any]

NAME: Final = 255
TAGS: Final = 100
IDS: Final = 1000
INPUTS: Final = 100
VALUE: Final = 5000
MESSAGE: Final = 64 * 1024
JSON: Final = 1024 * 1024
DAYS: Final = timedelta(days=3650)


def begun(watch: Watch) -> Call:
    """Wait for the first message of a watch."""
    return watch.next()


def filtered(world: World, **members: Any) -> Call:
    """List the runs that match."""
    return world.listed(flow_runs=pb.FlowRunFilter(**members))


def flow(world: World, **fields: Any) -> Call:
    return world.flows.CreateFlow(pb.CreateFlowRequest(**fields))


def variable(world: World, **fields: Any) -> Call:
    fields = {"name": "v" + uuid4().hex, **fields}
    return world.variables.CreateVariable(pb.CreateVariableRequest(**fields))


def details(world: World, run: pb.FlowRun, **fields: Any) -> Call:
    state = pb.ProposedState(type=SCHEDULED, details=pb.StateDetails(**fields))
    return world.propose(run, state, force=True)


def waiting(world: World, ids: list[str]) -> Call:
    request = pb.WaitFlowRunsRequest(flow_run_ids=ids, timeout=lasting(timedelta()))
    return world.runs.WaitFlowRuns(request)


def without(world: World, run: pb.FlowRun, keys: list[str]) -> Call:
    request = pb.ListFlowRunInputsRequest(flow_run_id=run.id, exclude_keys=keys)
    return world.inputs.ListFlowRunInputs(request)


def created(world: World, flow_ids: list[str]) -> Call:
    items = [pb.NewFlowRun(flow_id=each) for each in flow_ids]
    return world.runs.BatchCreateFlowRuns(pb.BatchCreateFlowRunsRequest(items=items))


def proposed(world: World, run_ids: list[str]) -> Call:
    items = [pb.FlowRunProposal(flow_run_id=each, state=state()) for each in run_ids]
    return world.runs.BatchSetFlowRunStates(pb.BatchSetFlowRunStatesRequest(items=items))


def deleted(world: World, run_ids: list[str]) -> Call:
    items = [pb.FlowRunDeletion(flow_run_id=each) for each in run_ids]
    return world.runs.BatchDeleteFlowRuns(pb.BatchDeleteFlowRunsRequest(items=items))


def state(**fields: Any) -> pb.ProposedState:
    return pb.ProposedState(type=RUNNING, **fields)


def ids(count: int) -> list[str]:
    return [str(uuid4()) for _ in range(count)]


NAMES: Final = {
    "flow name": Limit(NAME, lambda w, _, n: flow(w, name="é" * n), "name"),
    "flow tag": Limit(NAME, lambda w, _, n: flow(w, tags=["é" * n]), "tags[0]"),
    "run name": Limit(NAME, lambda w, r, n: w.new_run(flow_id=r.flow_id, name="é" * n), "name"),
    "run tag": Limit(
        NAME, lambda w, r, n: w.new_run(flow_id=r.flow_id, tags=["", "é" * n]), "tags[1]"
    ),
    "flow version": Limit(
        NAME, lambda w, r, n: w.new_run(flow_id=r.flow_id, flow_version="é" * n), "flow_version"
    ),
    "idempotency key": Limit(
        NAME,
        lambda w, r, n: w.new_run(flow_id=r.flow_id, idempotency_key="é" * n),
        "idempotency_key",
    ),
    "state name": Limit(NAME, lambda w, r, n: w.propose(r, state(name="é" * n)), "state.name"),
    "first state name": Limit(
        NAME, lambda w, r, n: w.new_run(state(name="é" * n), flow_id=r.flow_id), "state.name"
    ),
    "pause key": Limit(
        NAME, lambda w, r, n: details(w, r, pause_key="é" * n), "state.details.pause_key"
    ),
    "keyset": Limit(
        NAME,
        lambda w, r, n: details(w, r, run_input_keyset=pb.RunInputKeyset(schema="a" * n)),
        "state.details.run_input_keyset.schema",
    ),
    "input key": Limit(NAME, lambda w, r, n: w.leave(r, "a" * n), "input.key"),
    "input sender": Limit(
        NAME,
        lambda w, r, n: w.inputs.CreateFlowRunInput(
            pb.CreateFlowRunInputRequest(flow_run_id=r.id, input=new_input("sent", 1, "é" * n))
        ),
        "input.sender",
    ),
    "variable name": Limit(NAME, lambda w, _, n: variable(w, name="a" * n), "name"),
    "variable tag": Limit(NAME, lambda w, _, n: variable(w, tags=["é" * n]), "tags[0]"),
    "variable value": Limit(VALUE, lambda w, _, n: variable(w, value="é" * n), "value"),
    "process id": Limit(
        NAME,
        lambda w, r, n: w.update(r, ["infrastructure_pid"], infrastructure_pid="é" * n),
        "flow_run.infrastructure_pid",
    ),
    "text in a filter": Limit(
        NAME,
        lambda w, _, n: filtered(w, name=pb.NameFilter(like="é" * n)),
        "flow_runs.name.like",
    ),
    "text in a list in a filter": Limit(
        NAME,
        lambda w, _, n: filtered(w, tags=pb.TagsFilter(all=texts("é" * n))),
        "flow_runs.tags.all.values[0]",
    ),
}
COUNTS: Final = {
    "flow tags": Limit(TAGS, lambda w, _, n: flow(w, name=str(n), tags=["a"] * n), "tags"),
    "run tags": Limit(TAGS, lambda w, r, n: w.new_run(flow_id=r.flow_id, tags=["a"] * n), "tags"),
    "updated tags": Limit(
        TAGS, lambda w, r, n: w.update(r, ["tags"], tags=["a"] * n), "flow_run.tags"
    ),
    "variable tags": Limit(TAGS, lambda w, _, n: variable(w, tags=["a"] * n), "tags"),
    "inputs of a state": Limit(
        INPUTS,
        lambda w, r, n: w.propose(r, RUNNING, inputs=[new_input(f"i-{k}") for k in range(n)]),
        "inputs",
    ),
    "keys to leave out": Limit(IDS, lambda w, r, n: without(w, r, ["a"] * n), "exclude_keys"),
    "runs to wait for": Limit(IDS, lambda w, r, n: waiting(w, [r.id] * n), "flow_run_ids"),
    "runs to watch": Limit(
        IDS, lambda w, r, n: begun(w.watch(flow_run_ids=[r.id] * n)), "flow_run_ids"
    ),
    "runs to create": Limit(IDS, lambda w, r, n: created(w, [r.flow_id] * n), "items"),
    "states to propose": Limit(IDS, lambda w, r, n: proposed(w, [r.id] * n), "items"),
    "runs to delete": Limit(IDS, lambda w, _, n: deleted(w, ids(n)), "items"),
    "ids in a filter": Limit(
        IDS,
        lambda w, _, n: filtered(w, id=pb.IdFilter(any=texts(*ids(n)))),
        "flow_runs.id.any.values",
    ),
    "ids in a filter, not": Limit(
        IDS,
        lambda w, _, n: filtered(w, id=pb.IdFilter(not_any=texts(*ids(n)))),
        "flow_runs.id.not_any.values",
    ),
    "texts in a filter": Limit(
        IDS,
        lambda w, _, n: filtered(w, name=pb.NameFilter(any=texts(*map(str, range(n))))),
        "flow_runs.name.any.values",
    ),
    "tags in a filter": Limit(
        IDS,
        lambda w, _, n: filtered(w, tags=pb.TagsFilter(all=texts(*["a"] * n))),
        "flow_runs.tags.all.values",
    ),
    "types in a filter": Limit(
        IDS,
        lambda w, _, n: filtered(w, state=pb.StateFilter(type_any=types(*[PENDING] * n))),
        "flow_runs.state.type_any.values",
    ),
}
BYTES: Final = {
    "message of a state": Limit(
        MESSAGE,
        lambda w, r, n: w.propose(r, state(message="é" * (n // 2) + "x" * (n % 2))),
        "state.message",
    ),
    "parameters": Limit(
        JSON,
        lambda w, r, n: w.new_run(flow_id=r.flow_id, parameters_json=text_of(n)),
        "parameters_json",
    ),
    "context": Limit(
        JSON, lambda w, r, n: w.new_run(flow_id=r.flow_id, context_json=text_of(n)), "context_json"
    ),
    "updated parameters": Limit(
        JSON,
        lambda w, r, n: w.update(r, ["parameters_json"], parameters_json=text_of(n)),
        "flow_run.parameters_json",
    ),
    "data of a state": Limit(
        JSON, lambda w, r, n: w.propose(r, state(data_json=text_of(n))), "state.data_json"
    ),
    "value of an input": Limit(
        JSON,
        lambda w, r, n: w.inputs.CreateFlowRunInput(
            pb.CreateFlowRunInputRequest(
                flow_run_id=r.id, input=pb.NewFlowRunInput(key="large", value_json=text_of(n))
            )
        ),
        "input.value_json",
    ),
    "answer": Limit(
        JSON,
        lambda w, r, n: w.runs.ResumeFlowRun(
            pb.ResumeFlowRunRequest(flow_run_id=r.id, run_input_json=text_of(n))
        ),
        "run_input_json",
    ),
}


@pytest.mark.parametrize("limits", [NAMES, COUNTS, BYTES], ids=["names", "counts", "bytes"])
async def test_at_its_limit_a_field_is_taken_and_beyond_it_refused(
    world: World, limits: dict[str, Limit]
) -> None:
    assert await fields_refused(world, limits) == {
        case: [limit.field] for case, limit in limits.items()
    }


async def test_json_nests_up_to_200_levels(world: World) -> None:
    run = await world.new_run(RUNNING)

    def nested(levels: int) -> Call:
        return world.propose(run, state(data_json="[" * levels + "]" * levels))

    await nested(200)
    for levels in (201, 100_000):
        assert await violations(nested(levels)) == ["state.data_json"]


async def test_a_nul_is_refused_in_every_text(world: World) -> None:
    run = await world.new_run(RUNNING)
    calls: dict[str, Call] = {
        "name": world.new_run(flow_id=run.flow_id, name="a\0"),
        "state.message": world.propose(run, state(message="\0")),
        "state.data_json": world.propose(run, state(data_json=json.dumps("\0"))),
        "value": variable(world, value="\0"),
        "flow_runs.name.any.values[0]": filtered(world, name=pb.NameFilter(any=texts("\0"))),
        "key_prefix": world.inputs.ListFlowRunInputs(
            pb.ListFlowRunInputsRequest(flow_run_id=run.id, key_prefix="\0")
        ),
    }

    assert {field: await violations(call) for field, call in calls.items()} == {
        field: [field] for field in calls
    }


async def test_an_escaped_backslash_before_a_u0000_is_no_nul(world: World) -> None:
    run = await world.new_run(RUNNING)

    answer = await world.propose(run, state(data_json=r'"\\u0000"'))

    assert answer.state.data_json == r'"\\u0000"'


async def test_times_lie_in_the_years_1900_to_8999_and_are_cut_to_microseconds(
    world: World,
) -> None:
    run = await world.new_run(RUNNING)

    def due(time: datetime, nanos: int = 0, seconds: int = 0) -> Call:
        message = Timestamp(nanos=nanos)
        message.seconds = int((time - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) + seconds
        return details(world, run, scheduled_time=message)

    first, last = datetime(1900, 1, 1, tzinfo=UTC), datetime(8999, 12, 31, 23, 59, 59, tzinfo=UTC)
    for time_, nanos in ((first, 0), (last, 999_999_999)):
        answer = await due(time_, nanos)
        assert answer.state.details.scheduled_time.nanos == nanos // 1000 * 1000
    for call in (due(first, seconds=-1), due(last, seconds=1), due(last, -1), due(last, 10**9)):
        assert await violations(call) == ["state.details.scheduled_time"]


async def test_spans_have_bounds_on_both_sides(world: World) -> None:
    run, tick = await world.new_run(), timedelta(microseconds=1)

    def delay(span: timedelta) -> Call:
        return world.new_run(flow_id=run.flow_id, retry_delay=lasting(span))

    def ttl(span: timedelta) -> Call:
        key = str(uuid4())
        return world.new_run(
            flow_id=run.flow_id, idempotency_key=key, idempotency_ttl=lasting(span)
        )

    def interval(span: timedelta) -> Call:
        watch = world.watch(flow_run_ids=[run.id], progress_interval=lasting(span))
        return begun(watch)

    spans = {
        "retry_delay": (delay, timedelta(), DAYS),
        "idempotency_ttl": (ttl, tick, DAYS),
        "progress_interval": (interval, timedelta(seconds=1), timedelta(minutes=5)),
    }
    for field, (ask, least, most) in spans.items():
        await ask(least)
        await ask(most)
        for beyond in (least - tick, most + tick):
            assert await violations(ask(beyond)) == [field]


async def test_no_watch_may_have_both_ids_and_filters_nor_an_end_without_ids(
    world: World,
) -> None:
    run = await world.new_run(COMPLETED)
    wrong: list[tuple[dict[str, Any], list[str]]] = [
        ({"flow_run_ids": [run.id], "flows": pb.FlowFilter()}, ["flows"]),
        ({"flow_run_ids": [run.id], "flow_runs": pb.FlowRunFilter()}, ["flow_runs"]),
        ({"until": pb.WATCH_UNTIL_ALL_TERMINAL}, ["until"]),
        ({"flow_runs": pb.FlowRunFilter(), "until": pb.WATCH_UNTIL_ANY_TERMINAL}, ["until"]),
        ({"flow_run_ids": ["x"], "until": 9}, ["flow_run_ids[0]", "until"]),
    ]

    assert [await violations(begun(world.watch(**given))) for given, _ in wrong] == [
        fields for _, fields in wrong
    ]
