"""Prompts that are read first, and completions that go on from them: the packed pass in two."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from bench.exactness import (
    draw_groups,
    lora_gradients,
    packed_logps,
    relative_difference,
)
from learner_service.policy.packing import Group, pack
from learner_service.policy.policy import Policy
from learner_service.policy.prompt_reading import PolicyPrompt, go_on, read_prompt

TEMPERATURE = 0.7  # that of `packed_logps`


def read(policy: Policy, groups: list[Group], images: list) -> list[PolicyPrompt]:
    names = [str(number) for number in range(len(images))]
    features = policy.features(names, lambda name: images[int(name)])
    return [
        read_prompt(policy, group.prompt_ids, group.position_ids, [of_image])
        for group, of_image in zip(groups, features, strict=True)
    ]


def logps_in_two(policy: Policy, groups: list[Group], images: list) -> Tensor:
    packed = pack(groups)
    scored = go_on(policy, packed, read(policy, groups, images), TEMPERATURE)
    return scored.logps[packed.completion_mask]


def test_log_probabilities_and_gradients_are_those_of_the_packed_pass(small_policy: Policy):
    """Of each family in turn, groups of unequal prompts and lengths."""
    groups, images = draw_groups(small_policy)
    packed = packed_logps(small_policy, groups, images)
    gradients = lora_gradients(small_policy.model, packed)
    in_two = logps_in_two(small_policy, groups, images)
    assert (in_two - packed).abs().max() < 1e-5
    assert relative_difference(lora_gradients(small_policy.model, in_two), gradients) < 1e-4


def test_answers_of_one_token_need_no_second_pass(policy: Policy):
    groups, images = draw_groups(policy)
    short = [replace(g, completions=[[7], [9]], sampler_logps=[[0.0], [0.0]]) for g in groups]
    for some in (short, [short[0], groups[1], short[2]]):
        packed = packed_logps(policy, some, images)
        in_two = logps_in_two(policy, some, images)
        assert (in_two - packed).abs().max() < 1e-5
        gradients = lora_gradients(policy.model, packed)
        assert relative_difference(lora_gradients(policy.model, in_two), gradients) < 1e-4


def kept_bytes(policy: Policy, forward: Callable[[], Tensor]) -> int:
    """Of all that backward needs but the weights, each once."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = forward()
    held = {parameter.untyped_storage().data_ptr() for parameter in policy.model.parameters()}
    assert result.requires_grad  # what was noted is still held
    return sum(size for place, size in kept.items() if place not in held)


def test_no_more_is_kept_for_backward_than_by_the_packed_pass(small_policy: Policy):
    groups, images = draw_groups(small_policy)
    packed = kept_bytes(small_policy, lambda: packed_logps(small_policy, groups, images))
    in_two = kept_bytes(small_policy, lambda: logps_in_two(small_policy, groups, images))
    assert 0 < in_two <= packed


def test_who_samples_gets_what_was_read_and_no_copy(policy: Policy):
    groups, images = draw_groups(policy)
    [first, *_] = read(policy, groups, images)
    given = first.detach()
    assert given.next_position == int(groups[0].position_ids.max()) + 1
    assert given.cache.length == len(groups[0].prompt_ids)
    assert given.hidden.data_ptr() == first.hidden.data_ptr()
    for ours, theirs in zip(first.keys, given.cache.keys, strict=True):
        assert theirs.data_ptr() == ours.data_ptr()
        assert not theirs.requires_grad
