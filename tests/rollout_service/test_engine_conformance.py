"""One suite for all engines: what rollout.v1 promises, whichever engine answers.

`inside` is the torch engine over the weights of a policy that trains an adapter of its own. The
engines serve the small counting policy in float32, over real gRPC, loaded once for the
session; transformers' own forward is what their answers are compared with. Another model that
both engines adapt is held to the same by `TALLY_CONFORMANCE_MODEL=FOLDER`.
"""

import asyncio
import io
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import grpc
import pytest
import pytest_asyncio

from bench.exactness import load_policy
from learner_service.inside.parts import policy_parts
from rollout_service.settings import RolloutSettings
from tally.rollout.v1 import rollout_pb2
from tally.rpc.digests import vocabulary_fingerprint
from tally.samples.scenes import Scene, draw_scene
from tally.samples.small_policy import POLICY_PATH
from tally.sampling.engine import Completion, Engine, FinishReason
from tally.torch_engine.engine import EngineParts, TorchEngine
from tally.torch_engine.limits import EngineLimits
from tests.rollout_service.support import (
    IMAGE_TOKENS,
    Reference,
    Service,
    adapter_bytes,
    adapter_config,
    adapter_of,
    generate_request,
    png,
    refused,
    running_service,
)

Code = grpc.StatusCode
TOLERANCE = 1e-4  # of a log-probability; float32 and another order of sums give some 1e-6
ENDLESS = {"max_new_tokens": 1024, "num_completions": 64, "temperature": 2.0, "seed": 1}

MODEL_PATH = Path(os.getenv("TALLY_CONFORMANCE_MODEL", str(POLICY_PATH)))

pytestmark = pytest.mark.asyncio(loop_scope="session")


def build(engine: str) -> Engine:
    settings = RolloutSettings(
        model=str(MODEL_PATH), device="cpu", torch_threads=1, max_resident_adapters=2
    )
    if engine == "vllm":
        pytest.importorskip("vllm")
        from rollout_service.vllm_engine.engine import VllmEngine

        return VllmEngine(settings)
    if engine == "inside":
        limits = EngineLimits(max_resident_adapters=settings.max_resident_adapters)
        return TorchEngine(load_policy_parts, limits)
    from rollout_service.torch_replica import torch_engine

    return torch_engine(settings)


def load_policy_parts() -> EngineParts:
    policy = load_policy(MODEL_PATH)  # whose adapter would be seen, if it were in what is sampled
    return policy_parts(policy, str(MODEL_PATH), use_4bit=False)


ENGINES = ["transformers", "vllm", "inside"]


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=ENGINES)
async def serving(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    engine = build(request.param)
    async with running_service(engine, tmp_path_factory.mktemp("blobs")) as service:
        yield service
    await engine.close()


@pytest.fixture(scope="session")
def policy() -> Reference:
    return Reference(MODEL_PATH)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A scene as a request asks about it."""

    prompt: list[int]
    image: bytes


def question(policy: Reference, seed: int = 0, count: int | None = None) -> Question:
    scene: Scene = draw_scene(Random(seed), count=count)
    file = io.BytesIO()
    scene.image.resize(picture_size(policy)).save(file, "PNG")
    system = policy.tokenizer("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n")
    prompt = [*system["input_ids"], *policy.prompt(scene.question)]
    return Question(prompt=prompt, image=file.getvalue())


def picture_size(policy: Reference) -> tuple[int, int]:
    """Of a scene on the model's grid: IMAGE_TOKENS."""
    return policy.grid.fit(112, 112, 128)


async def answers(service: Service, asked: Question, **changes) -> list[Completion]:
    request = generate_request(
        asked.prompt,
        image_digest=service.store.add(asked.image),
        **{"max_new_tokens": 12} | changes,
    )
    response = await service.stub.Generate(request)
    return [
        Completion(
            token_ids=tuple(c.token_ids),
            log_probabilities=tuple(c.log_probabilities),
            finish_reason=FinishReason.STOP if c.finish_reason == 1 else FinishReason.LENGTH,
            adapter_digest=c.adapter_digest,
        )
        for c in response.completions
    ]


def tokens(completions: list[Completion]) -> list[tuple[int, ...]]:
    return [c.token_ids for c in completions]


async def test_what_it_serves(serving, policy):
    model = await serving.stub.GetModel(rollout_pb2.GetModelRequest())
    assert model.base_model == MODEL_PATH.name
    assert model.vocabulary_fingerprint == vocabulary_fingerprint(policy.tokenizer.get_vocab())
    assert model.vocabulary_size == policy.model.lm_head.out_features
    assert model.max_sequence_tokens == 4096
    assert list(model.barred_token_ids) == policy.barred


async def test_the_temperatures_that_it_names_are_those_that_it_takes(serving, policy):
    model = await serving.stub.GetModel(rollout_pb2.GetModelRequest())
    for temperature in (model.min_temperature, model.max_temperature):
        assert await answers(serving, question(policy), temperature=temperature)
    for temperature in (model.min_temperature / 2, 1.01 * model.max_temperature):
        if temperature:
            code, details = await refusal(serving, policy, temperature=temperature)
            assert code == Code.INVALID_ARGUMENT
            assert f"to {model.max_temperature:g}" in details


@pytest.mark.parametrize("seed", range(4))
async def test_greedy_tokens_are_those_of_transformers(serving, policy, seed):
    asked = question(policy, seed)
    expected = policy.greedy(policy.model, asked.prompt, asked.image, 12)
    for completion in await answers(serving, asked, temperature=0.0):
        assert list(completion.token_ids) == expected
        is_closed = expected[-1] == policy.tokenizer.eos_token_id
        assert (completion.finish_reason is FinishReason.STOP) == is_closed


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0, 2.0])
async def test_log_probabilities_are_those_of_a_whole_forward(serving, policy, temperature):
    asked = question(policy, seed=9)
    for c in await answers(serving, asked, temperature=temperature, num_completions=16, seed=4):
        expected = policy.logps(
            policy.model, asked.prompt, asked.image, c, temperature=temperature or 1.0
        )
        assert c.log_probabilities == pytest.approx(expected, abs=TOLERANCE)


