"""Where a completion ends: at a closing token, or at a text that several tokens spell."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from rollout_service.settings import RolloutSettings
from rollout_service.torch_replica import torch_engine
from tally.families.aria import ARIA
from tally.sampling.engine import FinishReason, GenerationRequest
from tally.sampling.model import stop_token_ids
from tally.torch_engine.ending import Ending
from tally.torch_engine.sampling import Sampler

TEXT = ARIA.closing_text


@pytest.fixture
def tokenizer(small_aria_path: Path) -> Any:
    return AutoTokenizer.from_pretrained(small_aria_path)


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


async def test_the_engine_samples_nothing_after_it(small_aria_path, tokenizer, monkeypatch):
    """A group of two: one closes its answer, the other doesn't."""
    engine = torch_engine(RolloutSettings(model=str(small_aria_path), torch_threads=1))
    await engine.load()
    closed = tokenizer(f"3 stars{TEXT}")["input_ids"]
    goes_on = [tokenizer.convert_tokens_to_ids("x")] * (len(closed) + 4)
    scripts = {2: [[one, other] for one, other in zip(closed, goes_on, strict=False)]}
    scripts[1] = [[token] for token in goes_on[len(closed) :]]

    def script(self, logits_N_V, chance_R, place_R):
        tokens = scripts[len(chance_R)].pop(0)
        return torch.tensor(tokens), torch.zeros(len(tokens))

    monkeypatch.setattr(Sampler, "sample", script)
    request = GenerationRequest(
        prompt_token_ids=(5, 6, 7),
        num_completions=2,
        temperature=1.0,
        max_new_tokens=len(goes_on),
    )
    one, other = await engine.generate(request)
    await engine.close()
    assert (list(one.token_ids), one.finish_reason) == (closed, FinishReason.STOP)
    assert (list(other.token_ids), other.finish_reason) == (goes_on, FinishReason.LENGTH)
