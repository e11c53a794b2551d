"""Random questions about a world: each member of each filter, alone and together, with values that are met and that are not."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final

import msgspec

from headgate_server.model import filters
from headgate_server.model.filters import Operator, RunQuery
from headgate_server.model.states import StateType
from tests.builders import NOW
from tests.model.worlds import LENGTHS, NAMES, STATE_NAMES, TAGS, TEXTS, TYPES, World

_UNKNOWN: Final = "00000000-0000-7000-8000-ffffffffffff"
_PATTERNS: Final = ["", "a", "A", "%", "_", "d_1", "b%", "\\", "é", "É", "\n", "%a%b"]

_Draw = Callable[[], Any]


class Questions:
    """Draws filters that fit a world."""

    def __init__(self, world: World, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311  the same each time
        self._ids = {
            kind: [each.id for each in getattr(world, kind)] + [_UNKNOWN]
            for kind in RunQuery.__struct_fields__
        }
        self._filters: Mapping[str, tuple[type[Any], Mapping[str, _Draw]]] = {
            "flows": (
                filters.FlowFilter,
                {
                    **self._common("flows"),
                    "deployment": self._of(filters.PresenceFilter, is_null=self._fact),
                },
            ),
            "flow_runs": (filters.FlowRunFilter, self._of_flow_runs()),
            "task_runs": (
                filters.TaskRunFilter,
                {
                    **self._common("task_runs"),
                    "state": self._state(),
                    "start_time": self._times(),
                    "subflow_runs": self._of(filters.ExistsFilter, exists=self._fact),
                    "flow_run_id": self._reference(self._ids["flow_runs"]),
                },
            ),
            "deployments": (
                filters.DeploymentFilter,
                {
                    **self._common("deployments"),
                    "paused": self._of(filters.EqualFilter, eq=self._fact),
                    "is_schedule_active": self._of(filters.EqualFilter, eq=self._fact),
                    "work_queue_name": self._any([*TEXTS, *NAMES]),
                },
            ),
            "work_pools": (
                filters.WorkPoolFilter,
                {
                    "id": self._key(self._ids["work_pools"]),
                    "name": self._any(NAMES),
                    "type": self._any(TYPES),
                },
            ),
            "work_queues": (
                filters.WorkQueueFilter,
                {
                    "id": self._key(self._ids["work_queues"]),
                    "name": self._of(
                        filters.QueueNameFilter,
                        any=self._some(NAMES),
                        startswith=self._some(_PATTERNS),
                    ),
                },
            ),
        }

    def of_each_member(self) -> list[RunQuery]:
        """Return a query for each member of each filter, alone in it and alone in the query, with either operator."""
        return [
            RunQuery(**{kind: filter_type(operator=operator, **{name: draw()})})
            for kind, (filter_type, members) in self._filters.items()
            for name, draw in members.items()
            for operator in Operator
        ]

    def without_conditions(self) -> list[RunQuery]:
        """Return queries whose filters, or some of their members, are given and say nothing."""
        empty = [
            RunQuery(**{kind: filter_type(operator=operator)})
            for kind, (filter_type, _) in self._filters.items()
            for operator in Operator
        ]
        beside_an_empty_member = []
        for kind, (filter_type, members) in self._filters.items():
            for name in members:
                (other,) = self._random.sample([each for each in members if each != name], 1)
                nothing = type(members[name]())()
                given = {name: nothing, other: members[other]()}
                beside_an_empty_member += [
                    RunQuery(**{kind: filter_type(operator=operator, **given)})
                    for operator in Operator
                ]
        return [*empty, *beside_an_empty_member]

    def of_any_kind(self, number: int) -> list[RunQuery]:
        """Return queries of several filters, each of several members."""
        return [self._query() for _ in range(number)]

    def _query(self) -> RunQuery:
        draw = self._random
        kinds = draw.sample(sorted(self._filters), draw.choice([1, 1, 2, 2, 3, 6]))
        return RunQuery(**{kind: self._filter(kind) for kind in kinds})

    def _filter(self, kind: str) -> Any:
        draw = self._random
        filter_type, members = self._filters[kind]
        number = min(len(members), draw.choice([0, 1, 1, 1, 2, 2, 3]))
        names = draw.sample(sorted(members), number)
        return filter_type(operator=self._operator(), **{name: members[name]() for name in names})

    def _of_flow_runs(self) -> dict[str, _Draw]:
        return {
            **self._common("flow_runs"),
            "deployment_id": self._reference(self._ids["deployments"]),
            "work_queue_name": self._reference(TEXTS),
            "state": self._state(),
            "flow_version": self._any(TEXTS),
            "start_time": self._times(),
            "expected_start_time": self._times(),
            "next_scheduled_start_time": self._times(),
            "parent_flow_run_id": self._any(self._ids["flow_runs"]),
            "parent_task_run_id": self._reference(self._ids["task_runs"]),
            "idempotency_key": self._of(
                filters.KeyFilter, any=self._some(TEXTS), not_any=self._some(TEXTS)
            ),
        }

    def _common(self, kind: str) -> dict[str, _Draw]:
        return {
            "id": self._key(self._ids[kind]),
            "name": self._of(filters.NameFilter, any=self._some(NAMES), like=self._pattern),
            "tags": self._of(
                filters.TagsFilter,
                operator=self._operator,
                all=self._some(TAGS),
                is_null=self._fact,
            ),
        }

    def _key(self, ids: Sequence[str]) -> _Draw:
        return self._of(filters.IdFilter, any=self._many(ids), not_any=self._many(ids))

    def _any(self, values: Sequence[str]) -> _Draw:
        return self._of(filters.AnyFilter, any=self._some(values))

    def _reference(self, values: Sequence[str]) -> _Draw:
        return self._of(
            filters.ReferenceFilter,
            operator=self._operator,
            any=self._some(values),
            is_null=self._fact,
        )

    def _state(self) -> _Draw:
        return self._of(
            filters.StateFilter,
            operator=self._operator,
            type_any=self._some(list(StateType)),
            name_any=self._some(STATE_NAMES),
        )

    def _times(self) -> _Draw:
        return self._of(filters.TimeFilter, before=self._time, after=self._time, is_null=self._fact)

    def _of(self, kind: type[msgspec.Struct], **members: _Draw) -> _Draw:
        """Return what draws filters of a kind with some of their members, seldom with none."""
        conditions = [name for name in members if name != "operator"]

        def draw() -> msgspec.Struct:
            number = self._random.choice([0, 1, 1, 1, 1, len(conditions)])
            given = {name: members[name]() for name in self._random.sample(conditions, number)}
            if "operator" in members:
                given["operator"] = members["operator"]()
            return kind(**given)

        return draw

    def _some(self, values: Sequence[Any]) -> _Draw:
        """Return what draws a few values, seldom none."""
        return lambda: tuple(self._random.choices(values, k=self._random.choice([0, 1, 1, 2, 3])))

    def _many(self, values: Sequence[str]) -> _Draw:
        """Return what draws about half of the values, or few."""
        return lambda: tuple(
            self._random.sample(values, self._random.choice([0, 1, len(values) // 2]))
        )

    def _fact(self) -> bool:
        return self._random.random() < 0.5

    def _operator(self) -> Operator:
        return self._random.choice([Operator.AND, Operator.AND, Operator.OR])

    def _pattern(self) -> str:
        return self._random.choice(_PATTERNS)

    def _time(self) -> Any:
        return NOW + self._random.choice([*LENGTHS, *LENGTHS[-1:] * 3])
