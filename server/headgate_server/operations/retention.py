"""Retention: runs that need not be kept any longer go, a whole tree at a time.

A tree is a run that no other run started, with all its subflow runs. It goes from its leaves to its root, so that a tree too large
for one transaction is never left without a root to find it by. Several servers may do this at the same time.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Final

import msgspec

from headgate_server.model.retention import Retention, RetentionReport
from headgate_server.operations.deletion import delete_runs
from headgate_server.storage import flow_runs
from headgate_server.storage import retention as stored
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.due import Place
from headgate_server.storage.flow_runs import Loaded
from headgate_server.storage.retention import Node
from headgate_server.storage.writer import Outcome, Work, Writer, Written

PAGE_SIZE: Final = 200
"""Trees that are looked at together."""
RUNS_PER_TRANSACTION: Final = 200
"""Runs that one transaction deletes, about."""
RUNS_PER_PASS: Final = 10_000
"""Runs that one pass of the clock deletes, about: the rest waits for the next."""


class DeleteBranch(msgspec.Struct, frozen=True):
    """Delete some runs of a tree, all of them or none."""

    runs: tuple[tuple[str, int], ...]
    """Ids and editions."""


class DeletedBranch(msgspec.Struct, frozen=True, kw_only=True):
    """What became of some runs of a tree."""

    count: int
    """How many runs were deleted; 0 if one of them has changed or has got another subflow run."""
    revision: int = 0


class Retaining:
    """Deletes runs that need not be kept any longer."""

    def __init__(
        self, database: Database, writer: Writer, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._delete = Work(_delete_all, DeletedBranch)

    async def preview(self, retention: Retention) -> RetentionReport:
        """Return what would go."""
        report = RetentionReport()
        async for trees in self._each_page(retention):
            over = [tree for tree in trees if _is_over(tree)]
            report = _sum(
                report,
                RetentionReport(
                    trees=len(over),
                    flow_runs=sum(map(len, over)),
                    kept_trees=len(trees) - len(over),
                ),
            )
        return report

    async def retain(
        self, retention: Retention, *, runs_max: int | None = RUNS_PER_PASS
    ) -> RetentionReport:
        """Delete what need not be kept; return what went.

        Args:
            retention: What need not be kept.
            runs_max: After how many runs to stop, at the end of a tree. None goes on to the end.
        """
        report = RetentionReport()
        async for trees in self._each_page(retention):
            over = [tree for tree in trees if _is_over(tree)]
            report = _sum(report, RetentionReport(kept_trees=len(trees) - len(over)))
            for few in _gathered(over):
                report = _sum(report, await self._delete_trees(few))
                if runs_max is not None and report.flow_runs >= runs_max:
                    return report
        return report

    async def _each_page(self, retention: Retention) -> AsyncIterator[Sequence[list[Node]]]:
        """Yield the trees whose roots are old enough, a page at a time."""
        ended_by = self._clock() - retention.age
        finds = [
            partial(stored.started_roots, states=retention.states),
            *(partial(stored.unstarted_roots, state=each) for each in sorted(retention.states)),
        ]
        for find in finds:
            look = partial(find, ended_by=ended_by, limit=PAGE_SIZE)
            place: Place | None = None
            while True:
                root_ids, place = await self._database.read(look, after=place)
                trees = await self._database.read(stored.trees, root_ids)
                yield list(trees.values())
                if place is None:
                    break

    async def _delete_trees(self, trees: Sequence[list[Node]]) -> RetentionReport:
        """Delete trees that go into one transaction together, or one that takes several."""
        if len(trees) > 1:
            counts = await self._delete_branches([_branch(tree) for tree in trees])
        else:
            counts = [await self._delete_tree(trees[0])]
        gone = [count for count in counts if count]
        return RetentionReport(
            trees=len(gone), flow_runs=sum(gone), kept_trees=len(counts) - len(gone)
        )

    async def _delete_tree(self, tree: Sequence[Node]) -> int:
        """Delete one tree from its leaves on; return how many runs that were, 0 if the root stays."""
        leaves_first = tree[::-1]
        for start in range(0, len(tree), RUNS_PER_TRANSACTION):
            branch = _branch(leaves_first[start : start + RUNS_PER_TRANSACTION])
            if not sum(await self._delete_branches([branch])):
                return 0
        return len(tree)

    async def _delete_branches(self, branches: Sequence[DeleteBranch]) -> list[int]:
        """Delete branches, each by itself; return how many runs of each went."""
        counts = []
        for answer in await self._writer.write_each(self._delete, branches):
            if isinstance(answer, BaseException):
                raise answer
            counts.append(answer.count)
        return counts


def _delete_all(
    conn: Connection, now: datetime, commands: Sequence[DeleteBranch]
) -> list[Outcome[DeletedBranch]]:
    """Delete branches whose runs are as they were found, and have no subflow runs that would be left behind."""
    run_ids = [run_id for command in commands for run_id, _ in command.runs]
    flow_runs.lock(conn, run_ids)
    loaded = flow_runs.load(conn, run_ids)
    children: dict[str, list[str]] = {}
    for parent_id, child_id in stored.children(conn, run_ids):
        children.setdefault(parent_id, []).append(child_id)
    going: dict[str, Loaded] = {}
    for command in commands:
        ids = {run_id for run_id, _ in command.runs}
        left_behind = [
            child for run_id in ids for child in children.get(run_id, ()) if child not in ids
        ]
        is_as_found = all(
            run_id in loaded and loaded[run_id].edition == edition
            for run_id, edition in command.runs
        )
        if is_as_found and not left_behind:
            going |= {run_id: loaded[run_id] for run_id, _ in command.runs}
    changes = delete_runs(conn, now, going)
    outcomes: list[Outcome[DeletedBranch]] = []
    for command in commands:
        gone = [changes[run_id] for run_id, _ in command.runs if run_id in changes]
        noted = tuple(chain.from_iterable(gone))
        outcomes.append(Written(DeletedBranch(count=len(gone)), noted))
    return outcomes


def _is_over(tree: Sequence[Node]) -> bool:
    """Return whether every run of a tree has ended."""
    return all(node.has_ended for node in tree)


def _branch(nodes: Sequence[Node]) -> DeleteBranch:
    return DeleteBranch(tuple((node.id, node.edition) for node in nodes))


def _gathered(trees: Sequence[list[Node]]) -> list[list[list[Node]]]:
    """Return trees in groups that go into one transaction, as far as a single tree does."""
    groups: list[list[list[Node]]] = []
    room = 0
    for tree in trees:
        room -= len(tree)
        if room < 0:
            groups.append([])
            room = RUNS_PER_TRANSACTION - len(tree)
        groups[-1].append(tree)
    return groups


def _sum(one: RetentionReport, other: RetentionReport) -> RetentionReport:
    return RetentionReport(
        trees=one.trees + other.trees,
        flow_runs=one.flow_runs + other.flow_runs,
        kept_trees=one.kept_trees + other.kept_trees,
    )
