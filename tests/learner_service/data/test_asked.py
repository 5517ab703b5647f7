"""A conversation as a job's template puts it."""

from dataclasses import replace

from learner_service.data.asked import question_turns, within_template
from learner_service.data.turns import Role, Turn
from tally.job.prompt_template import PromptTemplate

TEMPLATE = PromptTemplate(system_prompt="Count.", question_template="Look: {question}")
SYSTEM = Turn(role=Role.SYSTEM, text="Be brief.")
ASKED = Turn(role=Role.USER, text="How many?", has_image=True)
HELLO = Turn(role=Role.USER, text="Hello.")
SAID = Turn(role=Role.ASSISTANT, text="3 apples")
OURS = Turn(role=Role.SYSTEM, text="Count.")
WRAPPED = replace(ASKED, text="Look: How many?")


def test_without_a_template_nothing_changes():
    turns = [SYSTEM, HELLO, SAID, ASKED]
    assert within_template(turns, PromptTemplate()) == turns
    assert question_turns("How many?", PromptTemplate()) == [ASKED]


def test_a_question_is_wrapped_and_told_what_comes_before():
    assert question_turns("How many?", TEMPLATE) == [OURS, WRAPPED]


def test_what_is_said_with_the_image_is_the_question():
    assert within_template([HELLO, SAID, ASKED, SAID, HELLO], TEMPLATE) == [
        *(OURS, HELLO, SAID, WRAPPED, SAID, HELLO),
    ]


def test_without_an_image_the_first_thing_is():
    wrapped = replace(HELLO, text="Look: Hello.")
    assert within_template([HELLO, SAID, HELLO], TEMPLATE) == [OURS, wrapped, SAID, HELLO]


def test_a_system_prompt_of_its_own_stays():
    assert within_template([SYSTEM, ASKED], TEMPLATE) == [SYSTEM, WRAPPED]
