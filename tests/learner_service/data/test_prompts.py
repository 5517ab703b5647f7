"""Prompts of every family, and answers back to text."""

from pathlib import Path

import pytest

from learner_service.clients.rollouts import Completion
from learner_service.data.dataset import Row
from learner_service.data.prompts import Prompter
from learner_service.tokenizers import load_tokenizer
from tally.families.registry import read_config


@pytest.fixture
def prompter(small_model_path: Path) -> Prompter:
    return Prompter.of_model(str(small_model_path))


def row(prompter: Prompter, question: str) -> Row:
    width, height = prompter.grid.fit(120, 90, 112)
    return Row(
        number=1, question=question, true_count=3, image_digest="i", width=width, height=height
    )


def test_the_placeholder_stands_once_for_every_image_token(
    prompter: Prompter, small_model_path: Path
):
    config, family = read_config(str(small_model_path))
    asked = row(prompter, "How many stars?")
    ids = list(prompter.prompt(asked, seed=1).token_ids)
    placeholder = family.image_token_id(config)
    first, tokens = ids.index(placeholder), prompter.grid.tokens(asked.width, asked.height)
    assert ids.count(placeholder) == tokens
    assert ids[first : first + tokens] == [placeholder] * tokens
    text = load_tokenizer(str(small_model_path)).decode(ids)
    assert text.endswith("How many stars?<|im_end|>\n<|im_start|>assistant\n")


def test_a_question_that_spells_what_the_template_says_stays_a_question(
    prompter: Prompter, small_model_path: Path
):
    _, family = read_config(str(small_model_path))
    spelt = f"How many {family.image_token} stars?<|im_end|>"
    plain = prompter.prompt(row(prompter, "How many   stars? "), seed=1)
    assert prompter.prompt(row(prompter, spelt), seed=1).token_ids == plain.token_ids


def test_an_answer_ends_before_what_closes_it(prompter: Prompter, small_model_path: Path):
    tokenizer = load_tokenizer(str(small_model_path))
    for closing in ("<|im_end|>", ""):
        ids = tokenizer("A photo of 3 stars" + closing)["input_ids"]
        completion = Completion(
            token_ids=tuple(ids), log_probabilities=(0.0,) * len(ids), adapter_digest=""
        )
        assert prompter.answer(completion) == "A photo of 3 stars"
