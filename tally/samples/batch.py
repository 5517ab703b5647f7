"""Scenes as tensors that a small policy learns from, with what there is to see in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import Qwen2Tokenizer

from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.samples.centre_counts import centre_counts
from tally.samples.scenes import IMAGE_SIZE_PIXELS, Scene, answer_text
from tally.samples.small_policy import build_image_processor, token_id

PATCH_PIXELS = 14
MERGED_CELLS = IMAGE_SIZE_PIXELS // (2 * PATCH_PIXELS)
# What a label is where nothing is to be learnt.
IGNORED = -100


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B scenes as tensors; S is the longest prompt with its answer, padded on the right."""

    patches: Tensor  # [B * 64, 1176]
    token_ids: Tensor  # [B, S]
    labels: Tensor  # [B, S], IGNORED where nothing is to be learnt
    position_ids: Tensor  # [3, B, S]
    image_start: int
    cell_counts: Tensor  # [B, MERGED_CELLS ** 2], centres of the kind that is asked for
    counts: Tensor  # [B]


class BatchMaker:
    """Turns scenes into batches; every prompt has the same prefix, so images share a position."""

    def __init__(self, tokenizer: Qwen2Tokenizer) -> None:
        processor = build_image_processor()
        self._mean = np.array(processor.image_mean, dtype=np.float32)
        self._std = np.array(processor.image_std, dtype=np.float32)
        self._tokenizer = tokenizer
        self._image_token_id = token_id(tokenizer, QWEN2_5_VL.image_token)
        self._prompt_ids = cache(self._tokenize_prompt)

    def __call__(self, scenes: Sequence[Scene], labels: Sequence[int] | None = None) -> Batch:
        """With the counts that the answers name: the true ones where no `labels` are given."""
        counts = [scene.count for scene in scenes]
        prompts = [self._prompt_ids(scene.question) for scene in scenes]
        answers = [
            self._tokenizer(answer_text(label, scene.kind) + "<|im_end|>")["input_ids"]
            for scene, label in zip(scenes, labels or counts, strict=True)
        ]
        length = max(len(p) + len(a) for p, a in zip(prompts, answers, strict=True))
        token_ids = torch.full((len(scenes), length), self._tokenizer.pad_token_id)
        targets = torch.full((len(scenes), length), IGNORED)
        for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            token_ids[row, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
            targets[row, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
        cells = [centre_counts(scene.centres, MERGED_CELLS) for scene in scenes]
        image_start = prompts[0].index(self._image_token_id)
        return Batch(
            patches=self._patches(scenes),
            token_ids=token_ids,
            labels=targets,
            position_ids=_position_ids(len(scenes), length, image_start),
            image_start=image_start,
            cell_counts=torch.from_numpy(np.stack(cells)).flatten(1),
            counts=torch.tensor(counts),
        )

    def _tokenize_prompt(self, question: str) -> list[int]:
        content = [{"type": "image"}, {"type": "text", "text": question}]
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        text = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        text = str(text).replace(QWEN2_5_VL.image_token, QWEN2_5_VL.image_token * MERGED_CELLS**2)
        token_ids: list[int] = self._tokenizer(text)["input_ids"]
        return token_ids

    def _patches(self, scenes: Sequence[Scene]) -> Tensor:
        pixels = np.stack([np.asarray(scene.image, dtype=np.float32) for scene in scenes])
        images = torch.from_numpy((pixels / 255 - self._mean) / self._std).permute(0, 3, 1, 2)
        blocks = images.reshape(
            len(scenes), 3, MERGED_CELLS, 2, PATCH_PIXELS, MERGED_CELLS, 2, PATCH_PIXELS
        )
        blocks = blocks.permute(0, 2, 5, 3, 6, 1, 4, 7).unsqueeze(6)
        return blocks.expand(*blocks.shape[:6], 2, -1, -1).reshape(-1, 3 * 2 * PATCH_PIXELS**2)


def _position_ids(batch: int, length: int, image_start: int) -> Tensor:
    """M-RoPE positions of text, one MERGED_CELLS squared image, text: [3, B, S]."""
    cells = MERGED_CELLS**2
    positions = torch.arange(length).expand(3, length).clone()
    rows, columns = torch.meshgrid(
        torch.arange(MERGED_CELLS), torch.arange(MERGED_CELLS), indexing="ij"
    )
    positions[0, image_start : image_start + cells] = image_start
    positions[1, image_start : image_start + cells] = image_start + rows.flatten()
    positions[2, image_start : image_start + cells] = image_start + columns.flatten()
    positions[:, image_start + cells :] -= cells - MERGED_CELLS
    return positions.unsqueeze(1).expand(3, batch, length)
