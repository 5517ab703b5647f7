"""What a template is, and what it makes of a question."""

import pytest
from pydantic import ValidationError

from tally.job.prompt_template import PromptTemplate


def test_without_one_a_question_is_as_it_is():
    assert PromptTemplate().ask("How many {question} apples?") == "How many {question} apples?"
    assert PromptTemplate().system_prompt == ""


def test_the_question_stands_in_its_place_and_other_braces_stay():
    template = PromptTemplate(question_template='{question}\nSay {"count": N}.')
    assert template.ask("How many? {question}") == 'How many? {question}\nSay {"count": N}.'
    assert PromptTemplate(question_template="數一數：{question}").ask("幾顆?") == "數一數：幾顆?"


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("question_template", "How many?", "{question} stands in it 0 times; write it once"),
        ("question_template", "", "stands in it 0 times"),
        ("question_template", "{question} {question}", "stands in it 2 times"),
        ("question_template", "{Question}", "stands in it 0 times"),
        ("question_template", "{question}\0", "the control code U+0000"),
        ("question_template", "{question}\x1b[31m", "the control code U+001B"),
        ("question_template", "{question}\ud800", "string"),
        ("question_template", f"{{question}}{'x' * 4000}", "at most 4000 characters"),
        ("system_prompt", "x" * 4001, "at most 4000 characters"),
        ("system_prompt", "Count.\r\n", "the control code U+000D"),
        ("system_prompt", "a\tb", "the control code U+0009"),
        ("system_prompt", "\u202etnuoC", "the control code U+202E"),
        ("system_prompt", None, "string"),
    ],
)
def test_what_is_no_template_says_what_would_be_right(field: str, text: object, said: str):
    with pytest.raises(ValidationError) as caught:
        PromptTemplate(**{field: text})
    [error] = caught.value.errors()
    assert error["loc"] == (field,)
    assert said in error["msg"]
