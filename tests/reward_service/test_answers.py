"""The parser against what a person reads, answer by answer."""

import pytest

from reward_service.parse import parse_count
from tests.reward_service.answers_chinese import CHINESE
from tests.reward_service.answers_english import ENGLISH


def test_the_lists_are_as_long_as_they_are_meant_to_be():
    assert sum(map(len, ENGLISH.values())) >= 420
    assert sum(map(len, CHINESE.values())) >= 420


@pytest.mark.parametrize(
    "answers",
    [*ENGLISH.values(), *CHINESE.values()],
    ids=[*(f"English: {name}" for name in ENGLISH), *(f"Chinese: {name}" for name in CHINESE)],
)
def test_an_answer_is_read_as_a_person_reads_it(answers: dict[str, int | None]):
    read = {text: parse_count(text) for text in answers}
    wrong = {text: read[text] for text, count in answers.items() if read[text].count != count}
    assert not wrong


@pytest.mark.parametrize("answers", [*ENGLISH.values(), *CHINESE.values()])
def test_what_stands_before_an_answer_tag_changes_nothing(answers: dict[str, int | None]):
    for text, count in answers.items():
        if text.strip() and "<" not in text and "\\boxed" not in text:
            tagged = f"I see 91 or 92, then 93. <answer>{text}</answer>"
            assert parse_count(tagged).count == count, text
