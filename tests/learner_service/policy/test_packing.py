"""Packed groups against one completion at a time: the same numbers, the same gradients."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from peft import PeftModel
from PIL import Image
from transformers import AutoModelForImageTextToText

from learner_service.data.prompts import PromptBuilder
from learner_service.policy.packing import Group, GroupSpan, pack
from learner_service.policy.policy import Policy
from tally.samples.scenes import draw_scene

SIZES = ((112, 112), (140, 84), (56, 168))
TEMPERATURE = 0.7


def group_of(
    prompt_ids: Sequence[int], position_ids: torch.Tensor, completions: Sequence[Sequence[int]]
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
    for number, size in enumerate(SIZES):
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


def packed_logps(policy: Policy, groups: list[Group], images: list[Image.Image]) -> torch.Tensor:
    """All completions' log-probabilities, one after another: [tokens]."""
    packed = pack(groups)
    numbers = [str(number) for number in range(len(images))]
    features = policy.features(numbers, lambda number: images[int(number)])
    scored = policy.log_probabilities(packed, features, TEMPERATURE)
    return scored.logps[packed.completion_mask]


def load_with_peft(policy: Policy, source: Path, folder: Path) -> PeftModel:
    """The base model in `source` as transformers has it, with the policy's adapter, by PEFT."""
    policy.model.save_pretrained(str(folder), save_embedding_layers=False)
    base = AutoModelForImageTextToText.from_pretrained(source, dtype=torch.float32)
    return PeftModel.from_pretrained(base, folder, is_trainable=True).eval()


def single_logps(
    policy: Policy, model: Any, groups: list[Group], images: list[Image.Image]
) -> torch.Tensor:
    """The same by the ordinary forward of `model`, one completion and its pixels at a time."""
    rows = []
    for group, image in zip(groups, images, strict=True):
        inputs = policy.image_processor(images=[image], return_tensors="pt")
        for completion in group.completions:
            ids = torch.tensor([[*group.prompt_ids, *completion]])
            types = (ids == policy.image_token_id).int()
            logits = model(input_ids=ids, mm_token_type_ids=types, **inputs).logits[0]
            start = len(group.prompt_ids) - 1
            logps = (logits[start:-1] / TEMPERATURE).log_softmax(-1)
            rows.append(logps.gather(-1, torch.tensor(completion).unsqueeze(-1)).squeeze(-1))
    return torch.cat(rows)


def lora_gradients(model: Any, logps: torch.Tensor) -> torch.Tensor:
    model.zero_grad()
    weights = torch.linspace(-1, 1, len(logps))
    (logps * weights).sum().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_log_probabilities_and_gradients_equal_those_of_peft_one_by_one(
    small_policy: Policy, small_model_path: Path, tmp_path: Path
):
    """With images' features, a shared prompt and our own LoRA and last layer on one side."""
    small_policy.model.eval()
    peft_model = load_with_peft(small_policy, small_model_path, tmp_path)
    groups, images = draw_groups(small_policy)
    packed = packed_logps(small_policy, groups, images)
    single = single_logps(small_policy, peft_model, groups, images)
    assert (packed - single).abs().max() < 1e-5
    packed_gradients = lora_gradients(small_policy.model, packed)
    single_gradients = lora_gradients(peft_model, single)
    difference = (packed_gradients - single_gradients).norm() / single_gradients.norm()
    assert difference < 1e-4


def test_barred_tokens_leave_every_distribution(policy: Policy):
    groups, images = draw_groups(policy)
    before = packed_logps(policy, groups, images)
    policy.bar([300, 301, 302])
    after = packed_logps(policy, groups, images)
    assert (after > before).all()


def test_groups_stand_one_after_another():
    two = Group(
        prompt_ids=[1, 2],
        position_ids=torch.arange(2).expand(3, 2),
        completions=[[3, 4, 5], [6], [7, 8]],
        sampler_logps=[[-0.5, -1.5, -2.5], [-3.5], [-4.5, -5.5]],
    )
    one = group_of([9], torch.zeros(3, 1).long(), [[1, 2]])
    packed = pack([two, one])
    assert packed.token_ids.tolist() == [1, 2, 3, 4, 7, 9, 1]
    assert packed.position_ids.tolist() == [[0, 1, 2, 3, 2, 0, 1]] * 3
    assert packed.spans == (
        GroupSpan(start=0, prompt_end=2, parents=(-1, 0, -1)),
        GroupSpan(start=5, prompt_end=6, parents=(-1,)),
    )
    assert packed.sources.tolist() == [[1, 2, 3], [1, 1, 1], [1, 4, 4], [5, 6, 6]]
    assert packed.target_ids.tolist() == [[3, 4, 5], [6, 6, 6], [7, 8, 8], [1, 2, 2]]
    assert packed.sampler_logps.tolist() == [
        [-0.5, -1.5, -2.5],
        [-3.5, 0, 0],
        [-4.5, -5.5, 0],
        [0, 0, 0],
    ]
    assert packed.completion_mask.int().tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 0]]


def test_what_completions_have_in_common_stands_once():
    completions = [[3, 4, 5], [3, 4, 6, 7], [3, 4, 5], [4, 5], [3, 8, 4, 5]]
    packed = pack([group_of([1], torch.zeros(3, 1).long(), completions)])
    assert packed.token_ids.tolist() == [1, 3, 4, 6, 4, 8, 4]
    assert packed.position_ids[0].tolist() == [0, 1, 2, 3, 1, 2, 3]
    assert packed.spans == (GroupSpan(start=0, prompt_end=1, parents=(-1, 0, 1, -1, 0, 4)),)
    assert packed.sources.tolist() == [
        [0, 1, 2, 2],
        [0, 1, 2, 3],
        [0, 1, 2, 2],
        [0, 4, 4, 4],
        [0, 1, 5, 6],
    ]


def test_positions_go_on_after_the_largest_of_the_prompt():
    positions = torch.tensor([[0, 1, 1, 1, 1, 3], [0, 1, 1, 2, 2, 3], [0, 1, 2, 1, 2, 3]])
    assert pack([group_of([9] * 6, positions, [[1, 1, 1]])]).position_ids[0, 6:].tolist() == [4, 5]


@pytest.mark.parametrize("completions", [[], [[]], [[1], []]])
def test_an_empty_completion_is_refused(completions: list[list[int]]):
    with pytest.raises(ValueError, match="completions"):
        pack([group_of([1], torch.zeros(3, 1).long(), completions)])


def test_a_token_without_a_log_probability_is_refused():
    group = replace(group_of([1], torch.zeros(3, 1).long(), [[1, 2]]), sampler_logps=[[-1.0]])
    with pytest.raises(ValueError, match="log-probability"):
        pack([group])
