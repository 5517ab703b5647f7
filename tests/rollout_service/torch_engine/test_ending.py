"""Where a completion ends: at a closing token, or at a text that several tokens spell."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from rollout_service.model import stop_token_ids
from rollout_service.torch_engine.ending import Ending
from tally.families.aria import ARIA
from tally.samples.small_models import save_small_model

TEXT = ARIA.closing_text


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path: Path = tmp_path_factory.mktemp("aria")
    save_small_model(ARIA.model_type, path)
    return AutoTokenizer.from_pretrained(path)


def first_end(ending: Ending, ids: list[int]) -> int | None:
    """How many tokens there are when it first comes."""
    return next((n for n in range(len(ids) + 1) if ending.has_come(ids[:n])), None)


@pytest.mark.parametrize("answer", ["A photo of 3 stars.", "7", "5 > 3 <|im_en 4|>"])
def test_a_text_ends_a_completion_with_its_last_token(tokenizer, answer: str):
    ending = Ending((tokenizer.eos_token_id,), TEXT, tokenizer)
    ids = tokenizer(answer + TEXT)["input_ids"]
    assert first_end(ending, ids + tokenizer(" and more")["input_ids"]) == len(ids)
    assert tokenizer.decode(ids).removesuffix(TEXT) == answer


def test_a_closing_token_ends_it_too(tokenizer):
    ending = Ending((tokenizer.eos_token_id,), TEXT, tokenizer)
    ids = [*tokenizer("3 stars")["input_ids"], tokenizer.eos_token_id]
    assert first_end(ending, ids) == len(ids)


def test_without_a_text_only_a_token_does(tokenizer):
    ending = Ending((tokenizer.eos_token_id,), "", tokenizer)
    assert first_end(ending, tokenizer(f"3 stars{TEXT}")["input_ids"]) is None


def test_a_text_that_is_one_token_is_a_closing_token(tokenizer, reference):
    plain = stop_token_ids(reference.model, tokenizer, TEXT)
    tokenizer.add_tokens([TEXT], special_tokens=True)
    assert stop_token_ids(reference.model, tokenizer, TEXT) == (*plain, len(tokenizer) - 1)
