"""Flows: workflows that can be run."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Flow(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A workflow that can be run. Its name is unique."""

    id: str
    name: str
    create_time: datetime
    update_time: datetime
    tags: tuple[str, ...] = ()


class FlowSort(StrEnum):
    """The orders of a list of flows; ties are broken by id."""

    NAME_ASC = "NAME_ASC"
    NAME_DESC = "NAME_DESC"
    CREATED_DESC = "CREATED_DESC"
    UPDATED_DESC = "UPDATED_DESC"