async def test_requests_at_once_each_get_their_own_answer(serving, policy):
    asked = [question(policy, seed) for seed in range(6)]
    temperatures = [0.0, 1.0, 0.5, 0.0, 1.5, 1.0]
    answered = await asyncio.gather(
        *(answers(serving, q, temperature=t) for q, t in zip(asked, temperatures, strict=True))
    )
    for q, t, completions in zip(asked, temperatures, answered, strict=True):
        for c in completions:
            expected = policy.logps(policy.model, q.prompt, q.image, c, temperature=t or 1.0)
            assert c.log_probabilities == pytest.approx(expected, abs=TOLERANCE)


async def test_adapters_switch_between_requests_and_leave_when_others_come(serving, policy):
    asked = question(policy, seed=2)
    models = {seed: policy.adapted(seed) for seed in (1, 2, 3)}
    digests = {seed: serving.store.add(adapter_of(model)) for seed, model in models.items()}
    for seed in (1, 0, 2, 3, 1, 0, 3):
        (c, *_) = await answers(serving, asked, adapter_digest=digests.get(seed, ""), seed=7)
        expected = policy.logps(
            models.get(seed, policy.model), asked.prompt, asked.image, c, temperature=1.0
        )
        assert c.adapter_digest == digests.get(seed, "")
        assert c.log_probabilities == pytest.approx(expected, abs=TOLERANCE)


async def test_a_warm_prefix_cache_gives_each_adapter_what_a_fresh_engine_would(serving, policy):
    """A whole forward without a cache is what a fresh engine computes: both engines are compared
    with it, and so with each other, while one prompt goes through A, B, A, B and the base."""
    asked = question(policy, seed=2)
    models = {"A": policy.adapted(4), "B": policy.adapted(5), "base": policy.model}
    digests = {name: serving.store.add(adapter_of(models[name])) for name in "AB"} | {"base": ""}
    for name in ("A", "B", "A", "B", "base", "B", "A"):
        (c, *_) = await answers(serving, asked, adapter_digest=digests[name], temperature=0.0)
        greedy = policy.greedy(models[name], asked.prompt, asked.image, 12)
        assert (list(c.token_ids), c.adapter_digest) == (greedy, digests[name])
        for other, model in models.items():
            fresh = policy.logps(model, asked.prompt, asked.image, c, temperature=1.0)
            alike = c.log_probabilities == pytest.approx(fresh, abs=TOLERANCE)
            assert alike == (other == name)


async def test_adapters_at_once(serving, policy):
    asked = question(policy, seed=2)
    models = [policy.adapted(seed) for seed in (1, 2, 3)]
    digests = [serving.store.add(adapter_of(model)) for model in models]
    answered = await asyncio.gather(
        *(answers(serving, asked, adapter_digest=digest) for digest in (*digests, ""))
    )
    for model, completions in zip((*models, policy.model), answered, strict=True):
        for c in completions:
            expected = policy.logps(model, asked.prompt, asked.image, c, temperature=1.0)
            assert c.log_probabilities == pytest.approx(expected, abs=TOLERANCE)


async def test_a_group_differs_and_a_seed_repeats_it(serving, policy):
    asked = question(policy, seed=3, count=9)
    group = {"num_completions": 16, "temperature": 1.0}
    first, again, other = [await answers(serving, asked, seed=s, **group) for s in (5, 5, 6)]
    assert len(set(tokens(first))) > 1
    assert tokens(first) == tokens(again)
    assert tokens(first) != tokens(other)
    assert tokens(first)[1:] != tokens(other)[:-1]


