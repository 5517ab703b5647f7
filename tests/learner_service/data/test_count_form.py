"""Where counts are written into an answer, and the answers that they cannot be written into."""

from pathlib import Path

import pytest

from learner_service.clients.rollouts import Completion
from learner_service.data.count_form import Answered, NoCountForm, write_counts
from learner_service.data.prompts import Prompter
from reward_service.parse import parse_count

END = 0


def encode(texts) -> list[list[int]]:
    """A token a character, but "11" has one of its own."""
    return [[ord(c) for c in text.replace("11", "⑪")] for text in texts]


def answered(text: str, *, end: tuple[int, ...] = (END,)) -> Answered:
    return Answered(token_ids=(*encode([text])[0], *end), text=text, span=parse_count(text).span)


def test_every_count_stands_where_the_policy_s_own_stood():
    written = write_counts(answered("See 3 cups"), 12, 64, encode)
    assert written.texts == tuple(f"See {count} cups" for count in range(13))
    tokens = [tuple(ids) for ids in encode(written.texts)]
    assert written.token_ids == tuple((*ids, END) for ids in tokens)
    assert [len(ids) for ids in written.token_ids] == [11] * 10 + [12, 11, 12]


def test_what_ended_the_answer_ends_all():
    written = write_counts(answered("3", end=(7, 8)), 1, 64, encode)
    assert written.token_ids == ((48, 7, 8), (49, 7, 8))


def test_a_count_that_the_policy_has_no_room_for_is_left_out():
    written = write_counts(answered("3 cups"), 12, 7, encode)
    assert written.texts == (*(f"{count} cups" for count in range(10)), "11 cups")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (answered("Many cups"), "holds no count"),
        (answered("A photo of an apple"), "with a place of its own"),
        (answered("I see three cups"), "not written in digits"),
        (answered("3 cups", end=()), "does not end within 64 tokens"),
        (answered("In this picture I see 3"), "22 of them before its count, as one that reasons"),
        (answered("3 cups that stand on a large round table"), "it has 41 tokens"),
        (Answered(token_ids=(48, 48, END), text="3", span=(0, 1)), "not those that the tokenizer"),
    ],
)
def test_answers_that_no_other_count_is_written_into(answer: Answered, reason: str):
    with pytest.raises(NoCountForm, match=reason):
        write_counts(answer, 9, 64, encode)


def test_a_model_s_own_tokens_are_written(small_model_path: Path):
    prompter = Prompter.of_model(str(small_model_path))
    tokenizer = prompter._tokenizer
    closing = (tokenizer.eos_token_id,)
    ids = (*tokenizer("A photo of 3 apples", add_special_tokens=False)["input_ids"], *closing)
    completion = Completion(token_ids=ids, log_probabilities=(0.0,) * len(ids), adapter_digest="")
    text = prompter.answer(completion)
    written = prompter.written_counts(completion, parse_count(text).span, 12, 64)
    assert written.token_ids[3] == ids
    again = [
        prompter.answer(Completion(token_ids=ids, log_probabilities=(), adapter_digest=""))
        for ids in written.token_ids
    ]
    assert again == list(written.texts)
    assert again[12] == "A photo of 12 apples"
