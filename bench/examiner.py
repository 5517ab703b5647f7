"""Held-out scenes, answered greedily with any adapter, whoever trained it."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import set_peft_model_state_dict
from torch import Tensor
from transformers import BatchFeature

from bench.scenes import Example
from bench.trl_side import TrlSettings, TrlSide
from reward_service.score import DEFAULT_REWARDS, Answer, ScoredAnswer, score_answer

MAX_TOKENS = 12
RANK, ALPHA = 16, 32
_BATCH = 64

Adapter = dict[str, Tensor]


def _score(text: str, true_count: int) -> ScoredAnswer:
    return score_answer(Answer(text=text, true_count=true_count), DEFAULT_REWARDS)


def reward(text: str, true_count: int) -> float:
    return _score(text, true_count).reward


class Examiner:
    """Answers the held-out scenes greedily with any adapter of the policy in `model_path`:
    transformers' own generate."""

    def __init__(self, model_path: Path, held_out: Sequence[Example], folder: Path) -> None:
        side = TrlSide(
            TrlSettings(model_path=model_path, lora_r=RANK, lora_alpha=ALPHA),
            held_out[:8],
            folder,
        )
        self._model: Any = side.model.eval()  # nobody types `generate`
        self._processor = side.processor
        self._held_out = held_out
        starts = range(0, len(held_out), _BATCH)
        self._inputs = [self._prepare(held_out[start : start + _BATCH]) for start in starts]

    def _prepare(self, chunk: Sequence[Example]) -> BatchFeature:
        prompts = [self._prompt(example.question) for example in chunk]
        images = [example.image for example in chunk]
        inputs: BatchFeature = self._processor(
            text=prompts, images=images, padding=True, return_tensors="pt"
        )
        return inputs

    def _prompt(self, question: str) -> str:
        content = [{"type": "image"}, {"type": "text", "text": question}]
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        return str(
            self._processor.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        )

    @torch.inference_mode()
    def mark(self, adapter: Adapter | None) -> list[bool]:
        """Of each held-out scene, whether its answer holds the true count; None is the base."""
        if adapter:
            set_peft_model_state_dict(self._model, adapter)
        with nullcontext() if adapter else self._model.disable_adapter():
            texts = [text for inputs in self._inputs for text in self._texts(inputs)]
        pairs = zip(texts, self._held_out, strict=True)
        return [_score(text, example.true_count).difference == 0 for text, example in pairs]

    def _texts(self, inputs: BatchFeature) -> list[str]:
        ids = self._model.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False)
        answers = ids[:, inputs["input_ids"].shape[1] :]
        texts: list[str] = self._processor.batch_decode(answers, skip_special_tokens=True)
        return texts
