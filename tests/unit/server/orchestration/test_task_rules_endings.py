"""Rules about the end of a task run: what may follow it, and retries."""

import math
from datetime import timedelta
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_server.model.states import TERMINAL, StateType
from headgate_server.model.task_runs import TaskRunPolicy
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.orchestration.policies import MINIMAL_TASK_POLICY
from headgate_server.orchestration.task_rules import jittered, retry_delay
from tests.unit.server.orchestration.builders import (
    A_MINUTE,
    NOW,
    a_state,
    a_task_run,
    propose_task,
)

NOT_TERMINAL = sorted(set(StateType) - TERMINAL)


class TestAfterTheEnd:
    @pytest.mark.parametrize(
        "proposed", [StateType.CANCELLING, StateType.PAUSED, StateType.CRASHED]
    )
    @pytest.mark.parametrize("ended", sorted(TERMINAL))
    def test_some_states_never_follow(self, ended: StateType, proposed: StateType) -> None:
        decision = propose_task(a_task_run(a_state(ended, data_json="1")), proposed)

        assert (decision.status, decision.written) == (VerdictStatus.ABORT, None)
        assert decision.reason == f"Run is already {ended}."

    @pytest.mark.parametrize("data_json", ["1", '"text"', '{"type": "reference"}', "[]", "0"])
    @pytest.mark.parametrize("proposed", ["PENDING", "RUNNING", "SCHEDULED", "COMPLETED", "FAILED"])
    def test_a_result_is_not_given_up(self, proposed: str, data_json: str) -> None:
        task_run = a_task_run(a_state(StateType.COMPLETED, data_json=data_json))

        decision = propose_task(task_run, StateType(proposed))

        assert (decision.status, decision.written) == (VerdictStatus.REJECT, None)
        assert decision.reason == "This run is already completed."

    @pytest.mark.parametrize("data_json", [None, "null", "{}", '{"type": "unpersisted"}'])
    def test_what_completed_without_a_result_may_run_again(self, data_json: str | None) -> None:
        task_run = a_task_run(a_state(StateType.COMPLETED, data_json=data_json), run_count=2)

        decision = propose_task(task_run, StateType.RUNNING)

        assert decision.status is VerdictStatus.ACCEPT
        assert decision.run.run_count == 1

    @pytest.mark.parametrize("ended", [StateType.FAILED, StateType.CRASHED, StateType.CANCELLED])
    def test_data_of_a_failure_is_no_result(self, ended: StateType) -> None:
        decision = propose_task(a_task_run(a_state(ended, data_json="1")), StateType.RUNNING)

        assert decision.status is VerdictStatus.ACCEPT

    @pytest.mark.parametrize("proposed", [StateType.SCHEDULED, StateType.PENDING])
    def test_retries_start_over_with_a_new_life(self, proposed: StateType) -> None:
        decision = propose_task(a_task_run(StateType.FAILED, run_count=3), proposed)

        assert decision.run.run_count == 0

    @pytest.mark.parametrize("proposed", [StateType.FAILED, StateType.CANCELLED])
    def test_a_correction_is_no_new_life(self, proposed: StateType) -> None:
        decision = propose_task(a_task_run(StateType.FAILED, run_count=3), proposed)

        assert decision.run.run_count == 3

    def test_who_insists_keeps_the_count(self) -> None:
        task_run = a_task_run(StateType.FAILED, run_count=3)

        decision = propose_task(task_run, StateType.RUNNING, policy=MINIMAL_TASK_POLICY)

        assert decision.run.run_count == 4
        assert not decision.takes_slots


