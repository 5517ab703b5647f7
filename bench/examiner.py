"""Held-out scenes, answered greedily with any adapter, whoever trained it."""

from collections.abc import Sequence
from pathlib import Path

import torch
from peft import set_peft_model_state_dict
from torch import Tensor
from transformers import BatchFeature

from bench.scenes import Example
from bench.trl_side import TrlSettings, TrlSide
from reward_service.score import DEFAULT_REWARDS, Answer, ScoredAnswer, score_answer
from tally.samples.small_policy import POLICY_PATH

MAX_TOKENS = 12
RANK, ALPHA = 16, 32
_BATCH = 64

Adapter = dict[str, Tensor]


def _scored(text: str, true_count: int) -> ScoredAnswer:
    return score_answer(Answer(text=text, true_count=true_count), DEFAULT_REWARDS)


def reward(text: str, true_count: int) -> float:
    return _scored(text, true_count).reward


class Examiner:
    """Answers the held-out scenes greedily with any adapter: transformers' own generate."""

    def __init__(self, held_out: Sequence[Example], folder: Path) -> None:
        side = TrlSide(
            TrlSettings(model_path=POLICY_PATH, lora_r=RANK, lora_alpha=ALPHA),
            held_out[:8],
            folder,
        )
        self._model, self._processor = side.model.eval(), side.trainer.processing_class
        self._held_out = held_out
        starts = range(0, len(held_out), _BATCH)
        self._inputs = [self._prepared(held_out[start : start + _BATCH]) for start in starts]

    def _prepared(self, chunk: Sequence[Example]) -> BatchFeature:
        content = [
            [{"type": "image"}, {"type": "text", "text": example.question}] for example in chunk
        ]
        prompts = [
            self._processor.apply_chat_template(
                [{"role": "user", "content": c}], tokenize=False, add_generation_prompt=True
            )
            for c in content
        ]
        images = [example.image for example in chunk]
        return self._processor(text=prompts, images=images, padding=True, return_tensors="pt")

    @torch.inference_mode()
    def right(self, adapter: Adapter) -> list[bool]:
        """Of each held-out scene, whether its answer holds the true count."""
        set_peft_model_state_dict(self._model, adapter)
        texts = [text for inputs in self._inputs for text in self._texts(inputs)]
        pairs = zip(texts, self._held_out, strict=True)
        return [_scored(text, example.true_count).difference == 0 for text, example in pairs]

    def _texts(self, inputs: BatchFeature) -> list[str]:
        ids = self._model.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False)
        answers = ids[:, inputs["input_ids"].shape[1] :]
        return self._processor.tokenizer.batch_decode(answers, skip_special_tokens=True)
