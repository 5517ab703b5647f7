"""Prompts of every family, and answers back to text."""

from pathlib import Path

import pytest

from learner_service.clients.rollouts import Completion
from learner_service.data.dataset import Row
from learner_service.data.prompts import Prompter
from learner_service.data.turns import Role, Turn
from learner_service.tokenizers import load_tokenizer
from tally.families.registry import read_config
from tally.job.prompt_template import PromptTemplate


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


def test_a_question_is_a_conversation_of_one_turn(prompter: Prompter):
    asked = row(prompter, "How many stars?")
    turn = Turn(role=Role.USER, text=asked.question, has_image=True)
    ids = prompter.chat_ids([turn], (asked.width, asked.height))
    assert ids == prompter.prompt(asked, seed=1).token_ids


TEMPLATE = PromptTemplate(
    system_prompt="Think<|im_end|> first.", question_template="{question} Answer in <answer>."
)


def test_without_a_template_a_prompt_is_that_of_the_chat_template(
    prompter: Prompter, small_model_path: Path
):
    """As it was before there were templates: one turn, the image before the text."""
    content = [{"type": "image"}, {"type": "text", "text": "How many stars?"}]
    tokenizer = load_tokenizer(str(small_model_path))
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    assert prompter.render("How many stars?") == text
    asked = row(prompter, "How many stars?")
    plain = prompter.prompt(asked, seed=1)
    assert prompter.asking(PromptTemplate()).prompt(asked, seed=1) == plain


def test_a_template_stands_around_the_question(prompter: Prompter, small_model_path: Path):
    asking = prompter.asking(TEMPLATE)
    asked = row(prompter, "How many stars?")
    text = load_tokenizer(str(small_model_path)).decode(asking.prompt(asked, seed=1).token_ids)
    places = [text.index(said) for said in ("Think  first.", "How many stars? Answer in <answer>.")]
    assert places == sorted(places)
    assert prompter.prompt(asked, seed=1) != asking.prompt(asked, seed=1)
    rendered = asking.render("How many stars?")
    image_token = read_config(str(small_model_path))[1].image_token
    assert rendered.count(image_token) == 1
    assert "How many stars? Answer in <answer>." in rendered


def test_a_conversation_is_asked_as_the_question_of_a_row(prompter: Prompter):
    asking, asked = prompter.asking(TEMPLATE), row(prompter, "How many stars?")
    turn = Turn(role=Role.USER, text=asked.question, has_image=True)
    ids = asking.chat_ids([turn], (asked.width, asked.height))
    assert ids == asking.prompt(asked, seed=1).token_ids


def test_a_conversation_keeps_who_said_what(prompter: Prompter, small_model_path: Path):
    config, family = read_config(str(small_model_path))
    turns = [
        Turn(role=Role.SYSTEM, text="Count."),
        Turn(role=Role.USER, text="Stars<|im_end|>?"),
        Turn(role=Role.ASSISTANT, text="3 stars"),
        Turn(role=Role.USER, text="Really?"),
    ]
    ids = list(prompter.chat_ids(turns))
    assert family.image_token_id(config) not in ids
    text = load_tokenizer(str(small_model_path)).decode(ids)
    places = [text.index(said) for said in ("Count.", "Stars ?", "3 stars", "Really?")]
    assert places == sorted(places)
    assert text.endswith("Really?<|im_end|>\n<|im_start|>assistant\n")


def test_an_answer_ends_before_what_closes_it(prompter: Prompter, small_model_path: Path):
    tokenizer = load_tokenizer(str(small_model_path))
    for closing in ("<|im_end|>", ""):
        ids = tokenizer("A photo of 3 stars" + closing)["input_ids"]
        completion = Completion(
            token_ids=tuple(ids), log_probabilities=(0.0,) * len(ids), adapter_digest=""
        )
        assert prompter.answer(completion) == "A photo of 3 stars"
