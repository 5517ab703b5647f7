"""A policy's packed groups beside the ordinary pass of transformers and PEFT, on any device.

Tests hold the two together on a CPU, `bench.gpu` on a card.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from peft import PeftModel
from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageTextToText

from learner_service.data.prompts import PromptBuilder
from learner_service.policy.packing import Group, pack
from learner_service.policy.policy import Policy, PolicySettings
from learner_service.ranks import Ranks
from tally.job.settings import LoraConfig
from tally.samples.scenes import draw_scene

_SIZES = ((112, 112), (140, 84), (56, 168))
_TEMPERATURE = 0.7


def load_policy(path: Path, sharded_over: Ranks | None = None, **changes: Any) -> Policy:
    """The model in `path` with an adapter that changes what it says; `changes` of its settings."""
    fields: dict[str, Any] = {
        "source": str(path),
        "device": "cpu",
        "dtype": torch.float32,
        "use_4bit": False,
        "seed": 3,
        "feature_cache_bytes": 10**8,
    }
    lora = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0)
    policy = Policy(PolicySettings(**fields | changes), lora, sharded_over=sharded_over)
    for name, parameter in policy.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return policy


def load_with_peft(policy: Policy, source: Path, folder: Path, **options: Any) -> PeftModel:
    """The base model in `source` as transformers has it, with the policy's adapter, by PEFT."""
    policy.model.save_pretrained(str(folder), save_embedding_layers=False)
    base = AutoModelForImageTextToText.from_pretrained(
        source, **{"dtype": torch.float32, "device_map": {"": policy.device}} | options
    )
    return PeftModel.from_pretrained(base, folder, is_trainable=True).eval()


def group_of(
    prompt_ids: Sequence[int], position_ids: Tensor, completions: Sequence[Sequence[int]]
) -> Group:
    """A group whose sampler was sure of every token."""
    return Group(
        prompt_ids=prompt_ids,
        position_ids=position_ids,
        completions=completions,
        sampler_logps=[[0.0] * len(completion) for completion in completions],
    )


def draw_groups(policy: Policy) -> tuple[list[Group], list[Image.Image]]:
    """Three groups of unequal sizes: images, questions, and lengths of completions from 1 to 9."""
    random, grid = Random(5), policy.image_grid
    builder = PromptBuilder(policy.tokenizer, policy.image_token_id)
    groups, images = [], []
    for number, size in enumerate(_SIZES):
        width, height = grid.fit(*size, max(size))
        question = "Count the fish" + " please" * number
        ids = builder.prompt_ids(question, grid.tokens(width, height))
        beginning = [random.randrange(250) for _ in range(4)]
        completions = [
            beginning[: random.randint(0, 4)]
            + [random.randrange(250) for _ in range(random.randint(1, 5))]
            for _ in range(3 + number)
        ]
        positions = policy.position_ids(ids, grid.patches(width, height))
        groups.append(group_of(ids, positions, completions))
        images.append(draw_scene(random).image.resize((width, height)))
    return groups, images


def packed_logps(policy: Policy, groups: list[Group], images: list[Image.Image]) -> Tensor:
    """All completions' log-probabilities, one after another: [tokens]."""
    packed = pack(groups)
    numbers = [str(number) for number in range(len(images))]
    features = policy.features(numbers, lambda number: images[int(number)])
    scored = policy.log_probabilities(packed, features, _TEMPERATURE)
    return scored.logps[packed.completion_mask.to(scored.logps.device)]


def single_logps(
    policy: Policy, model: Any, groups: list[Group], images: list[Image.Image]
) -> Tensor:
    """The same by the ordinary forward of `model`, one completion and its pixels at a time."""
    rows = []
    for group, image in zip(groups, images, strict=True):
        inputs = policy.image_processor(images=[image], return_tensors="pt").to(
            policy.device, model.dtype
        )
        for completion in group.completions:
            ids = torch.tensor([[*group.prompt_ids, *completion]], device=policy.device)
            types = (ids == policy.image_token_id).int()
            logits = model(input_ids=ids, mm_token_type_ids=types, **inputs).logits[0]
            start = len(group.prompt_ids) - 1
            logps = (logits[start:-1].float() / _TEMPERATURE).log_softmax(-1)
            chosen = torch.tensor(completion, device=policy.device).unsqueeze(-1)
            rows.append(logps.gather(-1, chosen).squeeze(-1))
    return torch.cat(rows)


def lora_gradients(model: Any, logps: Tensor) -> Tensor:
    """Those of a sum of the log-probabilities with unequal weights, all in one row."""
    model.zero_grad()
    weights = torch.linspace(-1, 1, len(logps), device=logps.device)
    (logps * weights).sum().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def relative_difference(one: Tensor, other: Tensor) -> float:
    """How far `one` is from `other`, over the size of `other`."""
    return float((one - other).norm() / other.norm())
