"""Variables: texts with a name that is taken once."""

import asyncio
from datetime import timedelta

import pytest

from headgate_server.model.commands import CreateVariable, DeleteVariable, UpdateVariable
from headgate_server.model.conflicts import RequestIdReusedError, VariableExistsError
from headgate_server.model.errors import VariableNotFoundError
from headgate_server.model.ids import new_id
from headgate_server.model.paging import PageRequest
from headgate_server.model.variables import Variable
from headgate_server.operations.variables import Variables
from headgate_server.storage import variables as stored_variables
from headgate_server.storage.database import Database
from headgate_server.storage.writer import Writer
from tests.builders import NOW, a_variable
from tests.fakes import FakeClock
from tests.servers import running_servers
from tests.storing import store


@pytest.fixture
def variables(database: Database, writer: Writer) -> Variables:
    return Variables(database, writer)


class TestCreate:
    async def test_a_variable_is_kept_as_it_was_given(self, variables: Variables) -> None:
        created = await variables.create(
            CreateVariable(name="greeting", value="Grüße 'a' \"b\"\n", tags=("a", "b"))
        )

        assert (created.name, created.value) == ("greeting", "Grüße 'a' \"b\"\n")
        assert (created.tags, created.create_time, created.update_time) == (("a", "b"), NOW, NOW)
        assert await variables.get("greeting") == created

    async def test_a_name_is_taken_once(self, variables: Variables) -> None:
        first = await variables.create(CreateVariable(name="a", value="1"))

        with pytest.raises(VariableExistsError):
            await variables.create(CreateVariable(name="a", value="2"))

        assert await variables.get("a") == first

    async def test_of_those_who_want_a_name_at_once_the_first_gets_it(
        self, variables: Variables
    ) -> None:
        first, second, other = await asyncio.gather(
            *(
                variables.create(CreateVariable(name=name, value=value))
                for name, value in (("a", "1"), ("a", "2"), ("b", "3"))
            ),
            return_exceptions=True,
        )

        assert isinstance(second, VariableExistsError)
        assert await variables.get("a") == first
        assert await variables.get("b") == other

    async def test_a_repeat_with_the_request_id_answers_like_the_first(
        self, variables: Variables
    ) -> None:
        command = CreateVariable(name="a", value="1", request_id=new_id())

        answers = [await variables.create(command) for _ in range(2)]

        assert answers[0] == answers[1]
        with pytest.raises(RequestIdReusedError):
            await variables.create(CreateVariable(name="b", request_id=command.request_id))

    async def test_of_several_servers_one_gets_the_name(
        self, postgresql_url: str, clock: FakeClock
    ) -> None:
        names = [f"name_{number}" for number in range(20)]

        async with running_servers(3, postgresql_url, clock) as servers:
            everywhere = [Variables(server.database, server.writer) for server in servers]
            answers = await asyncio.gather(
                *(each.create(CreateVariable(name=name)) for name in names for each in everywhere),
                return_exceptions=True,
            )

        created = [each.name for each in answers if isinstance(each, Variable)]
        assert sorted(created) == sorted(names)
        others = {type(each) for each in answers if not isinstance(each, Variable)}
        assert others == {VariableExistsError}


class TestGet:
    async def test_a_variable_that_does_not_exist_is_not_found(self, variables: Variables) -> None:
        with pytest.raises(VariableNotFoundError):
            await variables.get("a")

    async def test_variables_are_listed_by_name(
        self, variables: Variables, database: Database
    ) -> None:
        await store(database, named=[a_variable(name) for name in ("a_2", "b_1", "a_1")])

        page = await variables.list_page("a_", PageRequest())

        assert [each.name for each in page.items] == ["a_1", "a_2"]

    async def test_all_values_are_read_at_once(self, database: Database) -> None:
        named = [a_variable("a", value="1", tags=("x",)), a_variable("b", value="")]
        await store(database, named=named)

        assert await database.read(stored_variables.get_values) == {"a": "1", "b": ""}


