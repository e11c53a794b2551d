"""Rows of states: those of flow runs and those of task runs are alike."""

from typing import Final

import msgspec

from headgate_server.model.states import State
from headgate_server.storage.bulk import Row

__all__ = ["state_row", "without_data"]

_ENCODE: Final = msgspec.json.Encoder().encode


def state_row(run_id: str, state: State) -> Row:
    """Return the row of a state of a flow run or of a task run."""
    return (
        run_id,
        state.version,
        state.details.transition_id,
        _ENCODE(without_data(state)),
        state.data_json,
    )


def without_data(state: State) -> State:
    """Return a state without its data."""
    return state if state.data_json is None else msgspec.structs.replace(state, data_json=None)
