"""An engine over a policy's own weights answers as a replica does, and leaves the policy alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import torch

from bench.exactness import draw_groups, load_policy, lora_gradients, packed_logps
from learner_service.inside.parts import policy_parts
from learner_service.policy.adapters import AdapterPublisher
from learner_service.policy.policy import Policy
from rollout_service.settings import RolloutSettings
from rollout_service.torch_replica import torch_engine
from tally.sampling.engine import Completion, Engine, GenerationRequest, LocalBlob
from tally.torch_engine.engine import TorchEngine
from tally.torch_engine.limits import EngineLimits
from tests.rollout_service.support import Reference, local_blob, png

TOLERANCE = 1e-5  # of a log-probability


@asynccontextmanager
async def engine_over(
    policy: Policy, path: Path, *, use_4bit: bool = False
) -> AsyncIterator[Engine]:
    parts = policy_parts(policy, str(path), use_4bit=use_4bit)
    engine = TorchEngine(lambda: parts, EngineLimits(max_resident_adapters=2))
    await engine.load()
    yield engine
    await engine.close()


def question(path: Path, folder: Path, **changes: object) -> GenerationRequest:
    reference = Reference(path)
    width, height = reference.grid.fit(112, 112, 112)
    prompt = reference.prompt(image_tokens=reference.grid.tokens(width, height))
    fields = {"num_completions": 4, "temperature": 1.0, "max_new_tokens": 8, "seed": 7}
    return GenerationRequest(
        prompt_token_ids=tuple(prompt),
        image=local_blob(folder, png(size=(width, height))),
        **fields | changes,
    )


def published(policy: Policy, store) -> LocalBlob:
    digest = AdapterPublisher(store).publish(policy.model)
    return LocalBlob(digest=digest, path=store.path(digest))


async def answers(engine: Engine, requests: list[GenerationRequest]) -> list[Completion]:
    return [one for request in requests for one in await engine.generate(request)]


def held_bytes(policy: Policy) -> int:
    """Of all that the policy's parameters lie in, each once."""
    storages = {
        parameter.untyped_storage().data_ptr(): parameter.untyped_storage().nbytes()
        for parameter in policy.model.parameters()
    }
    return sum(storages.values())


async def test_it_samples_what_a_replica_samples(small_model_path, store, tmp_path):
    policy = load_policy(small_model_path)
    adapter = published(policy, store)
    requests = [
        question(small_model_path, tmp_path, temperature=temperature, adapter=named)
        for temperature in (0.0, 1.0)
        for named in (adapter, None)
    ]
    replica = torch_engine(RolloutSettings(model=str(small_model_path), device="cpu"))
    await replica.load()
    expected = await answers(replica, requests)
    await replica.close()
    async with engine_over(policy, small_model_path) as engine:
        found = await answers(engine, requests)
    for inside, outside in zip(found, expected, strict=True):
        assert inside.token_ids == outside.token_ids
        assert inside.log_probabilities == pytest.approx(outside.log_probabilities, abs=TOLERANCE)


@pytest.mark.parametrize("use_4bit", [False, True], ids=["plain", "4 bits"])
async def test_what_is_learnt_stays_the_same_and_nothing_is_held_twice(
    random_policy_path, store, tmp_path, use_4bit
):
    policy = load_policy(random_policy_path, use_4bit=use_4bit)
    groups = draw_groups(policy)
    logps = packed_logps(policy, *groups)
    gradients = lora_gradients(policy.model, logps)
    held = held_bytes(policy)
    asked = question(random_policy_path, tmp_path, adapter=published(policy, store))
    async with engine_over(policy, random_policy_path, use_4bit=use_4bit) as engine:
        await engine.generate(asked)
        assert held_bytes(policy) == held
        again = packed_logps(policy, *groups)
        torch.testing.assert_close(again, logps, rtol=0, atol=TOLERANCE)
        torch.testing.assert_close(lora_gradients(policy.model, again), gradients)


async def test_a_routed_experts_learner_keeps_its_own_pass(small_aria_path, store, tmp_path):
    """The engine takes the place of a part of the network, in inference mode alone."""
    policy = load_policy(small_aria_path)
    groups = draw_groups(policy)
    gradients = lora_gradients(policy.model, packed_logps(policy, *groups))
    asked = question(small_aria_path, tmp_path, adapter=published(policy, store))
    async with engine_over(policy, small_aria_path) as engine:
        await engine.generate(asked)
        again = lora_gradients(policy.model, packed_logps(policy, *groups))
    torch.testing.assert_close(again, gradients)


async def test_an_image_goes_through_the_tower_once(random_policy_path, tmp_path, monkeypatch):
    policy = load_policy(random_policy_path)
    encoded = []
    compute = policy._compute_features
    monkeypatch.setattr(
        policy, "_compute_features", lambda images: encoded.append(len(images)) or compute(images)
    )
    asked = question(random_policy_path, tmp_path)
    async with engine_over(policy, random_policy_path) as engine:
        first = await engine.generate(asked)
        assert first == await engine.generate(asked)
    [features] = policy.features([asked.image.digest], pytest.fail)
    assert encoded == [1]
    assert not features.is_inference()
