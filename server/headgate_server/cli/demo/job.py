"""The program that does the work in the demo: `python -m headgate_server.cli.demo.job review|pack TARGET FILE`.

A program as a user of headgate would write it, with the blocking client. It tells what it does as lines of JSON: what it says
to a person, which run it works on, and which states the server has acknowledged to it.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import headgate
from headgate.sync import Client
from headgate_server.cli.demo.orders import (
    BATCHES,
    FLOW,
    LIMIT_CENTS,
    QUESTION_KEY,
    Order,
    euros,
    read_orders,
    total_cents,
)
from headgate_server.cli.output import print_json

_PATIENCE_SECONDS: Final = 60
"""How long a server may be away before the job gives up."""
_PACE_SECONDS: Final = 0.12
"""How long packing a batch takes, so that a person can follow."""

SCHEMA: Final = {
    "type": "object",
    "properties": {
        "decision": {
            "title": "What becomes of them",
            "description": "Ship the expensive orders, or hold them back.",
            "enum": ["ship", "hold"],
        },
        "note": {
            "title": "Note",
            "description": "What the customers are told, if anything.",
            "type": "string",
            "maxLength": 80,
        },
    },
    "required": ["decision"],
    "additionalProperties": False,
}


class Job:
    """One run of one job."""

    def __init__(self, client: Client, name: str) -> None:
        """Create the run."""
        self._client = client
        flow = client.flows.create(FLOW).flow
        made = client.flow_runs.create(flow.id, name=name)
        self._run_id: UUID = made.flow_run.id
        print_json({"run": self._run_id})
        _acknowledged(made.flow_run.state)

    def review(self, orders: Sequence[Order]) -> None:
        """Total the orders, ask a person about the expensive ones, and end with what was decided."""
        self._propose(headgate.Running())
        expensive = [order for order in orders if order.cents > LIMIT_CENTS]
        _say(f"{len(orders)} orders for {euros(total_cents(orders))}, {len(expensive)} expensive")
        state = self._client.flow_runs.pause_flow_run(
            self._run_id,
            key=QUESTION_KEY,
            schema=SCHEMA,
            description=(
                f"{len(expensive)} of {len(orders)} orders are above {euros(LIMIT_CENTS)}, "
                f"{euros(total_cents(expensive))} together. Ship them?"
            ),
        )
        _acknowledged(state)
        _say("waiting for a person's answer")
        answer = self._client.flow_runs.wait_for_resume(
            self._run_id, schema=SCHEMA, key=QUESTION_KEY
        )
        _say(f"has the answer: {answer['decision']}")
        held = expensive if answer["decision"] == "hold" else []
        result = {
            "shipped_orders": len(orders) - len(held),
            "shipped_cents": total_cents(orders) - total_cents(held),
            "note": answer.get("note", ""),
        }
        self._propose(headgate.Completed(message="Orders reviewed.", data=result))

    def pack(self, orders: Sequence[Order]) -> None:
        """Pack the orders batch after batch, and write a state for each."""
        self._propose(headgate.Running())
        packed = 0
        for number, batch in enumerate(_batches(orders), start=1):
            time.sleep(_PACE_SECONDS)
            packed += total_cents(batch)
            self._propose(
                headgate.Running(
                    name=f"Batch {number} of {BATCHES}", message=f"{euros(packed)} packed."
                )
            )
        self._propose(
            headgate.Completed(
                message="Everything is packed.", data={"orders": len(orders), "cents": packed}
            )
        )

    def _propose(self, state: headgate.ProposedState) -> None:
        """Propose a state until there is an answer, even if the server dies meanwhile.

        The transition id makes that safe: a state that was written before the answer was lost is not written twice.
        """
        details = replace(state.details, transition_id=uuid4())
        given_up = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                verdict = self._client.flow_runs.set_state(
                    self._run_id, replace(state, details=details)
                )
            except headgate.UnavailableError:
                if time.monotonic() > given_up:
                    raise
                continue
            is_mine = (
                verdict.state is not None
                and verdict.state.details.transition_id == details.transition_id
            )
            if not is_mine:
                raise RuntimeError(f"{state} was not taken: {verdict.status} {verdict.reason}")
            _acknowledged(verdict.state)
            return


def _batches(orders: Sequence[Order]) -> Iterator[Sequence[Order]]:
    size = len(orders) // BATCHES
    for start in range(0, len(orders), size):
        yield orders[start : start + size]


def _acknowledged(state: headgate.State | None) -> None:
    """Tell that the server has acknowledged a state."""
    assert state is not None
    print_json({"acknowledged": {"version": state.version, "id": state.id}})


def _say(text: str) -> None:
    """Tell a person something."""
    print_json({"say": text})


def main(arguments: Sequence[str]) -> None:
    """Do one of the jobs."""
    name, target, path = arguments
    with Client(target) as client:
        work = {"review": Job.review, "pack": Job.pack}[name]
        work(Job(client, f"{name}-orders"), list(read_orders(Path(path))))


if __name__ == "__main__":
    main(sys.argv[1:])
