"""Task runs and limits to stubs and back: nothing is lost, and nothing a server sends is too new."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate import StateType, TaskInput, TaskInputKind, TaskRun, TaskRunPolicy
from headgate import v1 as pb
from headgate._convert import from_datetime, to_concurrency_limit
from headgate._convert_task_runs import from_task_inputs, from_task_run_policy, to_task_run

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SPANS = st.timedeltas(timedelta(), timedelta(days=3650))
KINDS = [kind for kind in TaskInputKind if kind is not TaskInputKind.UNKNOWN]
TIME = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SENT_TIME = from_datetime(TIME, "time")


def sent(**fields: object) -> pb.TaskRun:
    """Return a task run as a server sends it at the least, and with these fields."""
    message = pb.TaskRun(id=str(UUID(int=1)), flow_run_id=str(UUID(int=2)))
    message.MergeFrom(pb.TaskRun(**fields))  # type: ignore[arg-type]
    return pb.TaskRun.FromString(message.SerializeToString())


@given(
    st.builds(
        TaskRunPolicy,
        retries=st.none() | st.integers(0, 2**31 - 1),
        retry_delays=st.lists(SPANS, max_size=3).map(tuple),
        retry_jitter_factor=st.none() | st.floats(0, 1e9),
    )
)
def test_a_policy_loses_nothing_on_the_way(policy: TaskRunPolicy) -> None:
    assert to_task_run(sent(policy=from_task_run_policy(policy))).policy == policy


@given(
    st.dictionaries(
        TEXTS,
        st.lists(st.builds(TaskInput, st.sampled_from(KINDS), TEXTS), max_size=3).map(tuple),
        max_size=3,
    )
)
def test_inputs_lose_nothing_on_the_way(inputs: dict[str, tuple[TaskInput, ...]]) -> None:
    assert to_task_run(sent(task_inputs=from_task_inputs(inputs))).task_inputs == inputs


def test_inputs_are_named_by_where_they_come_from() -> None:
    source = uuid4()

    made = [
        TaskInput.from_task_run(source),
        TaskInput.from_parameter("day"),
        TaskInput.from_constant("int"),
    ]

    assert made == [
        TaskInput(TaskInputKind.TASK_RUN, str(source)),
        TaskInput(TaskInputKind.PARAMETER, "day"),
        TaskInput(TaskInputKind.CONSTANT, "int"),
    ]


def test_an_input_of_a_newer_kind_is_unknown_and_cannot_be_sent() -> None:
    inputs = {"x": pb.TaskInputList(inputs=[pb.TaskInput()])}

    (received,) = to_task_run(sent(task_inputs=inputs)).task_inputs["x"]

    assert received.kind is TaskInputKind.UNKNOWN
    with pytest.raises(ValueError, match="cannot be UNKNOWN"):
        from_task_inputs({"x": [received]})


def test_a_task_run_is_read_with_everything() -> None:
    message = sent(
        task_key="t",
        dynamic_key="0",
        name="n",
        create_time=SENT_TIME,
        update_time=SENT_TIME,
        version=3,
        state=pb.State(
            id=str(UUID(int=3)), type=pb.STATE_TYPE_COMPLETED, is_terminal=True, timestamp=SENT_TIME
        ),
        task_version="1",
        cache_key="",
        cache_expire_time=SENT_TIME,
        tags=["b", "a"],
        run_count=1,
        flow_run_run_count=2,
        expected_start_time=SENT_TIME,
        next_scheduled_start_time=SENT_TIME,
        start_time=SENT_TIME,
        end_time=SENT_TIME,
        total_run_time={"seconds": 1},
        estimated_run_time={"seconds": 2},
        estimated_start_time_delta={"seconds": 3},
    )

    task_run = to_task_run(message)

    state = task_run.state
    assert state is not None
    assert (state.type, task_run.is_final) == (StateType.COMPLETED, True)
    assert task_run == TaskRun(
        id=UUID(int=1),
        flow_run_id=UUID(int=2),
        task_key="t",
        dynamic_key="0",
        name="n",
        create_time=TIME,
        update_time=TIME,
        version=3,
        state=state,
        task_version="1",
        cache_key="",
        cache_expire_time=TIME,
        tags=("b", "a"),
        run_count=1,
        flow_run_run_count=2,
        expected_start_time=TIME,
        next_scheduled_start_time=TIME,
        start_time=TIME,
        end_time=TIME,
        total_run_time=timedelta(seconds=1),
        estimated_run_time=timedelta(seconds=2),
        estimated_start_time_delta=timedelta(seconds=3),
    )
    assert hash(task_run) == hash(to_task_run(message))


def test_what_a_task_run_lacks_is_none() -> None:
    task_run = to_task_run(sent())

    assert task_run.policy == TaskRunPolicy()
    assert (task_run.state, task_run.is_final, task_run.task_inputs) == (None, False, {})
    for name in ("task_version", "cache_key", "cache_expire_time", "start_time", "end_time"):
        assert getattr(task_run, name) is None


def test_a_concurrency_limit_is_read_with_its_slots() -> None:
    limit = to_concurrency_limit(
        pb.ConcurrencyLimit(
            id=str(UUID(int=1)),
            tag="db",
            concurrency_limit=2,
            create_time=SENT_TIME,
            update_time=SENT_TIME,
            active_slots=[str(UUID(int=2))],
        )
    )

    assert (limit.id, limit.tag, limit.concurrency_limit) == (UUID(int=1), "db", 2)
    assert limit.create_time == limit.update_time == TIME
    assert limit.active_slots == (UUID(int=2),)
