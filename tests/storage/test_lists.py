"""Lists: what they show of their items, and which items of a run or of all they show."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, event

from headgate_server.model.errors import PageTokenMismatchError
from headgate_server.model.filters import FlowRunFilter, FlowRunSort, NameFilter, RunQuery
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.states import StateType
from headgate_server.storage import (
    flow_run_lists,
    flow_runs,
    input_lists,
    variable_lists,
)
from headgate_server.storage.database import Database
from tests.builders import NOW, a_flow, a_flow_run, a_state, a_variable, an_input
from tests.storing import store

EVERYTHING = RunQuery()


async def list_runs(database: Database, *, is_full: bool) -> Page[FlowRun]:
    return await database.read(
        flow_run_lists.list_page,
        *(EVERYTHING, FlowRunSort.ID_DESC, PageRequest()),
        is_full=is_full,
    )


async def test_a_full_view_has_the_payload_and_the_data_of_the_state(database: Database) -> None:
    flow = a_flow()
    runs = [
        a_flow_run(
            flow,
            a_state(StateType.COMPLETED, data_json='{"answer":42}'),
            parameters_json='{"x":1}',
            context_json='{"y":2}',
            job_variables_json='{"z":3}',
            tags=("tag",),
        ),
        a_flow_run(flow, StateType.RUNNING),
        a_flow_run(flow),
    ]
    await store(database, flows=[flow], runs=runs)

    page = await list_runs(database, is_full=True)

    assert page.items == tuple(reversed(runs))


async def test_a_basic_view_has_neither_payload_nor_data(database: Database) -> None:
    flow = a_flow()
    run = a_flow_run(
        flow, a_state(StateType.COMPLETED, data_json='{"answer":42}'), parameters_json='{"x":1}'
    )
    await store(database, flows=[flow], runs=[run])

    page = await list_runs(database, is_full=False)

    assert page.items == (flow_runs.basic(run),)


@pytest.mark.parametrize(("is_full", "expected"), [(False, 1), (True, 2)], ids=["basic", "full"])
async def test_a_page_takes_as_many_statements_however_long_it_is(
    database: Database, *, is_full: bool, expected: int
) -> None:
    flow = a_flow()
    await store(database, flows=[flow], runs=[a_flow_run(flow) for _ in range(30)])

    def list_counting(conn: Connection) -> list[str]:
        statements: list[str] = []
        event.listen(
            conn, "before_cursor_execute", lambda *arguments: statements.append(arguments[2])
        )
        page = PageRequest(size=20)
        flow_run_lists.list_page(conn, EVERYTHING, FlowRunSort.NAME_ASC, page, is_full=is_full)
        return statements

    statements = await database.read(list_counting)

    assert len(statements) == expected


async def test_matching_runs_come_by_id_in_steps(database: Database) -> None:
    flow = a_flow()
    runs = [a_flow_run(flow, name=f"{kind}-{n}") for n in range(5) for kind in ("a", "b")]
    await store(database, flows=[flow], runs=runs)
    query = RunQuery(flow_runs=FlowRunFilter(name=NameFilter(like="a-")))

    steps, after = [], None
    while step := await database.read(flow_run_lists.iter_matching, query, after, 2):
        steps.append([run.name for run in step])
        after = step[-1].id

    assert steps == [["a-0", "a-1"], ["a-2", "a-3"], ["a-4"]]


async def test_the_states_of_a_run_come_in_the_order_they_were_written_with_their_data(
    database: Database,
) -> None:
    flow = a_flow()
    run, other = a_flow_run(flow), a_flow_run(flow)
    states = [
        a_state(StateType.RUNNING, version=version, message=str(version), data_json=data)
        for version, data in ((2, None), (1, '{"a":1}'), (3, "1.0"))
    ]
    await store(database, flows=[flow], runs=[run, other])
    await database.write(
        lambda conn: flow_runs.insert_states(
            conn, [*((run.id, state) for state in states), (other.id, states[0])]
        )
    )

    first = await database.read(flow_run_lists.list_states, run.id, PageRequest(size=2))
    second = await database.read(
        flow_run_lists.list_states, run.id, PageRequest(size=2, token=first.next_token)
    )

    assert (*first.items, *second.items) == (states[1], states[0], states[2])
    assert second.next_token == ""


async def test_a_run_that_does_not_exist_has_no_states_and_no_inputs(database: Database) -> None:
    states = await database.read(flow_run_lists.list_states, "unknown", PageRequest())
    inputs = await database.read(input_lists.list_inputs, "unknown", "", (), PageRequest())

    assert states == Page(items=())
    assert inputs == Page(items=())


async def test_the_states_of_one_run_are_not_paged_with_the_token_of_another(
    database: Database,
) -> None:
    flow = a_flow()
    run, other = a_flow_run(flow), a_flow_run(flow)
    await store(database, flows=[flow], runs=[run, other])
    states = [(run.id, a_state(StateType.RUNNING, version=version)) for version in (1, 2)]
    await database.write(lambda conn: flow_runs.insert_states(conn, states))
    first = await database.read(flow_run_lists.list_states, run.id, PageRequest(size=1))

    with pytest.raises(PageTokenMismatchError):
        await database.read(
            flow_run_lists.list_states, other.id, PageRequest(token=first.next_token)
        )


async def test_inputs_come_from_oldest_to_newest_and_by_id_when_they_are_as_old(
    database: Database,
) -> None:
    flow = a_flow()
    run, other = a_flow_run(flow), a_flow_run(flow)
    old, newer, newer_too, newest = (
        an_input(run, key, id=f"id-{key}", create_time=NOW + timedelta(microseconds=micros))
        for key, micros in (("z", 0), ("b", 1), ("c", 1), ("a", 2))
    )
    await store(
        database,
        flows=[flow],
        runs=[run, other],
        run_inputs=[newest, newer_too, old, newer, an_input(other, "a")],
    )

    pages, token = [], ""
    while True:
        page = await database.read(
            input_lists.list_inputs, run.id, "", (), PageRequest(size=2, token=token)
        )
        pages.append(page.items)
        token = page.next_token
        if not token:
            break

    assert pages == [(old, newer), (newer_too, newest)]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", ["ab", "aB", "a%", "a_", "a\\", "b"]),
        ("a", ["ab", "aB", "a%", "a_", "a\\"]),
        ("ab", ["ab"]),
        ("aB", ["aB"]),
        ("a%", ["a%"]),
        ("a_", ["a_"]),
        ("a\\", ["a\\"]),
        ("abc", []),
    ],
)
async def test_a_prefix_is_taken_literally(
    database: Database, prefix: str, expected: list[str]
) -> None:
    flow = a_flow()
    run = a_flow_run(flow)
    names = ["ab", "aB", "a%", "a_", "a\\", "b"]
    await store(
        database,
        flows=[flow],
        runs=[run],
        run_inputs=[
            an_input(run, key, create_time=NOW + timedelta(seconds=place))
            for place, key in enumerate(names)
        ],
        named=[a_variable(name) for name in names],
    )

    inputs = await database.read(input_lists.list_inputs, run.id, prefix, (), PageRequest())
    variables = await database.read(variable_lists.list_variables, prefix, PageRequest())

    assert [each.key for each in inputs.items] == expected
    assert [each.name for each in variables.items] == sorted(expected)


async def test_inputs_are_left_out_by_their_keys(database: Database) -> None:
    flow = a_flow()
    run = a_flow_run(flow)
    keys = ["a", "b", "c"]
    await store(database, flows=[flow], runs=[run], run_inputs=[an_input(run, key) for key in keys])
    many = tuple(f"other-{number}" for number in range(998))

    found = [
        await database.read(input_lists.list_inputs, run.id, "", left_out, PageRequest())
        for left_out in (("b",), ("a", "c", *many))
    ]

    assert [{each.key for each in page.items} for page in found] == [{"a", "c"}, {"b"}]


async def test_variables_come_by_name_in_pages(database: Database) -> None:
    variables = [a_variable(name, value=name) for name in ("b", "a", "B", "é", "z")]
    await store(database, named=variables)

    first = await database.read(variable_lists.list_variables, "", PageRequest(size=3))
    rest = await database.read(
        variable_lists.list_variables, "", PageRequest(size=3, token=first.next_token)
    )

    assert [each.name for each in (*first.items, *rest.items)] == ["B", "a", "b", "z", "é"]
    assert first.items[0] == variables[2]
    assert rest.next_token == ""
