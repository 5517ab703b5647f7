"""Supervised training of a small policy: what it sees and says, the losses, the exact rate."""

import copy
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

from tally.samples.batch import IGNORED, MERGED_CELLS, Batch, BatchMaker
from tally.samples.scenes import Scene
from tally.samples.small_policy import build_image_processor

# Held-out scenes of the demo and of the tests use seeds below this one.
FIRST_PRETRAINING_SEED = 1_000_000_000
# What `exact_rate` asks about is drawn from this seed.
EXAMINATION_SEED = FIRST_PRETRAINING_SEED - 1
BATCH_SIZE = 64

Policy = Qwen2_5_VLForConditionalGeneration


def see(model: Policy, batch: Batch) -> Tensor:
    """→ vision features [B, cells, H]."""
    features, _ = see_patches(model, batch)
    return features


def see_patches(model: Policy, batch: Batch) -> tuple[Tensor, Tensor]:
    """→ vision features [B, cells, H], and what they are merged from: [B, cells * 4, H], the four
    patches of a cell one after another."""
    size = len(batch.counts)
    grid = torch.tensor([[1, 2 * MERGED_CELLS, 2 * MERGED_CELLS]] * size)
    seen = model.model.visual(batch.patches, grid_thw=grid)
    # One window is the whole image: the tower leaves the patches in their order.
    return tuple(
        part.view(size, -1, part.shape[-1]) for part in (seen.pooler_output, seen.last_hidden_state)
    )


def answer(model: Policy, batch: Batch, features: Tensor) -> Tensor:
    """→ logits [B, S, V]."""
    embeddings = model.get_input_embeddings()(batch.token_ids)
    start = batch.image_start
    embeddings = torch.cat(
        [embeddings[:, :start], features, embeddings[:, start + MERGED_CELLS**2 :]], dim=1
    )
    hidden = model.model.language_model(
        inputs_embeds=embeddings, position_ids=batch.position_ids, use_cache=False
    ).last_hidden_state
    logits: Tensor = model.lm_head(hidden)
    return logits


def answer_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED
    )


@torch.no_grad()
def exact_rate(
    model: Policy,
    maker: BatchMaker,
    draw: Callable[[Random], Scene],
    *,
    seed: int = EXAMINATION_SEED,
    scenes: int = 512,
) -> float:
    """Share of scenes whose whole true answer is the likeliest, token for token."""
    random = Random(seed)
    right = 0
    for _ in range(scenes // BATCH_SIZE):
        batch = maker([draw(random) for _ in range(BATCH_SIZE)])
        predicted = answer(model, batch, see(model, batch)).argmax(-1)[:, :-1]
        wrong = (predicted != batch.labels[:, 1:]) & (batch.labels[:, 1:] != IGNORED)
        right += int((~wrong.any(1)).sum())
    return right / scenes


def train(
    parameters: Sequence[nn.Parameter],
    loss: Callable[[], Tensor],
    *,
    steps: int,
    learning_rate: float,
) -> Iterator[tuple[int, float]]:
    """Yields (step, loss); the learning rate falls as a cosine after a warm-up."""
    optimizer = torch.optim.AdamW(
        parameters, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    warmup = min(200, -(-steps // 10))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda s: min((s + 1) / warmup, 0.5 * (1 + math.cos(math.pi * s / steps)) + 1e-3),
    )
    for step in range(steps):
        value = loss()
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        yield step + 1, value.item()


def save(model: Policy, tokenizer: Qwen2Tokenizer, path: Path) -> None:
    """Writes weights in bfloat16 (half the bytes), tokenizer and image processor."""
    path.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).bfloat16().save_pretrained(path)
    tokenizer.save_pretrained(path)
    build_image_processor().save_pretrained(path)


class Log:
    """Writes a line of JSON to standard output, with the seconds since it was made."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, **fields: object) -> None:
        row = fields | {"seconds": round(time.monotonic() - self._started)}
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()
