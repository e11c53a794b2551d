"""The conditions under which the transitions of flow runs are written down."""

from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from headgate_server.model.states import StateDetails, StateType
from headgate_server.orchestration.policies import MARK_LATE_POLICY, MINIMAL_FLOW_POLICY
from tests.contract.matrix_text import A_MINUTE, AN_HOUR, NOW
from tests.contract.transition_matrix import (
    Section,
    Twist,
    policy_with,
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


def paused_with(**details: object) -> Twist:
    """Pause the run in a particular way, if it is PAUSED."""
    return state_with(StateType.PAUSED, details=replace(StateDetails(), **details))


def pausing_with(name: str | None = None, **details: object) -> Twist:
    """Propose a particular pause, if one is proposed."""
    details = {"pause_key": "2", **details}
    return proposal_with(StateType.PAUSED, name=name, details=replace(StateDetails(), **details))


suspending = pausing_with("Suspended", pause_reschedule=True)
suspended = paused_with(pause_reschedule=True)
expired = paused_with(pause_expire_time=NOW - A_MINUTE)
expired_suspension = paused_with(pause_reschedule=True, pause_expire_time=NOW - A_MINUTE)
no_deployment = run_with(deployment_id=None)
no_process = run_with(infrastructure_pid=None)
subflow = run_with(parent_task_run_id="parent")
late = proposal_with(StateType.SCHEDULED, name="Late")
overdue = proposal_with(
    StateType.SCHEDULED, name="Late", details=StateDetails(scheduled_time=NOW - A_MINUTE)
)


def proposed(
    title: str, *twists: Twist, differs_from: str = "", repeats_a_transition: bool = False
) -> Section:
    """Return a section about proposals that nobody insists on."""
    return Section(
        f"{PLAIN} {title}",
        twists,
        differs_from=f"{PLAIN} {differs_from}".rstrip(),
        repeats_a_transition=repeats_a_transition,
    )


def forced(title: str, *twists: Twist, repeats_a_transition: bool = False) -> Section:
    """Return a section about proposals that somebody insists on."""
    return Section(
        f"{FORCED} {title}",
        twists,
        MINIMAL_FLOW_POLICY,
        differs_from=FORCED,
        repeats_a_transition=repeats_a_transition,
    )


SECTIONS: Final = (
    Section(PLAIN),
    proposed("with a transition id that the run has seen", repeats_a_transition=True),
    proposed("without deployment", no_deployment),
    proposed("without process", no_process),
    proposed("to a subflow", subflow),
    proposed("when due in an hour", scheduled_in(AN_HOUR)),
    proposed("when due in half a second", scheduled_in(timedelta(seconds=0.5))),
    proposed("when due in a little more", scheduled_in(timedelta(seconds=0.500001))),
    proposed(
        "when SCHEDULED is named 'Resuming'", state_with(StateType.SCHEDULED, name="Resuming")
    ),
    proposed(
        "when SCHEDULED is named 'AwaitingRetry'",
        state_with(StateType.SCHEDULED, name="AwaitingRetry"),
    ),
    proposed(
        "on the way back from a pause",
        policy_with(StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, resuming=True),
    ),
    proposed("SCHEDULED as 'Late'", late),
    proposed(
        "SCHEDULED for later",
        proposal_with(StateType.SCHEDULED, details=StateDetails(scheduled_time=NOW + AN_HOUR)),
    ),
    proposed(
        "PENDING with a time of its own",
        proposal_with(StateType.PENDING, details=StateDetails(scheduled_time=NOW + AN_HOUR)),
    ),
    proposed("PAUSED with a key that has fired", pausing_with(pause_key="1")),
    proposed("PAUSED without key", pausing_with(pause_key=None)),
    proposed("PAUSED as 'Suspended'", suspending),
    proposed(
        "PAUSED as 'Suspended' with a key that has fired",
        pausing_with("Suspended", pause_reschedule=True, pause_key="1"),
    ),
    proposed(
        "PAUSED as 'Suspended' without deployment",
        suspending,
        no_deployment,
        differs_from="without deployment",
    ),
    proposed(
        "PAUSED as 'Suspended' to a subflow", suspending, subflow, differs_from="to a subflow"
    ),
    proposed("with retries left", policy_with(StateType.RUNNING, retries=1)),
    proposed(
        "with retries left and a delay",
        policy_with(StateType.RUNNING, retries=1, retry_delay=A_MINUTE),
    ),
    proposed("with no retry left", policy_with(StateType.RUNNING, retries=0)),
    proposed("when ended with a result", state_with(*StateType, data_json=REFERENCE)),
    proposed(
        "when ended with a result, without deployment",
        state_with(*StateType, data_json=REFERENCE),
        no_deployment,
        differs_from="without deployment",
    ),
    proposed("when ended with a result that is no object", state_with(*StateType, data_json="0")),
    proposed(
        "when ended with a result that was kept back", state_with(*StateType, data_json=UNPERSISTED)
    ),
    proposed("when paused too long", expired),
    proposed("when suspended", suspended),
    proposed("when suspended too long", expired_suspension),
    proposed(
        "when suspended without deployment",
        suspended,
        no_deployment,
        differs_from="without deployment",
    ),
    proposed(
        "when suspended too long without deployment",
        expired_suspension,
        no_deployment,
        differs_from="without deployment",
    ),
    Section(FORCED, policy=MINIMAL_FLOW_POLICY),
    forced("with a transition id that the run has seen", repeats_a_transition=True),
    forced("without deployment", no_deployment),
    forced("without process", no_process),
    forced("when due in an hour", scheduled_in(AN_HOUR)),
    forced("when SCHEDULED is named 'Resuming'", state_with(StateType.SCHEDULED, name="Resuming")),
    forced("SCHEDULED as 'Late'", late),
    forced("PAUSED with a key that has fired", pausing_with(pause_key="1")),
    forced("with retries left", policy_with(StateType.RUNNING, retries=1)),
    forced("when ended with a result", state_with(*StateType, data_json=REFERENCE)),
    forced("when paused too long", expired),
    forced("when suspended", suspended),
    Section("Marked late", (overdue,), MARK_LATE_POLICY, proposed_types=(StateType.SCHEDULED,)),
)
