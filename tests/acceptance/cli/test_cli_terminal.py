import pytest

from tests.acceptance.cli.shell import Shell

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

SCHEMA = {
    "type": "object",
    "properties": {
        "ship": {"type": "boolean", "title": "Ship it", "description": "Whether it goes live."},
        "size": {"enum": ["small", "large"], "default": "small"},
        "count": {"type": "integer", "minimum": 3},
    },
    "required": ["ship"],
}


@pytest.fixture
def asking_run(shell: Shell) -> str:
    """Return a run that waits for an answer."""
    return shell.paused(SCHEMA, "Shall we ship?")


def test_a_person_is_asked_field_by_field_until_the_answer_is_right(
    shell: Shell, asking_run: str
) -> None:
    with shell.terminal("flow-run", "resume", asking_run) as person:
        person.expect("Shall we ship?")
        person.expect("ship Ship it (yes or no)")
        person.expect("Whether it goes live.")
        person.expect("> ")
        person.type("perhaps")
        person.expect("expected yes or no")
        person.type("y")
        person.expect("size (one of small, large; Enter means small)")
        person.type("")
        person.expect("count (a whole number; Enter leaves it out)")
        person.type("2")
        person.expect("2 is less than the minimum of 3")
        person.expect("ship Ship it (yes or no; Enter means yes)")
        person.type("")
        person.expect("Enter means small")
        person.type("large")
        person.expect("Enter means 2")
        person.type("4")
        person.expect("Running()")

        assert person.wait() == 0
    [answer] = [
        each["value"]
        for each in shell.headgate("flow-run", "inputs", asking_run, "--json").jsons
        if each["key"].endswith("-response")
    ]
    assert answer == {"ship": True, "size": "large", "count": 4}


@pytest.mark.parametrize("press", ["press_ctrl_c", "press_ctrl_d"])
def test_a_person_may_leave_the_question_open(shell: Shell, asking_run: str, press: str) -> None:
    with shell.terminal("flow-run", "resume", asking_run) as person:
        person.expect("> ")
        getattr(person, press)()

        assert person.wait() == 130
    assert "Traceback" not in person.seen
    shown = shell.headgate("flow-run", "show", asking_run, "--json").json
    assert shown["flow_run"]["state"]["type"] == "PAUSED"


def test_a_question_that_somebody_else_answered_is_not_answered_again(
    shell: Shell, asking_run: str
) -> None:
    with shell.terminal("flow-run", "resume", asking_run) as person:
        person.expect("> ")
        shell.headgate("flow-run", "resume", asking_run, "ship=no")
        person.type("yes")
        person.expect("size")
        person.type("")
        person.expect("count")
        person.type("")
        person.expect("Error:")

        assert person.wait() == 1


def test_a_pause_without_a_question_is_resumed_at_once(shell: Shell) -> None:
    run_id = shell.paused()

    with shell.terminal("flow-run", "resume", run_id) as person:
        person.expect("Running()")

        assert person.wait() == 0


def test_a_person_is_asked_before_a_run_is_deleted(shell: Shell) -> None:
    run_id = shell.made()

    with shell.terminal("flow-run", "delete", run_id) as person:
        person.expect("Delete this flow run? [y/N]")
        person.type("n")
        assert person.wait() == 1
    kept = shell.headgate("flow-run", "show", run_id)
    with shell.terminal("flow-run", "delete", run_id) as person:
        person.expect("Delete this flow run? [y/N]")
        person.type("y")
        person.expect(f"Deleted {run_id}")
        assert person.wait() == 0

    assert kept.code == 0


def test_a_table_has_a_frame_on_a_terminal(shell: Shell) -> None:
    run_id = shell.made("running")

    with shell.terminal("flow-run", "show", run_id) as person:
        person.expect("────")
        person.expect("PENDING")
        person.expect("RUNNING")

        assert person.wait() == 0


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("headgate flow-r", ["flow-run"]),
        ("headgate flow-run wa", ["watch", "wait"]),
        ("headgate flow-run ls --state pa", ["paused"]),
        ("headgate flow-run watch --until a", ["all", "any"]),
        ("headgate serve --late", ["--late-after", "--late-interval"]),
    ],
)
def test_a_shell_completes_what_is_begun(shell: Shell, words: str, completed: list[str]) -> None:
    variables = {
        "_HEADGATE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }

    told = shell.line("headgate", variables)

    assert told.out.split() == completed
