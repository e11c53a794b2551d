"""Variables: texts with a name that answers may refer to."""

from datetime import datetime

import msgspec


class Variable(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A text with a unique name."""

    id: str
    name: str
    value: str
    create_time: datetime
    update_time: datetime
    tags: tuple[str, ...] = ()
