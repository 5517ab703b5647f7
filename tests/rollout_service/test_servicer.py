"""The service as a caller sees it: what it answers, and every documented refusal."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from rollout_service.torch_replica import torch_engine
from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.rollout.v1 import rollout_pb2
from tally.rpc.digests import vocabulary_fingerprint
from tally.sampling.engine import Completion, FinishReason, GenerationRequest, ModelDescription
from tally.torch_engine.language_model import LanguageModel
from tests.fakes.blob_store import Fault
from tests.rollout_service.support import (
    Reference,
    Service,
    adapter_of,
    generate_request,
    png,
    refused,
    running_service,
)
from tests.waiting import eventually

Code = grpc.StatusCode


async def answered(service: Service, reference: Reference, **changes) -> list:
    digest = service.store.add(png())
    request = generate_request(reference.prompt(), image_digest=digest, **changes)
    return list((await service.stub.Generate(request)).completions)


async def refusal(service: Service, reference: Reference, **changes) -> tuple[Code, str]:
    """What a good request gets once `changes` made it a bad one; a good one works right after."""
    fields = {"image_digest": service.store.add(png())} | changes
    prompt = fields.pop("prompt", reference.prompt())
    code, details = await refused(service.stub.Generate(generate_request(prompt, **fields)))
    service.store.fault = Fault.NONE
    assert await answered(service, reference)
    return code, details


async def test_completions_are_complete(service, reference):
    completions = await answered(service, reference, num_completions=3, max_new_tokens=4)
    assert len(completions) == 3
    for c in completions:
        assert len(c.token_ids) == len(c.log_probabilities) <= 4
        assert c.adapter_digest == ""
        assert c.finish_reason != rollout_pb2.FINISH_REASON_UNSPECIFIED


async def test_each_completion_names_its_adapter(service, reference):
    adapters = [service.store.add(adapter_of(reference.adapted(seed))) for seed in (1, 2)]
    digests = [*adapters, "", *adapters]
    answers = await asyncio.gather(
        *(answered(service, reference, adapter_digest=d, temperature=0) for d in digests)
    )
    tokens = []
    for digest, completions in zip(digests, answers, strict=True):
        assert {c.adapter_digest for c in completions} == {digest}
        tokens.append([list(c.token_ids) for c in completions])
    assert tokens[:2] == tokens[3:]
    assert tokens[0] != tokens[1] != tokens[2] != tokens[0]


async def test_images_and_adapters_are_fetched_once(service, reference):
    adapter = service.store.add(adapter_of(reference.adapted(seed=1)))
    for _ in range(3):
        await answered(service, reference, adapter_digest=adapter)
    assert set(service.store.fetches.values()) == {1}


async def test_get_model(service, reference, random_policy_path):
    model = await service.stub.GetModel(rollout_pb2.GetModelRequest())
    assert (model.base_model, model.engine) == (random_policy_path.name, "transformers")
    assert model.vocabulary_fingerprint == vocabulary_fingerprint(reference.tokenizer.get_vocab())
    assert model.vocabulary_size == reference.model.lm_head.out_features
    assert model.max_sequence_tokens == 4096
    assert (model.max_new_tokens, model.max_completions) == (1024, 64)
    assert (model.min_temperature, model.max_temperature) == (0.0, 10.0)
    assert list(model.barred_token_ids) == reference.barred


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": []}, "prompt_token_ids: empty"),
        ({"prompt": [2**32 - 1]}, "prompt_token_ids: 4294967295 is outside"),
        ({"prompt": [1] * 4092}, "prompt_token_ids and sampling.max_new_tokens: 4097 tokens"),
        ({"num_completions": 0}, "num_completions: expected 1 to 64, got 0"),
        ({"num_completions": 65}, "num_completions: expected 1 to 64, got 65"),
        ({"max_new_tokens": 0}, "sampling.max_new_tokens: expected 1 to 1024"),
        ({"max_new_tokens": 1025}, "sampling.max_new_tokens"),
        ({"temperature": -0.1}, "sampling.temperature: expected 0 to 10"),
        ({"temperature": 10.1}, "sampling.temperature"),
        ({"temperature": float("nan")}, "sampling.temperature"),
        ({"temperature": float("inf")}, "sampling.temperature"),
        ({"image_digest": "A" * 64}, "image_digest: expected 64"),
        ({"image_digest": "../../etc/passwd"}, "image_digest: expected 64"),
        ({"adapter_digest": "0" * 63}, "adapter_digest: expected 64"),
        ({"image_digest": ""}, "16 image placeholders"),
    ],
)
async def test_a_bad_field(service, reference, changes, message):
    code, details = await refusal(service, reference, **changes)
    assert code == Code.INVALID_ARGUMENT
    assert message in details


async def test_a_placeholder_count_that_is_not_the_image_s(service, reference):
    prompt = reference.prompt(image_tokens=15)
    code, details = await refusal(service, reference, prompt=prompt)
    assert code == Code.INVALID_ARGUMENT
    assert "15 image placeholders" in details
    assert "16 tokens" in details


async def test_an_image_without_a_placeholder(service, reference):
    code, details = await refusal(service, reference, prompt=[1, 2, 3])
    assert (code, "0 image placeholders" in details) == (Code.INVALID_ARGUMENT, True)


async def test_placeholders_that_are_scattered_or_of_a_video(service, reference):
    ids = reference.tokenizer.convert_tokens_to_ids
    image, video = ids(QWEN2_5_VL.image_token), ids(QWEN2_5_VL.video_token)
    for prompt in ([image] * 8 + [1] + [image] * 8, [1, video, 2]):
        code, details = await refusal(service, reference, prompt=prompt)
        assert code == Code.INVALID_ARGUMENT
        assert "placeholder" in details


async def test_a_refused_image_and_adapter(service, reference):
    for field in ("image_digest", "adapter_digest"):
        digest = service.store.add(b"neither a picture nor an adapter")
        code, details = await refusal(service, reference, **{field: digest})
        assert code == Code.INVALID_ARGUMENT
        assert str(service.cache_folder) not in details


async def test_an_adapter_that_overflows(service, reference):
    adapted = reference.adapted(seed=1)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data.fill_(3e38)
    digest = service.store.add(adapter_of(adapted))
    code, details = await refusal(service, reference, adapter_digest=digest)
    assert (code, "overflow" in details) == (Code.INVALID_ARGUMENT, True)


async def test_an_unknown_digest(service, reference):
    for field in ("image_digest", "adapter_digest"):
        code, _ = await refusal(service, reference, **{field: "0" * 64})
        assert code == Code.NOT_FOUND


@pytest.mark.parametrize("fault", [Fault.FLIPPED, Fault.MISSING, Fault.REORDERED])
async def test_a_blob_that_changed_on_the_way(service, reference, fault):
    service.store.fault = fault
    code, _ = await refusal(service, reference)
    assert code == Code.DATA_LOSS


async def test_a_store_that_is_away(service, reference):
    service.store.unavailable_times = 4
    code, _ = await refusal(service, reference)
    assert code == Code.UNAVAILABLE


async def test_a_bad_request_does_not_harm_those_beside_it(service, reference):
    bad = generate_request(reference.prompt(image_tokens=3), image_digest=service.store.add(png()))
    results = await asyncio.gather(
        answered(service, reference),
        refused(service.stub.Generate(bad)),
        answered(service, reference),
        refused(service.stub.Generate(bad)),
        answered(service, reference),
    )
    assert [len(one) for one in results] == [2] * 5
    assert results[1][0] == results[3][0] == Code.INVALID_ARGUMENT


LONG = {"max_new_tokens": 1024, "num_completions": 64, "temperature": 1.0, "seed": 1}


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of every step that the engine decodes, as it decodes them."""
    rows: list[int] = []
    decode = LanguageModel.decode

    def noted(self: LanguageModel, embeds: Any, *arguments: Any) -> Any:
        rows.append(len(embeds))
        return decode(self, embeds, *arguments)

    monkeypatch.setattr(LanguageModel, "decode", noted)
    return rows


