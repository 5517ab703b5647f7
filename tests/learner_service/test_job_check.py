"""What a new job names is asked of those who have it."""

import json

import numpy as np
import pytest
from safetensors.numpy import save

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import InvalidAdapter, InvalidSpec
from learner_service.job_check import JobCheck
from learner_service.settings import LearnerSettings
from learner_service.spec import Evaluation, JobSpec, Prediction, Training
from reward_service.servicer import SERVICE_NAME, RewardServicer
from tally.job.settings import LoraConfig, RewardWeight
from tally.reward.v1.reward_pb2_grpc import add_RewardServiceServicer_to_server
from tally.rpc.settings import ClientSettings
from tests.fakes.serving import serve
from tests.learner_service.data.hostile_datasets import rows
from tests.learner_service.data.test_dataset import line

SECRET = "s3cret-" * 6


def rewarded(store: BlobStore, *names: str) -> JobSpec:
    rewards = tuple(RewardWeight(name=name, weight=1.0) for name in names)
    digest = store.put_bytes(rows(line("a.png")))
    return JobSpec(dataset_digest=digest, base_model="small", work=Training(rewards=rewards))


def check_with(store: BlobStore, target: str) -> JobCheck:
    settings = LearnerSettings(reward=ClientSettings(target=target), services_secret=SECRET)
    return JobCheck(settings, store)


async def test_an_unknown_reward_is_named_beside_those_there_are(store: BlobStore):
    async with serve(
        add_RewardServiceServicer_to_server, RewardServicer(), SERVICE_NAME, secret=SECRET
    ) as server:
        check = check_with(store, f"127.0.0.1:{server.port}")
        await check.check(rewarded(store, "exact", "progressive_count"))
        with pytest.raises(InvalidSpec, match=r"train\.rewards\.1\.name: .* exact2; known .*exact"):
            await check.check(rewarded(store, "exact", "exact2"))


async def test_without_the_service_a_job_is_taken(store: BlobStore):
    check = check_with(store, "127.0.0.1:1")
    await check.check(rewarded(store, "exact2"))
    await check.check(rewarded(store))


def adapter(metadata: dict[str, str] | None) -> bytes:
    return save({"weight": np.zeros(4, dtype=np.float32)}, metadata)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "expected one whole safetensors file"),
        (b"\x80\x04pickle", "expected one whole safetensors file"),
        ((2**40).to_bytes(8, "little") + b"{}", "a header of at most 16,777,216 bytes"),
        ((17 * 2**20).to_bytes(8, "little") + b"{}".ljust(17 * 2**20), "a header of at most"),
        (adapter(None)[:-1], "expected one whole safetensors file"),
        (adapter(None), "PEFT's configuration as JSON"),
        (adapter({"adapter_config": "[" * 100_000}), "PEFT's configuration as JSON"),
        (adapter({"adapter_config": "9" * 10_000}), "PEFT's configuration as JSON"),
        (adapter({"adapter_config": "[]"}), "with peft_type LORA"),
        (adapter({"adapter_config": '{"peft_type": "IA3"}'}), "with peft_type LORA"),
    ],
)
async def test_an_adapter_that_is_none_is_refused(store: BlobStore, data: bytes, said: str):
    check = check_with(store, "127.0.0.1:1")
    with pytest.raises(InvalidAdapter, match=r"^evaluate\.adapter_digest: .*") as caught:
        await check.check(compared(store, data))
    assert said in str(caught.value)


async def test_the_adapter_of_a_prediction_is_looked_at_where_there_is_one(store: BlobStore):
    check = check_with(store, "127.0.0.1:1")
    spec = compared(store, b"")
    work = Prediction(adapter_digest=spec.work.adapter_digest)
    with pytest.raises(InvalidAdapter, match=r"^predict\.adapter_digest: "):
        await check.check(spec.model_copy(update={"work": work}))
    await check.check(spec.model_copy(update={"work": Prediction()}))


async def test_an_adapter_is_taken_whose_configuration_is_that_of_a_lora(store: BlobStore):
    data = adapter({"adapter_config": '{"peft_type": "LORA"}'})
    await check_with(store, "127.0.0.1:1").check(compared(store, data))


def compared(store: BlobStore, data: bytes) -> JobSpec:
    digest = store.put_bytes(rows(line("a.png")))
    work = Evaluation(adapter_digest=store.put_bytes(data))
    return JobSpec(dataset_digest=digest, base_model="small", work=work)


PLAIN = {"peft_type": "LORA", "r": 8, "lora_alpha": 16.0}


def begun_with(store: BlobStore, lora: LoraConfig, config: dict[str, object]) -> JobSpec:
    data = adapter({"adapter_config": json.dumps(config)})
    work = Training(lora=lora, adapter_digest=store.put_bytes(data))
    digest = store.put_bytes(rows(line("a.png")))
    return JobSpec(dataset_digest=digest, base_model="small", work=work)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (PLAIN | {"r": 4}, "its r is 4, and train.lora.r 8"),
        (PLAIN | {"lora_alpha": 8}, "its lora_alpha is 8, and train.lora.lora_alpha 16"),
        (PLAIN | {"use_dora": True}, "adapter_config: use_dora: expected unset; plain LoRA only"),
        ({"peft_type": "LORA"}, "adapter_config: r: expected 1 to 512"),
    ],
)
async def test_what_training_begins_with_agrees_with_its_settings(
    store: BlobStore, config: dict[str, object], said: str
):
    check = check_with(store, "127.0.0.1:1")
    lora = LoraConfig(r=8, lora_alpha=16)
    await check.check(begun_with(store, lora, PLAIN))
    with pytest.raises(InvalidAdapter) as caught:
        await check.check(begun_with(store, lora, config))
    assert str(caught.value) == f"train.adapter_digest: {said}"
