"""Task runs to stubs and back. Pure and total, as `headgate._convert`."""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from headgate import v1 as pb
from headgate._convert import from_timedelta, to_datetime, to_state
from headgate.enums import TaskInputKind
from headgate.task_run_models import TaskInput, TaskRun, TaskRunPolicy

# fmt: off
_INPUT_KINDS: Final = {
    "task_run_id":   TaskInputKind.TASK_RUN,
    "parameter":     TaskInputKind.PARAMETER,
    "constant_type": TaskInputKind.CONSTANT,
}
# fmt: on
_INPUT_FIELDS: Final = {kind: field for field, kind in _INPUT_KINDS.items()}


def to_task_run(task_run: pb.TaskRun) -> TaskRun:
    """Return a task run in the view that was sent."""
    has = task_run.HasField
    return TaskRun(
        id=UUID(task_run.id),
        flow_run_id=UUID(task_run.flow_run_id),
        task_key=task_run.task_key,
        dynamic_key=task_run.dynamic_key,
        name=task_run.name,
        create_time=to_datetime(task_run.create_time),
        update_time=to_datetime(task_run.update_time),
        version=task_run.version,
        state=to_state(task_run.state) if has("state") else None,
        task_version=task_run.task_version if has("task_version") else None,
        cache_key=task_run.cache_key if has("cache_key") else None,
        cache_expire_time=(
            to_datetime(task_run.cache_expire_time) if has("cache_expire_time") else None
        ),
        policy=_to_policy(task_run.policy),
        task_inputs={
            name: tuple(map(_to_input, task_run.task_inputs[name].inputs))
            for name in sorted(task_run.task_inputs)
        },
        tags=tuple(task_run.tags),
        run_count=task_run.run_count,
        flow_run_run_count=task_run.flow_run_run_count,
        expected_start_time=(
            to_datetime(task_run.expected_start_time) if has("expected_start_time") else None
        ),
        next_scheduled_start_time=(
            to_datetime(task_run.next_scheduled_start_time)
            if has("next_scheduled_start_time")
            else None
        ),
        start_time=to_datetime(task_run.start_time) if has("start_time") else None,
        end_time=to_datetime(task_run.end_time) if has("end_time") else None,
        total_run_time=task_run.total_run_time.ToTimedelta(),
        estimated_run_time=task_run.estimated_run_time.ToTimedelta(),
        estimated_start_time_delta=task_run.estimated_start_time_delta.ToTimedelta(),
    )


def _to_policy(policy: pb.TaskRunPolicy) -> TaskRunPolicy:
    has = policy.HasField
    return TaskRunPolicy(
        retries=policy.retries if has("retries") else None,
        retry_delays=tuple(each.ToTimedelta() for each in policy.retry_delays),
        retry_jitter_factor=policy.retry_jitter_factor if has("retry_jitter_factor") else None,
    )


def from_task_run_policy(policy: TaskRunPolicy) -> pb.TaskRunPolicy:
    """Return the message of a policy."""
    return pb.TaskRunPolicy(
        retries=policy.retries,
        retry_delays=[from_timedelta(each) for each in policy.retry_delays],
        retry_jitter_factor=policy.retry_jitter_factor,
    )


def _to_input(value: pb.TaskInput) -> TaskInput:
    field = value.WhichOneof("source")
    if field is None:
        return TaskInput(TaskInputKind.UNKNOWN, "")
    return TaskInput(_INPUT_KINDS[field], getattr(value, field))


def from_task_inputs(
    inputs: Mapping[str, Iterable[TaskInput]],
) -> dict[str, pb.TaskInputList]:
    """Return the messages of where the values of each parameter came from.

    Raises:
        ValueError: The kind of an input is UNKNOWN, which is only for reading.
    """
    return {
        name: pb.TaskInputList(inputs=[_from_input(each) for each in values])
        for name, values in inputs.items()
    }


def _from_input(value: TaskInput) -> pb.TaskInput:
    if value.kind not in _INPUT_FIELDS:
        message = f"The kind of a task input cannot be {value.kind}."
        raise ValueError(message)
    written = pb.TaskInput()
    setattr(written, _INPUT_FIELDS[value.kind], value.value)
    return written
