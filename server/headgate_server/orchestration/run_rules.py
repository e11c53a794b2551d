"""Rules that hold for flow runs and task runs alike, and what rules of both have in common."""

from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from headgate_server.model.states import (
    AWAITING_RETRY_NAME,
    ProposedState,
    StateDetails,
    StateType,
)
from headgate_server.orchestration.draft import Draft
from headgate_server.orchestration.results import UNKNOWN_RESULT, is_reference

D = TypeVar("D", bound=Draft[Any])

NEVER_FOLLOWS_AN_END: Final = frozenset({StateType.CANCELLING, StateType.PAUSED, StateType.CRASHED})
"""What a run that has ended cannot become."""

ALREADY_MADE: Final = "This run has already made this state transition."


def refuse_the_same_transition_twice(draft: D) -> D:
    """Refuse a transition whose id the run has seen before."""
    return draft.refuse(ALREADY_MADE) if draft.repeats_a_transition else draft


def keep_the_scheduled_time(draft: D) -> D:
    """Carry the scheduled time over to the taker of a run, unless it brings its own."""
    details = draft.proposed.details
    if details.scheduled_time is not None:
        return draft
    details = replace(details, scheduled_time=draft.initial.details.scheduled_time)
    return draft.revise(replace(draft.proposed, details=details))


SCHEDULED_FOR_LATER: Final = "Scheduled time is in the future"
_HALF_A_SECOND: Final = timedelta(milliseconds=500)


def wait_for_the_scheduled_time(draft: D) -> D:
    """Hold a run back until its scheduled time has come, give or take half a second."""
    scheduled_time = draft.initial.details.scheduled_time
    if scheduled_time is None or scheduled_time - draft.now <= _HALF_A_SECOND:
        return draft
    return draft.wait(rounded_seconds(scheduled_time - draft.now), SCHEDULED_FOR_LATER)


def rounded_seconds(span: timedelta) -> int:
    """Round a positive span to whole seconds, an exact half downwards."""
    seconds, rest = divmod(span, timedelta(seconds=1))
    return seconds + (rest > _HALF_A_SECOND)


RETRYING: Final = "Retrying"


def next_attempt(failed: ProposedState, due: datetime) -> ProposedState:
    """Return the state in which a run that failed waits for another attempt."""
    return ProposedState(
        type=StateType.SCHEDULED,
        name=AWAITING_RETRY_NAME,
        message=failed.message,
        data_json=failed.data_json,
        details=StateDetails(scheduled_time=due),
    )


def admit_an_unknown_result(draft: D) -> D:
    """Say that the result is unknown when a failed run is declared a success after all."""
    if not is_reference(draft.initial.data_json):
        return draft
    return draft.revise(replace(draft.proposed, data_json=UNKNOWN_RESULT))
