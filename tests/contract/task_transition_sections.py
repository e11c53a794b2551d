"""The conditions under which the transitions of task runs are written down."""

from datetime import timedelta
from typing import Final

from headgate_server.model.states import TERMINAL, State, StateDetails, StateType
from headgate_server.model.task_runs import TaskRunPolicy
from headgate_server.orchestration.draft import TagLimit
from headgate_server.orchestration.policies import MINIMAL_TASK_POLICY
from tests.contract.matrix_text import A_MINUTE, AN_HOUR, NOW
from tests.contract.task_transition_matrix import (
    Section,
    Twist,
    facts_with,
    flow_run,
    proposal_with,
    run_with,
    state_with,
)

REFERENCE: Final = '{"type":"reference"}'
UNPERSISTED: Final = '{"type":"unpersisted"}'

PLAIN: Final = "Proposed"
FORCED: Final = "Forced"


def scheduled_in(span: timedelta) -> Twist:
    """Schedule the current state, if it is SCHEDULED or PENDING."""
    details = StateDetails(scheduled_time=NOW + span)
    return state_with(StateType.SCHEDULED, StateType.PENDING, details=details)


def in_a_flow_run(state_type: StateType | None, **details: object) -> Twist:
    """Let the flow run be in a state."""
    return facts_with(flow_run=flow_run(state_type, details=StateDetails(**details)))  # type: ignore[arg-type]


def failing_with(**policy: object) -> Twist:
    """Let a task run that is running have a policy."""
    return run_with(StateType.RUNNING, policy=TaskRunPolicy(**policy))  # type: ignore[arg-type]


def limited(*limits: tuple[str, int, int]) -> Twist:
    """Set limits on the tags: each a tag, its slots, and how many of them others hold."""
    return facts_with(
        limits=tuple(
            TagLimit(tag=tag, slots=slots, held_by_others=others) for tag, slots, others in limits
        )
    )


with_key = proposal_with(
    StateType.RUNNING, StateType.COMPLETED, details=StateDetails(cache_key="key")
)
refreshing = proposal_with(
    StateType.RUNNING, details=StateDetails(cache_key="key", refresh_cache=True)
)
kept = facts_with(
    cached=State(
        id="kept",
        type=StateType.COMPLETED,
        name="Completed",
        timestamp=NOW - AN_HOUR,
        version=3,
        message="Done",
        data_json="42",
        details=StateDetails(task_run_id="another", cache_key="key", transition_id="another's"),
    )
)
rerun_flow = facts_with(flow_run=flow_run(StateType.RUNNING, run_count=2))
result = state_with(*TERMINAL, data_json=REFERENCE)


def proposed(title: str, *twists: Twist, repeats_a_transition: bool = False) -> Section:
    """Return a section about proposals that nobody insists on."""
    return Section(
        f"{PLAIN} {title}",
        twists,
        differs_from=PLAIN,
        repeats_a_transition=repeats_a_transition,
    )


def forced(title: str, *twists: Twist, repeats_a_transition: bool = False) -> Section:
    """Return a section about proposals that somebody insists on."""
    return Section(
        f"{FORCED} {title}",
        twists,
        MINIMAL_TASK_POLICY,
        differs_from=FORCED,
        repeats_a_transition=repeats_a_transition,
    )