class TestRetries:
    @pytest.mark.parametrize(
        ("retries", "run_count", "is_retried"),
        [(None, 1, False), (0, 0, True), (0, 1, False), (1, 1, True), (2, 2, True), (2, 3, False)],
    )
    def test_a_failure_is_retried_while_retries_are_left(
        self,
        retries: int | None,
        run_count: int,
        is_retried: bool,  # noqa: FBT001 - a column of the table
    ) -> None:
        policy = TaskRunPolicy(retries=retries)
        task_run = a_task_run(StateType.RUNNING, run_count=run_count, policy=policy)

        decision = propose_task(task_run, StateType.FAILED, message="Oh", data_json="1")

        written = decision.written
        assert written is not None
        assert (written.message, written.data_json) == ("Oh", "1")
        if is_retried:
            assert (decision.status, decision.reason) == (VerdictStatus.REJECT, "Retrying")
            assert (written.type, written.name) == (StateType.SCHEDULED, "AwaitingRetry")
            assert written.details.scheduled_time == NOW
            assert decision.run.next_scheduled_start_time == NOW
        else:
            assert decision.status is VerdictStatus.ACCEPT

    @pytest.mark.parametrize(
        ("retriable", "status"),
        [
            (None, VerdictStatus.REJECT),
            (True, VerdictStatus.REJECT),
            (False, VerdictStatus.ACCEPT),
        ],
    )
    def test_a_failure_may_forbid_to_be_retried(
        self,
        retriable: bool | None,  # noqa: FBT001 - a column of the table
        status: VerdictStatus,
    ) -> None:
        task_run = a_task_run(StateType.RUNNING, policy=TaskRunPolicy(retries=3))

        decision = propose_task(task_run, StateType.FAILED, retriable=retriable)

        assert decision.status is status

    @pytest.mark.parametrize("initial", sorted(set(StateType) - {StateType.RUNNING}))
    def test_only_what_runs_is_retried(self, initial: StateType) -> None:
        task_run = a_task_run(initial, policy=TaskRunPolicy(retries=3))

        decision = propose_task(task_run, StateType.FAILED)

        assert decision.status is VerdictStatus.ACCEPT

    @pytest.mark.parametrize("proposed", [StateType.CRASHED, StateType.CANCELLED])
    def test_only_failures_are_retried(self, proposed: StateType) -> None:
        task_run = a_task_run(StateType.RUNNING, policy=TaskRunPolicy(retries=3))

        assert propose_task(task_run, proposed).status is VerdictStatus.ACCEPT


class TestDelays:
    @pytest.mark.parametrize(
        ("delays", "run_count", "expected"),
        [
            pytest.param([], 1, 0, id="none"),
            pytest.param([5], 1, 5, id="one, the first time"),
            pytest.param([5], 4, 5, id="one, later"),
            pytest.param([1, 2, 3], 1, 1, id="a list, the first time"),
            pytest.param([1, 2, 3], 3, 3, id="a list, the last of it"),
            pytest.param([1, 2, 3], 9, 3, id="a list, beyond its end"),
            pytest.param([1, 2, 3], 0, 1, id="a list, without having run"),
        ],
    )
    def test_each_attempt_has_its_delay(
        self, delays: list[int], run_count: int, expected: int
    ) -> None:
        policy = TaskRunPolicy(retry_delays=tuple(timedelta(seconds=each) for each in delays))

        assert retry_delay(policy, run_count, chance=0.9) == timedelta(seconds=expected)

    @pytest.mark.parametrize("factor", [None, 0.0, 1.0], ids=["unset", "zero", "one"])
    def test_no_delay_stays_no_delay(self, factor: float | None) -> None:
        policy = TaskRunPolicy(retry_delays=(timedelta(),), retry_jitter_factor=factor)

        assert retry_delay(policy, 1, chance=0.5) == timedelta()

    @pytest.mark.parametrize("factor", [None, 0.0], ids=["unset", "zero"])
    def test_without_jitter_a_delay_is_exact(self, factor: float | None) -> None:
        policy = TaskRunPolicy(retry_delays=(A_MINUTE,), retry_jitter_factor=factor)

        assert retry_delay(policy, 1, chance=0.1) == A_MINUTE


class TestJitter:
    @given(
        factor=st.floats(0, 1.7e308, exclude_min=True),
        chance=st.floats(0, 1, exclude_max=True),
    )
    def test_multiples_stay_within_their_bounds(self, factor: float, chance: float) -> None:
        multiple = jittered(factor, chance)

        assert math.isfinite(multiple)
        assert -1e-9 <= multiple <= (1 + factor) * (1 + 1e-9)

    @pytest.mark.parametrize("factor", [0.01, 0.5, 1.0, 3.0, 10.0])
    def test_multiples_reach_from_one_bound_to_the_other(self, factor: float) -> None:
        k = 1 + factor
        least = math.log2(2**k / (2**k - 1))

        assert jittered(factor, 0) == pytest.approx(least)
        assert jittered(factor, 1 - 1e-12) == pytest.approx(k, rel=1e-6)

    @pytest.mark.parametrize("factor", [0.1, 0.5, 1.0, 3.0, 10.0])
    def test_the_mean_is_about_what_was_said(self, factor: float) -> None:
        mean = fmean(jittered(factor, (n + 0.5) / 10_000) for n in range(10_000))

        assert mean == pytest.approx(1, abs=0.06)