async def test_without_a_seed_nothing_repeats(serving, policy):
    asked = question(policy, seed=3, count=9)
    group = {"num_completions": 16, "temperature": 2.0}
    first, again = [await answers(serving, asked, **group) for _ in range(2)]
    assert tokens(first) != tokens(again)


async def test_barred_tokens_are_never_sampled(serving, policy):
    asked = question(policy, seed=3)
    asked = Question(prompt=[*asked.prompt, asked.prompt[0]], image=asked.image)
    completions = await answers(serving, asked, **ENDLESS | {"max_new_tokens": 30})
    sampled = {token for c in completions for token in c.token_ids}
    assert len(sampled) > 20
    assert not sampled & set(policy.barred)


async def test_a_completion_ends_with_a_closing_token_or_at_the_limit(serving, policy):
    asked = question(policy, seed=3)
    stop = policy.tokenizer.eos_token_id
    for limit in (2, 12):
        for c in await answers(serving, asked, max_new_tokens=limit, num_completions=8):
            assert stop not in c.token_ids[:-1]
            assert (c.finish_reason is FinishReason.STOP) == (c.token_ids[-1] == stop)
            assert c.finish_reason is FinishReason.STOP or len(c.token_ids) == limit


async def test_a_prompt_without_an_image(serving, policy):
    prompt = policy.prompt(image_tokens=0)
    response = await serving.stub.Generate(generate_request(prompt, num_completions=3))
    assert len(response.completions) == 3


async def refusal(service: Service, policy: Reference, **changes) -> tuple[Code, str]:
    """What a good request gets once `changes` made it a bad one; a good one works right after."""
    asked = question(policy)
    fields = {"prompt": asked.prompt, "image_digest": service.store.add(asked.image)} | changes
    code, details = await refused(service.stub.Generate(generate_request(**fields)))
    assert str(service.cache_folder) not in details
    assert await answers(service, asked)
    return code, details


async def test_a_placeholder_count_that_is_not_the_image_s(serving, policy):
    for placeholders in (IMAGE_TOKENS - 1, IMAGE_TOKENS + 1, 1, 0):
        prompt = policy.prompt(image_tokens=placeholders)
        code, details = await refusal(serving, policy, prompt=prompt)
        assert code == Code.INVALID_ARGUMENT
        assert f"{placeholders} image placeholders" in details
        assert f"{IMAGE_TOKENS} tokens" in details


async def test_a_prompt_that_is_too_long(serving, policy):
    code, details = await refusal(serving, policy, prompt=[1] * 4096, image_digest="")
    assert code == Code.INVALID_ARGUMENT
    assert "expected at most 4096" in details


async def test_an_image_off_the_grid_and_blobs_of_something_else(serving, policy):
    for field, blob in {
        "image_digest": png(size=(100, 112)),
        "adapter_digest": adapter_bytes({}, adapter_config()),
    }.items():
        code, _ = await refusal(serving, policy, **{field: serving.store.add(blob)})
        assert code == Code.INVALID_ARGUMENT


async def test_an_adapter_that_overflows(serving, policy):
    adapted = policy.adapted(seed=1)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data.fill_(3e38)
    digest = serving.store.add(adapter_of(adapted))
    code, details = await refusal(serving, policy, adapter_digest=digest)
    assert (code, "overflow" in details) == (Code.INVALID_ARGUMENT, True)


async def test_a_wrong_digest(serving, policy):
    for field in ("image_digest", "adapter_digest"):
        assert (await refusal(serving, policy, **{field: "0" * 64}))[0] == Code.NOT_FOUND
        assert (await refusal(serving, policy, **{field: "0" * 63}))[0] == Code.INVALID_ARGUMENT


async def test_an_image_that_the_engine_s_process_has_lost(serving, policy):
    asked = question(policy, seed=5)
    before = await answers(serving, asked, temperature=0.0)
    if serving.engine.__class__.__name__ == "VllmEngine":
        await serving.engine._running.llm.engine_core.call_utility_async("reset_mm_cache")
    assert await answers(serving, asked, temperature=0.0) == before


def endless(service: Service, policy: Reference) -> rollout_pb2.GenerateRequest:
    """A request that takes a quarter of a second or more, so that a test can give it up."""
    digest = service.store.add(png(size=picture_size(policy)))
    return generate_request(policy.prompt(), image_digest=digest, **ENDLESS)


async def test_cancelled_calls_leave_the_engine_free(serving, policy):
    calls = [serving.stub.Generate(endless(serving, policy)) for _ in range(12)]
    await asyncio.sleep(0.2)
    assert not all(call.done() for call in calls)
    for call in calls:
        call.cancel()
    assert await answers(serving, question(policy))


async def test_a_deadline_that_passes_leaves_the_engine_free(serving, policy):
    code, _ = await refused(serving.stub.Generate(endless(serving, policy), timeout=0.1))
    assert code == Code.DEADLINE_EXCEEDED
    assert await answers(serving, question(policy))
