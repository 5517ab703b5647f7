"""Packed groups against one completion at a time: the same numbers, the same gradients."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.exactness import (
    draw_groups,
    group_of,
    load_with_peft,
    lora_gradients,
    packed_logps,
    relative_difference,
    single_logps,
)
from learner_service.policy.packing import Group, GroupSpan, pack
from learner_service.policy.policy import Policy


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
    assert relative_difference(packed_gradients, single_gradients) < 1e-4


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
