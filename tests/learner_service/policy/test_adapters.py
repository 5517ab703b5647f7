"""The adapter on its way into the blob store."""

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError, safe_open

from learner_service.blobs.blob_store import BlobStore
from learner_service.job_folder.published_adapters import PublishedAdapters
from learner_service.policy import adapters
from learner_service.policy.adapters import AdapterPublisher
from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.rpc.digests import digest_of_file
from tally.rpc.errors import ResourceExhausted
from tally.samples.small_policy import load_policy


@pytest.fixture
def publisher(store: BlobStore, tmp_path: Path) -> AdapterPublisher:
    return AdapterPublisher(store, PublishedAdapters(tmp_path / "published.txt"))


def adapted(dtype: torch.dtype = torch.float32) -> PeftModel:
    torch.manual_seed(0)
    config = LoraConfig(r=2, lora_alpha=4, target_modules=QWEN2_5_VL.lora_targets)
    return get_peft_model(load_policy()[0].to(dtype), config)


def change(model: PeftModel) -> None:
    with torch.no_grad():
        next(p for name, p in model.named_parameters() if "lora_" in name).add_(1.0)


def test_equal_weights_give_equal_bytes_under_their_digest(store, publisher):
    digest = publisher.publish(adapted())
    assert digest_of_file(store.path(digest)) == digest
    assert publisher.publish(adapted()) == digest


def test_the_blob_holds_pefts_keys_weights_and_configuration(store, publisher):
    model = adapted()
    path = store.path(publisher.publish(model))
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["adapter_config"])["r"] == 2
        for name in file.keys():  # noqa: SIM118  # a safetensors file is no dict
            own = name.replace(".weight", ".default.weight")
            assert torch.equal(file.get_tensor(name), model.get_parameter(own))


def test_the_adapter_of_a_bfloat16_policy_travels_in_bfloat16(store, publisher):
    model = adapted(torch.bfloat16)
    assert {p.dtype for n, p in model.named_parameters() if "lora_" in n} == {torch.float32}
    with safe_open(store.path(publisher.publish(model)), framework="pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.bfloat16}  # noqa: SIM118


def test_two_adapters_stay_and_the_earlier_ones_go(store, publisher, tmp_path):
    model, digests = adapted(), []
    for _ in range(3):
        change(model)
        digests.append(publisher.publish(model))
    assert [store.size_bytes(digest) is not None for digest in digests] == [False, True, True]
    assert (tmp_path / "published.txt").read_text().split() == digests[1:]


def test_what_another_job_has_published_too_stays_for_that_job(store, publisher, tmp_path):
    model = adapted()
    earlier = AdapterPublisher(store, PublishedAdapters(tmp_path / "earlier" / "published.txt"))
    (tmp_path / "earlier").mkdir()
    shared = earlier.publish(model)
    assert publisher.publish(model) == shared
    for _ in range(3):
        change(model)
        publisher.publish(model)
    assert digest_of_file(store.path(shared)) == shared


def test_an_adapter_is_in_the_ledger_before_it_is_in_the_store(store, publisher, tmp_path):
    def killed(staged: Path, digest: str) -> None:
        raise KeyboardInterrupt

    store.keep = killed
    with pytest.raises(KeyboardInterrupt):
        publisher.publish(adapted())
    assert len((tmp_path / "published.txt").read_text().split()) == 1
    assert list((tmp_path / "blobs" / "staging").iterdir()) == []


def test_a_full_disk_is_told_and_nothing_is_published(store, publisher, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(adapters, "save_file", full)
    with pytest.raises(ResourceExhausted, match="no room on the learner's disk"):
        publisher.publish(adapted())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
