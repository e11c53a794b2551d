"""ResumeFlowRun: how an answer is filled in, and what is stored of it."""

import json
from datetime import timedelta

import grpc

from headgate import v1 as pb
from tests.service.pauses import ANSWER, answer_of, asked
from tests.service.world import (
    ACCEPT,
    PAUSED,
    REJECT,
    World,
    refused,
)

A_MINUTE = timedelta(minutes=1)


class TestStoring:
    async def test_an_empty_answer_is_not_stored(self, world: World) -> None:
        run = await asked(world, {"type": "object"})

        assert (await world.resume(run, {})).status == ACCEPT
        assert await answer_of(world, run) is None

    async def test_defaults_are_not_filled_in_and_text_is_compact(self, world: World) -> None:
        run = await asked(world)
        await world.resume(run, {"approved": True, "note": "ü"})

        request = pb.GetFlowRunInputRequest(flow_run_id=run.id, key="paused-1-response")
        stored = (await world.inputs.GetFlowRunInput(request)).input

        assert stored.value_json == '{"approved":true,"note":"ü"}'

    async def test_exact_numbers_stay_what_they_are(self, world: World) -> None:
        run = await asked(world, {"type": "object"})
        text = '{"big":1152921504606846977,"one":1.0,"int":1}'

        await world.resume(run, run_input_json=text)

        request = pb.GetFlowRunInputRequest(flow_run_id=run.id, key="paused-1-response")
        assert (await world.inputs.GetFlowRunInput(request)).input.value_json == text

    async def test_an_answer_without_a_key_to_store_it_under_is_not_kept(
        self, world: World
    ) -> None:
        run = await asked(world, run_input_keyset=pb.RunInputKeyset(schema="paused-1-schema"))

        assert (await world.resume(run, ANSWER)).status == ACCEPT
        assert set(await world.input_values(run)) == {"paused-1-schema"}

    async def test_an_answer_that_is_stored_already_keeps_the_run_paused(
        self, world: World
    ) -> None:
        run = await asked(world)
        await world.leave(run, "paused-1-response", "by hand")

        code, info = await refused(world.resume(run, ANSWER))

        assert (code, info.reason) == (grpc.StatusCode.ALREADY_EXISTS, "INPUT_KEY_EXISTS")
        assert info.metadata["key"] == "paused-1-response"
        assert (await world.get(run)).state.type == PAUSED
        assert await answer_of(world, run) == "by hand"

    async def test_watchers_see_the_answer_with_the_state(self, world: World) -> None:
        run = await asked(world)
        states = world.watch(flow_run_ids=[run.id], send_initial_state=True)
        inputs = world.watch_inputs(flow_run_id=run.id, send_initial_state=True)
        await states.take(2)
        await inputs.take(2)

        answer = await world.resume(run, ANSWER)

        change, created = await states.next("state_change"), await inputs.next("created")
        assert created.created.key == "paused-1-response"
        assert (change.revision + 1, created.revision) == (answer.revision, answer.revision)


class TestHydration:
    async def test_placeholders_of_every_kind_are_filled_in(self, world: World) -> None:
        variable = pb.CreateVariableRequest(name="stage", value="prod")
        await world.variables.CreateVariable(variable)
        run = await asked(world, {"type": "object"})

        def kind(name: str, **members: object) -> dict[str, object]:
            return {"__prefect_kind": name, **members}

        answer = await world.resume(
            run,
            {
                "none": kind("none", value={"deep": kind("json", value="[1, null]")}),
                "json": kind("json", value='{"__prefect_kind": "none"}'),
                "jinja": kind(
                    "jinja", template="{{ 2 + 2 }} {% for n in range(3) %}{{ n }}{% endfor %}"
                ),
                "variable": kind("workspace_variable", variable_name="stage"),
                "list": [kind("workspace_variable", variable_name="stage"), 1],
                "gone": kind("json"),
                "unknown": kind("martian", value=7),
            },
        )

        assert answer.status == ACCEPT, answer
        assert await answer_of(world, run) == {
            "none": {"deep": [1, None]},
            "json": {"__prefect_kind": "none"},
            "jinja": "4 012",
            "variable": "prod",
            "list": ["prod", 1],
            "unknown": 7,
        }

    async def test_the_answer_is_judged_as_it_is_once_filled_in(self, world: World) -> None:
        run = await asked(world)

        wrong = await world.resume(
            run, {"approved": {"__prefect_kind": "jinja", "template": "{{ 1 == 1 }}"}}
        )
        right = await world.resume(run, {"approved": {"__prefect_kind": "json", "value": "true"}})

        assert "'True' is not of type 'boolean'" in wrong.reject.reason
        assert right.status == ACCEPT

    async def test_what_cannot_be_filled_in_is_told(self, world: World) -> None:
        run = await asked(world)
        nested = "{% for a in x %}" * 3 + "{% endfor %}" * 3
        wrong: list[tuple[dict[str, object], str]] = [
            ({"__prefect_kind": "none"}, "Missing 'value' key in __prefect object"),
            ({"__prefect_kind": "jinja"}, "Missing 'template' key in __prefect object"),
            ({"__prefect_kind": "jinja", "template": "{{"}, "Invalid jinja: "),
            ({"__prefect_kind": "jinja", "template": 7}, "Invalid jinja"),
            (
                {"__prefect_kind": "jinja", "template": nested},
                "Invalid jinja: Contains nested for loops at a depth of 3. Templates can nest ",
            ),
            ({"__prefect_kind": "json", "value": 7}, "Invalid JSON: "),
            (
                {"__prefect_kind": "workspace_variable", "variable_name": "nobody"},
                "Variable 'nobody' not found in workspace.",
            ),
        ]

        for placeholder, text in wrong:
            answer = await world.resume(run, {"approved": placeholder})
            assert answer.reject.reason.startswith(f"Error hydrating run input: {text}"), answer

    async def test_a_template_that_fails_says_so_in_its_place(self, world: World) -> None:
        run = await asked(world, {"type": "object"})

        await world.resume(run, {"a": {"__prefect_kind": "jinja", "template": "{{ 1 / 0 }}"}})

        stored = json.dumps(await answer_of(world, run))
        assert "Failed to render template due to the following error:" in stored

    async def test_an_answer_that_placeholders_make_too_large_is_told(self, world: World) -> None:
        run = await asked(world, {"type": "object"})
        await world.variables.CreateVariable(
            pb.CreateVariableRequest(name="long", value="x" * 5000)
        )
        placeholder = {"__prefect_kind": "workspace_variable", "variable_name": "long"}

        answered = await world.resume(run, {"all": [placeholder] * 300})

        assert answered.reject.reason == (
            "Run input is too large once its placeholders are filled in."
        )
        assert answered.state.type == PAUSED

    async def test_an_answer_that_grows_too_large_is_rejected(self, world: World) -> None:
        variable = pb.CreateVariableRequest(name="long", value="x" * 5000)
        await world.variables.CreateVariable(variable)
        run = await asked(world, {"type": "object"})
        long = {"__prefect_kind": "workspace_variable", "variable_name": "long"}

        answer = await world.resume(run, {"a": [long] * 300})

        assert (answer.status, answer.state.type) == (REJECT, PAUSED)
        assert answer.reject.reason
        assert await answer_of(world, run) is None
        assert (await world.resume(run, {"a": [long] * 100})).status == ACCEPT
