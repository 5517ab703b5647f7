"""What the engine samples, against transformers itself."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rollout_service.settings import RolloutSettings
from rollout_service.torch_replica import torch_engine
from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.sampling.engine import Completion, FinishReason, GenerationRequest, LocalBlob
from tally.torch_engine.engine import TorchEngine
from tally.torch_engine.kv_cache import GroupCache
from tests.rollout_service.support import Reference, adapter_of, local_blob, png

SIZES = ((112, 112), (140, 84), (56, 168))


def request_of(reference: Reference, folder: Path, **changes: Any) -> GenerationRequest:
    fields: dict[str, Any] = {
        "prompt_token_ids": tuple(reference.prompt()),
        "num_completions": 4,
        "temperature": 1.0,
        "max_new_tokens": 6,
        "image": local_blob(folder, png()),
    }
    return GenerationRequest(**(fields | changes))


def assert_close(completion: Completion, expected: list[float]) -> None:
    assert completion.log_probabilities == pytest.approx(expected, abs=1e-5)


async def test_greedy_tokens_are_those_of_transformers(engine, reference, tmp_path):
    request = request_of(reference, tmp_path, temperature=0.0, max_new_tokens=24)
    expected = reference.greedy(reference.model, reference.prompt(), png(), 24)
    for completion in await engine.generate(request):
        assert list(completion.token_ids) == expected


async def test_greedy_tokens_of_an_adapter_are_those_of_peft(engine, reference, tmp_path):
    adapted = reference.adapted(seed=1)
    adapter = local_blob(tmp_path, adapter_of(adapted))
    request = request_of(
        reference, tmp_path, temperature=0.0, max_new_tokens=24, num_completions=1, adapter=adapter
    )
    (completion,) = await engine.generate(request)
    assert list(completion.token_ids) == reference.greedy(adapted, reference.prompt(), png(), 24)
    assert completion.adapter_digest == adapter.digest


async def test_greedy_log_probabilities_are_at_temperature_one(engine, reference, tmp_path):
    request = request_of(reference, tmp_path, temperature=0.0, num_completions=1)
    (completion,) = await engine.generate(request)
    prompt = reference.prompt()
    assert_close(completion, reference.logps(reference.model, prompt, png(), completion, 1.0))


async def test_log_probabilities_of_a_group_are_those_of_whole_forwards(
    engine, reference, tmp_path
):
    request = request_of(
        reference, tmp_path, temperature=0.7, num_completions=48, max_new_tokens=80, seed=3
    )
    completions = await engine.generate(request)
    assert len({len(c.token_ids) for c in completions}) > 2
    for c in completions:
        assert_close(c, reference.logps(reference.model, reference.prompt(), png(), c, 0.7))


async def test_log_probabilities_of_an_adapter_are_those_of_whole_forwards(
    engine, reference, tmp_path
):
    adapted = reference.adapted(seed=2)
    adapter = local_blob(tmp_path, adapter_of(adapted))
    request = request_of(reference, tmp_path, temperature=0.7, adapter=adapter)
    for c in await engine.generate(request):
        assert_close(c, reference.logps(adapted, reference.prompt(), png(), c, 0.7))


async def test_requests_that_wait_are_decoded_together_and_right(engine, reference, tmp_path):
    questions = [
        "How many?",
        "How many red stars are there in the picture?",
        "Count",
        "Stars? " * 9,
    ]
    prompts = [reference.prompt(question) for question in questions]
    images = [png(seed) for seed in range(4)]
    answers = await asyncio.gather(
        *(
            engine.generate(
                request_of(
                    reference,
                    tmp_path,
                    prompt_token_ids=tuple(prompt),
                    image=local_blob(tmp_path, image),
                )
            )
            for prompt, image in zip(prompts, images, strict=True)
        )
    )
    for prompt, image, answer in zip(prompts, images, answers, strict=True):
        for c in answer:
            assert_close(c, reference.logps(reference.model, prompt, image, c, 1.0))


async def test_rows_that_end_are_dropped_and_the_others_stay_right(
    engine, reference, tmp_path, monkeypatch
):
    kept = []
    keep = GroupCache.keep

    def spy(cache, prompts, rows):
        kept.append((len(prompts), rows.shape[1]))
        keep(cache, prompts, rows)

    monkeypatch.setattr(GroupCache, "keep", spy)
    prompts = [reference.prompt("How many? " * repeats) for repeats in (1, 3, 5)]
    changes = {"num_completions": 3, "max_new_tokens": 500, "temperature": 3.0}
    requests = [
        request_of(reference, tmp_path, prompt_token_ids=tuple(prompt), seed=seed, **changes)
        for seed, prompt in enumerate(prompts)
    ]
    answers = await asyncio.gather(*map(engine.generate, requests))
    assert len({shape[0] for shape in kept}) > 1
    assert len({shape[1] for shape in kept}) > 1
    for prompt, answer in zip(prompts, answers, strict=True):
        for c in answer:
            assert_close(c, reference.logps(reference.model, prompt, png(), c, 3.0))


async def test_a_prompt_without_an_image(engine, reference, tmp_path):
    prompt = reference.prompt(image_tokens=0)
    request = request_of(reference, tmp_path, prompt_token_ids=tuple(prompt), image=None)
    assert len(await engine.generate(request)) == 4


async def test_equal_seeds_repeat_and_others_do_not(engine, reference, tmp_path):
    first, again, other = [
        await engine.generate(request_of(reference, tmp_path, seed=seed)) for seed in (5, 5, 6)
    ]
    assert [c.token_ids for c in first] == [c.token_ids for c in again]
    assert [c.token_ids for c in first] != [c.token_ids for c in other]


async def test_a_seed_repeats_when_other_requests_wait_too(engine, reference, tmp_path):
    alone = await engine.generate(request_of(reference, tmp_path, seed=5))
    together = await asyncio.gather(
        *(engine.generate(request_of(reference, tmp_path, seed=seed)) for seed in (7, 8, 5))
    )
    assert [c.token_ids for c in together[2]] == [c.token_ids for c in alone]


async def test_completions_of_a_group_differ(engine, reference, tmp_path):
    request = request_of(reference, tmp_path, num_completions=8, temperature=3.0)
    completions = await engine.generate(request)
    assert len({c.token_ids for c in completions}) == 8


async def test_without_a_seed_nothing_repeats(engine, reference, tmp_path):
    request = request_of(reference, tmp_path, temperature=3.0)
    first, again = await engine.generate(request), await engine.generate(request)
    assert [c.token_ids for c in first] != [c.token_ids for c in again]


async def test_barred_tokens_are_never_sampled(engine, reference, tmp_path):
    request = request_of(
        reference, tmp_path, temperature=10.0, num_completions=64, max_new_tokens=60
    )
    sampled = {token for c in await engine.generate(request) for token in c.token_ids}
    assert len(sampled) > 100
    assert not sampled & set(reference.barred)


async def test_a_completion_ends_with_a_closing_token_or_at_the_limit(engine, reference, tmp_path):
    request = request_of(
        reference, tmp_path, temperature=10.0, num_completions=64, max_new_tokens=60
    )
    stop = reference.tokenizer.eos_token_id
    completions = await engine.generate(request)
    assert {c.finish_reason for c in completions} == set(FinishReason)
    for c in completions:
        assert stop not in c.token_ids[:-1]
        assert (c.finish_reason is FinishReason.STOP) == (c.token_ids[-1] == stop)
        assert c.finish_reason is FinishReason.STOP or len(c.token_ids) == 60


async def test_a_tiny_temperature_is_greedy(engine, reference, tmp_path):
    greedy = await engine.generate(request_of(reference, tmp_path, temperature=0.0))
    cold = await engine.generate(request_of(reference, tmp_path, temperature=1e-300))
    assert [c.token_ids for c in cold] == [c.token_ids for c in greedy]


def test_what_is_barred_and_what_stops(reference):
    ids = reference.tokenizer.convert_tokens_to_ids
    assert {ids(QWEN2_5_VL.image_token), ids(QWEN2_5_VL.video_token), ids("<|im_start|>")} <= set(
        reference.barred
    )
    assert ids("<|im_end|>") not in reference.barred


async def test_an_engine_that_is_not_loaded_refuses(random_policy_path, reference, tmp_path):
    from tally.sampling.errors import EngineNotReady

    engine = torch_engine(RolloutSettings(model=str(random_policy_path)))
    with pytest.raises(EngineNotReady):
        await engine.generate(request_of(reference, tmp_path))
    await engine.close()


async def test_every_family_is_served_alike(small_model_path, tmp_path):
    """Prompts of unequal lengths at once, with images of unequal sizes; base and adapter."""
    reference = Reference(small_model_path)
    engine = torch_engine(RolloutSettings(model=str(small_model_path), torch_threads=1))
    await engine.load()
    adapted = reference.adapted(seed=1)
    adapter = local_blob(tmp_path, adapter_of(adapted))
    for model, blob in ((reference.model, None), (adapted, adapter)):
        for prompt, image, answer in await answers_at_once(engine, reference, tmp_path, blob):
            for c in answer:
                assert_close(c, reference.logps(model, prompt, image, c, 1.0))
    await engine.close()


async def answers_at_once(
    engine: TorchEngine, reference: Reference, folder: Path, adapter: LocalBlob | None
) -> list[tuple[list[int], bytes, list[Completion]]]:
    """A prompt, its picture and a group of completions, three times."""
    sizes = [reference.grid.fit(width, height, 168) for width, height in SIZES]
    prompts = [
        reference.prompt("How many? " * (1 + number), reference.grid.tokens(*size))
        for number, size in enumerate(sizes)
    ]
    images = [png(number, size) for number, size in enumerate(sizes)]
    requests = [
        request_of(
            reference,
            folder,
            prompt_token_ids=tuple(prompt),
            image=local_blob(folder, image),
            adapter=adapter,
            seed=3,
        )
        for prompt, image in zip(prompts, images, strict=True)
    ]
    answers = await asyncio.gather(*map(engine.generate, requests))
    return list(zip(prompts, images, answers, strict=True))


async def test_another_family_is_refused_at_load(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    engine = torch_engine(RolloutSettings(model=str(tmp_path)))
    with pytest.raises(ValueError, match="gpt2 is not supported; expected qwen2_5_vl or"):
        await engine.load()
    await engine.close()
