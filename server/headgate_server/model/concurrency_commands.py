"""Commands about concurrency limits: what callers ask the service to do with them, as values."""

import msgspec

from headgate_server.model.commands import Command


class LimitKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """By what a concurrency limit is looked for: its id or its tag, the other is None."""

    id: str | None = None
    tag: str | None = None


class CreateConcurrencyLimit(Command, frozen=True, kw_only=True):
    """Set the limit of a tag, and create it if the tag has none."""

    tag: str
    concurrency_limit: int


class ResetConcurrencyLimit(Command, frozen=True, kw_only=True):
    """Give the slots of a limit to these task runs, instead of those that hold them."""

    tag: str
    active_slots: tuple[str, ...] = ()


class DeleteConcurrencyLimit(Command, frozen=True, kw_only=True):
    """Delete a limit."""

    key: LimitKey
    request_id: str | None = None
