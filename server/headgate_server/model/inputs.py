"""Flow-run inputs: JSON left with a run under a key."""

from datetime import datetime

import msgspec


class NewFlowRunInput(msgspec.Struct, frozen=True, kw_only=True):
    """An input that is to be created."""

    key: str
    value_json: str
    sender: str | None = None


class FlowRunInput(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """JSON left with a run under a key that is unique within the run."""

    id: str
    flow_run_id: str
    key: str
    value_json: str
    create_time: datetime
    sender: str | None = None