SECTIONS: Final = (
    Section(PLAIN),
    proposed("with a transition id that the task run has seen", repeats_a_transition=True),
    proposed("with a cache key", with_key),
    proposed("with a cache key under which a result is kept", with_key, kept),
    proposed("with a cache key under which a result is kept, to be refreshed", refreshing, kept),
    proposed(
        "with a cache key under which a result is kept, in a flow run without state",
        *(with_key, kept, in_a_flow_run(None)),
    ),
    proposed(
        "with a cache key under which a result is kept, when the limit is reached",
        *(with_key, kept, limited(("a", 1, 1))),
    ),
    proposed("in a flow run without state", in_a_flow_run(None)),
    *(
        proposed(f"in a flow run that is {each}", in_a_flow_run(each))
        for each in StateType
        if each not in {StateType.RUNNING, StateType.PAUSED}
    ),
    proposed("in a flow run that is PAUSED", in_a_flow_run(StateType.PAUSED)),
    proposed(
        "in a flow run that is suspended for a minute",
        in_a_flow_run(
            StateType.PAUSED, pause_reschedule=True, pause_expire_time=NOW + A_MINUTE, pause_key="1"
        ),
    ),
    proposed("when the flow run runs again", rerun_flow),
    proposed("when limits have a slot", limited(("a", 1, 0), ("b", 2, 1))),
    proposed("when a limit is reached", limited(("a", 2, 1), ("b", 1, 1))),
    proposed("when a limit is exceeded", limited(("a", 1, 3))),
    proposed("when a limit is 0", limited(("a", 1, 0), ("b", 0, 0))),
    proposed("when a limit is reached before another that is 0", limited(("a", 1, 1), ("b", 0, 0))),
    proposed("when due in an hour", scheduled_in(AN_HOUR)),
    proposed(
        "when due in an hour and limits have a slot", scheduled_in(AN_HOUR), limited(("a", 1, 0))
    ),
    proposed("when due in half a second", scheduled_in(timedelta(seconds=0.5))),
    proposed("when due in a little more", scheduled_in(timedelta(seconds=0.500001))),
    proposed(
        "PENDING with a time of its own",
        proposal_with(StateType.PENDING, details=StateDetails(scheduled_time=NOW + AN_HOUR)),
    ),
    proposed("with retries left", failing_with(retries=1)),
    proposed("with retries left and a delay", failing_with(retries=1, retry_delays=(A_MINUTE,))),
    proposed(
        "with retries left and delays, the second time",
        failing_with(retries=5, retry_delays=(A_MINUTE, 2 * A_MINUTE, 3 * A_MINUTE)),
        run_with(StateType.RUNNING, run_count=2),
    ),
    proposed(
        "with retries left and delays, the fifth time",
        failing_with(retries=5, retry_delays=(A_MINUTE, 2 * A_MINUTE, 3 * A_MINUTE)),
        run_with(StateType.RUNNING, run_count=5),
    ),
    proposed("with no retry left", failing_with(retries=0)),
    proposed(
        "with retries left for a failure that is not retriable",
        failing_with(retries=1),
        proposal_with(StateType.FAILED, details=StateDetails(retriable=False)),
    ),
    proposed(
        "with retries left for a failure that is retriable",
        failing_with(retries=1),
        proposal_with(StateType.FAILED, details=StateDetails(retriable=True)),
    ),
    proposed(
        "to run once more",
        run_with(StateType.SCHEDULED, StateType.PENDING, run_count=1),
        proposal_with(StateType.RUNNING, name="Humming"),
    ),
    proposed(
        "to run once more when SCHEDULED is named 'AwaitingRetry'",
        run_with(StateType.SCHEDULED, run_count=1),
        state_with(StateType.SCHEDULED, name="AwaitingRetry"),
    ),
    proposed(
        "when SCHEDULED is named 'AwaitingRetry' but never ran",
        state_with(StateType.SCHEDULED, name="AwaitingRetry"),
    ),
    proposed("when ended with a result", result),
    proposed("when ended with a result, and the flow run runs again", result, rerun_flow),
    proposed("when ended with a result that is no object", state_with(*TERMINAL, data_json="0")),
    proposed(
        "when ended with a result that was kept back", state_with(*TERMINAL, data_json=UNPERSISTED)
    ),
    Section(FORCED, policy=MINIMAL_TASK_POLICY),
    forced("with a transition id that the task run has seen", repeats_a_transition=True),
    forced("with a cache key under which a result is kept", with_key, kept),
    forced("in a flow run that is CANCELLED", in_a_flow_run(StateType.CANCELLED)),
    forced("when a limit is reached", limited(("a", 1, 1))),
    forced("when due in an hour", scheduled_in(AN_HOUR)),
    forced("with retries left", failing_with(retries=1)),
    forced("when ended with a result", result),
)
