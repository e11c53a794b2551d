"""Reading: `ls`, `show` and `inputs`."""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from headgate import (
    FlowFilter,
    FlowRun,
    FlowRunSort,
    FlowRunView,
    IdFilter,
    State,
)
from headgate.sync import Client
from headgate_server.cli import words
from headgate_server.cli.examples import examples
from headgate_server.cli.filters import flow_filter, flow_run_filter
from headgate_server.cli.options import (
    DEFAULT_TARGET,
    AsJson,
    FlowNames,
    NamePart,
    RunId,
    States,
    Tags,
    Target,
    connected,
)
from headgate_server.cli.output import err, is_terminal, out, print_json, print_table
from headgate_server.cli.questions import Question, read_question

app = typer.Typer(rich_markup_mode="rich")

_PAGE: Final = 1000


@app.command(
    epilog=examples(
        "headgate flow-run ls",
        "headgate flow-run ls --state paused --state Late --flow etl",
        "headgate flow-run ls --all --json --tag nightly",
    )
)
def ls(
    *,
    flow: FlowNames = None,
    state: States = None,
    name: NamePart = None,
    tag: Tags = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Show so many at most.")] = 50,
    everything: Annotated[
        bool, typer.Option("--all", help="Show all that match, however many.")
    ] = False,
    sort: Annotated[
        FlowRunSort,
        typer.Option(
            case_sensitive=False, metavar="ORDER", help="The order: " + ", ".join(FlowRunSort)
        ),
    ] = FlowRunSort.ID_DESC,
    full: Annotated[
        bool, typer.Option("--full", help="With --json: also parameters, context and results.")
    ] = False,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """List flow runs, the newest first unless told otherwise."""
    with connected(target) as client:
        matching = client.flow_runs.iterate(
            flow_filter(flow),
            flow_run_filter(state, name, tag),
            sort=sort,
            view=FlowRunView.FULL if full else FlowRunView.BASIC,
            page_size=_PAGE if everything else min(limit + 1, _PAGE),
        )
        runs = iter(matching)
        shown = runs if everything else islice(runs, limit)
        if as_json:
            for run in shown:
                print_json(run)
            return
        listed = list(shown)
        _print_runs(client, listed)
        if not everything and next(runs, None) is not None:
            err().print(f"[dim]There are more than these {limit}: see --all and --limit.[/]")


def _print_runs(client: Client, runs: Sequence[FlowRun]) -> None:
    flows = dict(_flow_names(client, [run.flow_id for run in runs]))
    now = datetime.now(UTC)
    print_table(
        ("ID", "FLOW", "NAME", "STATE", "SINCE"),
        [
            (
                str(run.id),
                flows.get(run.flow_id, "-"),
                run.name,
                words.state_name(run.state),
                _since(run, now),
            )
            for run in runs
        ],
    )


def _since(run: FlowRun, now: datetime) -> str:
    time = run.create_time if run.state is None else run.state.timestamp
    return words.ago(time, now) if is_terminal(sys.stdout) else words.moment(time)


def _flow_names(client: Client, flow_ids: Sequence[Any]) -> Iterator[tuple[Any, str]]:
    """Yield the names of flows by their ids."""
    ids = list(dict.fromkeys(flow_ids))
    for start in range(0, len(ids), _PAGE):
        some = FlowFilter(id=IdFilter(any=ids[start : start + _PAGE]))
        for flow in client.flows.iterate(some, page_size=_PAGE):
            yield flow.id, flow.name


@app.command(epilog=examples("headgate flow-run show $RUN", "headgate flow-run show $RUN --json"))
def show(run_id: RunId, *, target: Target = DEFAULT_TARGET, as_json: AsJson = False) -> None:
    """Show a flow run with its states, and what it asks if it waits for an answer.

    With --json one object with the members `flow_run`, `states` and `question`,
    which is null if nothing is asked.
    """
    with connected(target) as client:
        run = client.flow_runs.get(run_id)
        states = list(client.flow_runs.iterate_states(run_id))
        question = read_question(client, run)
        if as_json:
            print_json({"flow_run": run, "states": states, "question": question})
            return
        _print_facts(run, client.flows.get(run.flow_id).name)
        _print_states(states)
        if question is not None:
            _print_question(run, question)


def _print_facts(run: FlowRun, flow: str) -> None:
    facts: dict[str, Any] = {
        "id": run.id,
        "name": run.name,
        "flow": flow,
        "state": run.state,
        "version": run.version,
        "tags": ", ".join(run.tags),
        "parameters": words.value(run.parameters) if run.parameters else None,
        "context": words.value(run.context) if run.context else None,
        "idempotency key": run.idempotency_key,
        "deployment": run.deployment_id,
        "parent task run": run.parent_task_run_id,
        "retries": run.policy.retries,
        "run count": run.run_count,
        "created": words.moment(run.create_time),
        "due": run.next_scheduled_start_time and words.moment(run.next_scheduled_start_time),
        "started": run.start_time and words.moment(run.start_time),
        "ended": run.end_time and words.moment(run.end_time),
        "run time": words.span(run.estimated_run_time) if run.estimated_run_time else None,
        "result": words.value(run.state.data)
        if run.state is not None and run.state.data is not None
        else None,
    }
    console = out()
    for name, fact in facts.items():
        if fact not in {None, ""}:
            console.print(Text.assemble((f"{name:<16}", "dim"), str(fact)))
    console.print()


def _print_states(states: Sequence[State]) -> None:
    print_table(
        ("VERSION", "TIME", "TYPE", "NAME", "MESSAGE"),
        [
            (
                str(state.version),
                words.moment(state.timestamp),
                words.state_type(state.type),
                state.name,
                state.message or "",
            )
            for state in states
        ],
    )


def _print_question(run: FlowRun, question: Question) -> None:
    console = out()
    console.print()
    console.print(Text("It waits for an answer.", style="bold yellow"))
    if question.description:
        console.print(Text(question.description))
    console.print(Text(words.value(question.schema), style="dim"))
    console.print(Text(f"Answer it with: headgate flow-run resume {run.id}"))


@app.command(
    epilog=examples(
        "headgate flow-run inputs $RUN", "headgate flow-run inputs $RUN --prefix paused- --json"
    )
)
def inputs(
    run_id: RunId,
    *,
    prefix: Annotated[
        str, typer.Option(metavar="TEXT", help="Only inputs whose key begins with this text.")
    ] = "",
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """List the inputs of a flow run from oldest to newest: schemas, questions, answers, messages."""
    with connected(target) as client:
        client.flow_runs.get(run_id, view=FlowRunView.BASIC)
        found = client.inputs.iterate(run_id, key_prefix=prefix)
        if as_json:
            for each in found:
                print_json(each)
            return
        print_table(
            ("KEY", "TIME", "SENDER", "VALUE"),
            [
                (
                    each.key,
                    words.moment(each.create_time),
                    each.sender or "-",
                    words.value(each.value),
                )
                for each in found
            ],
        )