async def is_free(service, reference, decoded: list[int]) -> bool:
    """Whether an answer of five tokens takes about five steps, not what was left of long ones."""
    before = len(decoded)
    assert await answered(service, reference)
    return len(decoded) - before < 50


async def test_a_cancelled_call_frees_the_engine(service, reference, decoded):
    image = service.store.add(png())
    calls = [
        service.stub.Generate(generate_request(reference.prompt(), image_digest=image, **LONG))
        for _ in range(3)
    ]
    await eventually(lambda: decoded)
    for call in calls:
        call.cancel()
    assert await is_free(service, reference, decoded)


async def test_a_deadline_that_has_passed_frees_the_engine(service, reference, decoded):
    image = service.store.add(png())
    request = generate_request(reference.prompt(), image_digest=image, **LONG)
    code, _ = await refused(service.stub.Generate(request, timeout=0.5))
    assert code == Code.DEADLINE_EXCEEDED
    assert await is_free(service, reference, decoded)


class SlowEngine:
    """Answers once `release` is set; knows a vocabulary of ten tokens."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.started = asyncio.Semaphore(0)

    async def load(self) -> ModelDescription:
        return ModelDescription(
            base_model="slow",
            engine="transformers",
            vocabulary_fingerprint="",
            vocabulary_size=10,
            max_sequence_tokens=100,
            barred_token_ids=(),
            use_4bit=False,
            image_token_id=8,
            video_token_id=9,
        )

    async def generate(self, request: GenerationRequest) -> list[Completion]:
        self.started.release()
        await self.release.wait()
        request.on_begin()
        return [
            Completion(
                token_ids=(1,),
                log_probabilities=(0.0,),
                finish_reason=FinishReason.STOP,
                adapter_digest=request.adapter_digest,
            )
        ]

    async def watch(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.release.set()


async def test_requests_beyond_the_room_are_turned_away_at_once_and_the_others_served(tmp_path):
    engine, room = SlowEngine(), {"max_batch_completions": 4, "max_waiting_completions": 2}
    async with running_service(engine, tmp_path, **room) as service:
        request = generate_request([1], num_completions=2)
        calls = [service.stub.Generate(request) for _ in range(3)]
        for _ in calls:
            await engine.started.acquire()
        turned_away = service.stub.Generate(request)
        code, details = await refused(turned_away)
        assert (code, "6 completions" in details) == (Code.RESOURCE_EXHAUSTED, True)
        assert (await turned_away.trailing_metadata())["grpc-retry-pushback-ms"] == "10"
        engine.release.set()
        assert [len((await call).completions) for call in calls] == [1, 1, 1]
        assert (await service.stub.Generate(request)).completions


async def test_an_answer_says_whether_another_request_would_have_had_room(tmp_path):
    engine, room = SlowEngine(), {"max_batch_completions": 4, "max_waiting_completions": 2}
    async with running_service(engine, tmp_path, **room) as service:
        request = generate_request([1], num_completions=2)
        calls = [service.stub.Generate(request) for _ in range(3)]
        for _ in calls:
            await engine.started.acquire()
        engine.release.set()
        assert [(await call).full for call in calls] == [True] * 3
        assert not (await service.stub.Generate(request)).full


async def test_one_request_alone_always_has_room(tmp_path):
    engine, room = SlowEngine(), {"max_batch_completions": 1, "max_waiting_completions": 0}
    async with running_service(engine, tmp_path, **room) as service:
        engine.release.set()
        assert (await service.stub.Generate(generate_request([1], num_completions=8))).completions


async def test_the_service_has_a_deadline_of_its_own(tmp_path):
    async with running_service(SlowEngine(), tmp_path, request_timeout_seconds=0.1) as service:
        code, details = await refused(service.stub.Generate(generate_request([1])))
        assert (code, details) == (Code.DEADLINE_EXCEEDED, "the request took longer than 0.1 s")


async def test_closing_the_engine_ends_what_is_in_progress(
    random_policy_path: Path, reference: Reference, tmp_path: Path, decoded: list[int]
):
    from rollout_service.settings import RolloutSettings

    engine = torch_engine(RolloutSettings(model=str(random_policy_path), torch_threads=1))
    async with running_service(engine, tmp_path) as service:
        image = service.store.add(png())
        request = generate_request(reference.prompt(), image_digest=image, **LONG)
        calls = [asyncio.ensure_future(refused(service.stub.Generate(request))) for _ in range(3)]
        await eventually(lambda: decoded)
        await engine.close()
        assert [(await call)[0] for call in calls] == [Code.UNAVAILABLE] * 3