class TestUpdate:
    @pytest.mark.parametrize(
        ("command", "value", "tags"),
        [
            pytest.param(UpdateVariable(name="a", value="2"), "2", ("x",), id="the value"),
            pytest.param(UpdateVariable(name="a", value=""), "", ("x",), id="an empty value"),
            pytest.param(UpdateVariable(name="a", tags=("y",)), "1", ("y",), id="the tags"),
            pytest.param(UpdateVariable(name="a", tags=()), "1", (), id="no tags"),
            pytest.param(UpdateVariable(name="a", value="2", tags=()), "2", (), id="both"),
        ],
    )
    async def test_what_is_given_is_replaced(
        self,
        variables: Variables,
        clock: FakeClock,
        command: UpdateVariable,
        value: str,
        tags: tuple[str, ...],
    ) -> None:
        before = await variables.create(CreateVariable(name="a", value="1", tags=("x",)))
        clock.advance(timedelta(hours=1))

        after = await variables.update(command)

        assert (after.id, after.value, after.tags) == (before.id, value, tags)
        assert (after.create_time, after.update_time) == (NOW, clock())
        assert await variables.get("a") == after

    async def test_updates_at_once_build_on_each_other(self, variables: Variables) -> None:
        await variables.create(CreateVariable(name="a"))

        value, tags = await asyncio.gather(
            variables.update(UpdateVariable(name="a", value="1")),
            variables.update(UpdateVariable(name="a", tags=("x",))),
        )

        assert (value.value, value.tags) == ("1", ())
        assert (tags.value, tags.tags) == ("1", ("x",))
        assert await variables.get("a") == tags

    async def test_updates_at_several_servers_build_on_each_other(
        self, postgresql_url: str, clock: FakeClock
    ) -> None:
        async with running_servers(2, postgresql_url, clock) as servers:
            one, other = (Variables(server.database, server.writer) for server in servers)
            await store(servers[0].database, named=[a_variable("a")])

            for number in range(20):
                await asyncio.gather(
                    one.update(UpdateVariable(name="a", value=f"{number}")),
                    other.update(UpdateVariable(name="a", tags=(f"{number}",))),
                )
                after = await one.get("a")
                assert (after.value, after.tags) == (f"{number}", (f"{number}",))

    async def test_a_variable_that_does_not_exist_is_not_found(self, variables: Variables) -> None:
        with pytest.raises(VariableNotFoundError):
            await variables.update(UpdateVariable(name="a", value="1"))


class TestDelete:
    async def test_a_variable_is_deleted(self, variables: Variables) -> None:
        await variables.create(CreateVariable(name="a"))
        kept = await variables.create(CreateVariable(name="b"))

        await variables.delete(DeleteVariable(name="a"))

        with pytest.raises(VariableNotFoundError):
            await variables.get("a")
        assert await variables.get("b") == kept

    async def test_a_variable_can_be_deleted_once(self, variables: Variables) -> None:
        await variables.create(CreateVariable(name="a"))

        first, second = await asyncio.gather(
            *(variables.delete(DeleteVariable(name="a")) for _ in range(2)), return_exceptions=True
        )

        assert first is None
        assert isinstance(second, VariableNotFoundError)
        with pytest.raises(VariableNotFoundError):
            await variables.delete(DeleteVariable(name="a"))

    async def test_a_repeat_with_the_request_id_answers_like_the_first(
        self, variables: Variables
    ) -> None:
        await variables.create(CreateVariable(name="a"))
        command = DeleteVariable(name="a", request_id=new_id())

        for _ in range(2):
            await variables.delete(command)

    async def test_the_name_is_free_afterwards(self, variables: Variables) -> None:
        await variables.create(CreateVariable(name="a", value="1"))
        await variables.delete(DeleteVariable(name="a"))

        again = await variables.create(CreateVariable(name="a", value="2"))

        assert await variables.get("a") == again
