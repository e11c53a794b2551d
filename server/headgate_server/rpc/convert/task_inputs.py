"""Task inputs: where the values that were handed to a task came from, read and written."""

from collections.abc import Mapping, MutableMapping
from typing import Final

from headgate import v1 as pb
from headgate_server.model.task_runs import TaskInput, TaskInputKind
from headgate_server.rpc.convert.checks import Checks

INPUT_FIELDS: Final[Mapping[TaskInputKind, str]] = {
    TaskInputKind.TASK_RUN: "task_run_id",
    TaskInputKind.PARAMETER: "parameter",
    TaskInputKind.CONSTANT: "constant_type",
}
"""The member of the message in which each kind of input stands."""

_KINDS: Final = {field: kind for kind, field in INPUT_FIELDS.items()}


def read_task_inputs(
    message: Mapping[str, pb.TaskInputList], path: str, checks: Checks
) -> dict[str, tuple[TaskInput, ...]]:
    """Read where the values of each parameter came from. The order of the parameters is that of their names."""
    inputs_max = checks.limits.ids
    names = sorted(checks.members(message, path))
    if sum(len(message[name].inputs) for name in names) > inputs_max:
        checks.wrong(path, f"must have at most {inputs_max} inputs in all")
        return {}
    return {
        checks.text(name, f"{path}[{name}]"): tuple(
            _read_input(each, f"{path}[{name}].inputs[{index}]", checks)
            for index, each in enumerate(message[name].inputs)
        )
        for name in names
    }


def _read_input(message: pb.TaskInput, path: str, checks: Checks) -> TaskInput:
    field = message.WhichOneof("source")
    if field is None:
        checks.wrong(path, f"is required: give one of {', '.join(_KINDS)}")
        return TaskInput(kind=TaskInputKind.CONSTANT, value="")
    value: str = getattr(message, field)
    check = checks.id if field == "task_run_id" else checks.text
    return TaskInput(kind=_KINDS[field], value=check(value, f"{path}.{field}"))


def write_task_inputs(
    inputs: Mapping[str, tuple[TaskInput, ...]], message: MutableMapping[str, pb.TaskInputList]
) -> None:
    """Write where the values of each parameter came from."""
    for name, sources in inputs.items():
        written = message[name].inputs  # makes the list, even if it stays empty
        for source in sources:
            setattr(written.add(), INPUT_FIELDS[source.kind], source.value)
