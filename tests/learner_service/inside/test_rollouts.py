"""The client of an engine in this process: what `RolloutClient` promises, without a service."""

import math
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
import torch

from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.rollouts import Prompt, Sampling
from learner_service.errors import UnknownBlob
from learner_service.inside.features import PolicyFeatures
from learner_service.inside.parts import base_parts, policy_parts
from learner_service.inside.rollouts import InsideRollouts
from learner_service.policy.adapters import AdapterPublisher
from learner_service.policy.policy import Policy
from learner_service.policy.prompt_reading import read_prompt
from learner_service.settings import LearnerSettings
from tally.sampling.engine import LocalBlob
from tally.sampling.errors import BadRequest, EngineNotReady
from tests.rollout_service.support import IMAGE_TOKENS, Reference, png

SAMPLING = Sampling(num_completions=3, temperature=1.0, max_new_tokens=6)


@pytest_asyncio.fixture
async def rollouts(
    policy: Policy, store: BlobStore, random_policy_path: Path
) -> AsyncIterator[InsideRollouts]:
    rollouts = InsideRollouts(store)
    parts = policy_parts(policy, str(random_policy_path), use_4bit=False)
    await rollouts.load(lambda: parts)
    yield rollouts
    await rollouts.close()


def prompt(path: Path, store: BlobStore, image_tokens: int = IMAGE_TOKENS) -> Prompt:
    ids = Reference(path).prompt(image_tokens=image_tokens)
    return Prompt(token_ids=tuple(ids), image_digest=store.put_bytes(png()), seed=5)


async def test_groups_come_whole_and_in_order(rollouts, policy, store, random_policy_path):
    digest = AdapterPublisher(store).publish(policy.model)
    asked = [prompt(random_policy_path, store), prompt(random_policy_path, store)]
    groups = await rollouts.generate(asked, digest, SAMPLING)
    assert [len(group) for group in groups] == [3, 3]
    for completion in (one for group in groups for one in group):
        assert completion.adapter_digest == digest
        assert 0 < len(completion.token_ids) == len(completion.log_probabilities) <= 6
        assert completion.is_cut or completion.token_ids[-1] == policy.tokenizer.eos_token_id
    assert groups == await rollouts.generate(asked, digest, SAMPLING)


async def test_it_goes_on_from_a_prompt_that_the_policy_has_read(policy, store, random_policy_path):
    """Beside one that it reads itself: the same completions, and the image is not looked at."""
    digest = AdapterPublisher(store).publish(policy.model)
    asked = prompt(random_policy_path, store)
    other = replace(asked, token_ids=(*asked.token_ids, 20), seed=6)
    ids = torch.tensor(asked.token_ids)
    side = math.isqrt(4 * IMAGE_TOKENS)  # in patches
    positions = policy.position_ids(asked.token_ids, (1, side, side))
    vision = PolicyFeatures(policy)
    image = LocalBlob(digest=asked.image_digest, path=store.path(asked.image_digest))
    features = vision.get(image).features
    read = read_prompt(policy, ids.tolist(), positions, [features]).detach()
    found = []
    for given in (None, read):
        rollouts = InsideRollouts(store)
        parts = policy_parts(policy, str(random_policy_path), use_4bit=False)
        known = {(asked, digest): given}
        await rollouts.load(lambda parts=parts: parts, find_read=lambda *key, k=known: k.get(key))
        found.append(await rollouts.generate([other, asked], digest, SAMPLING))
        await rollouts.close()
    told = ([one for group in groups for one in group] for groups in found)
    for ours, theirs in zip(*told, strict=True):
        assert ours.token_ids == theirs.token_ids
        assert ours.log_probabilities == pytest.approx(theirs.log_probabilities, abs=1e-5)


async def test_it_says_what_is_sampled_from(rollouts, random_policy_path):
    model = await rollouts.model()
    reference = Reference(random_policy_path)
    assert model.base_model == random_policy_path.name
    assert list(model.barred_token_ids) == reference.barred
    assert not model.use_4bit


@pytest.mark.parametrize("image_tokens", [IMAGE_TOKENS - 1, IMAGE_TOKENS + 1])
async def test_a_prompt_that_is_not_its_images(rollouts, store, random_policy_path, image_tokens):
    asked = prompt(random_policy_path, store, image_tokens)
    with pytest.raises(BadRequest, match=f"{image_tokens} image placeholders"):
        await rollouts.generate([asked], "", SAMPLING)


async def test_an_adapter_that_nobody_has(rollouts, store, random_policy_path):
    with pytest.raises(UnknownBlob):
        await rollouts.generate([prompt(random_policy_path, store)], "a" * 64, SAMPLING)


async def test_before_there_are_weights_nothing_is_sampled(store):
    with pytest.raises(EngineNotReady):
        await InsideRollouts(store).model()


async def test_a_base_that_nobody_trains_on_answers_as_the_policys(
    rollouts, store, random_policy_path
):
    asked, greedy = [prompt(random_policy_path, store)], Sampling.greedy(6)
    settings = LearnerSettings(device="cpu", inside_use_4bit=False)
    alone = InsideRollouts(store)
    await alone.load(lambda: base_parts(settings, str(random_policy_path)))
    ((expected,),) = await rollouts.generate(asked, "", greedy)
    ((found,),) = await alone.generate(asked, "", greedy)
    await alone.close()
    assert found.token_ids == expected.token_ids
    assert found.log_probabilities == pytest.approx(expected.log_probabilities, abs=1e-5)
