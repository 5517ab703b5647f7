"""The adapter on its way into the blob store."""

import errno
import json

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import InvalidAdapter
from learner_service.policy.adapter_file import AdapterFile
from learner_service.policy.adapters import AdapterPublisher, load_adapter
from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.rpc.digests import digest_of_file
from tally.rpc.errors import ResourceExhausted
from tally.samples.small_policy import load_policy


@pytest.fixture
def publisher(store: BlobStore) -> AdapterPublisher:
    return AdapterPublisher(store)


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


def test_two_adapters_stay_and_the_earlier_ones_go(store, publisher):
    model, digests = adapted(), []
    for _ in range(3):
        change(model)
        digests.append(publisher.publish(model))
    assert [store.size_bytes(digest) is not None for digest in digests] == [False, True, True]
    publisher.publish_file(store.path(digests[1]))
    change(model)
    publisher.publish(model)
    assert [store.size_bytes(digest) is not None for digest in digests] == [False, True, False]


def test_a_full_disk_is_told_and_nothing_is_published(store, publisher, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(AdapterFile, "write", full)
    with pytest.raises(ResourceExhausted, match="no room on the learner's disk"):
        publisher.publish(adapted())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_was_published_is_what_another_begins_with(store, publisher):
    model = adapted()
    change(model)
    digest = publisher.publish(model)
    fresh = adapted()
    load_adapter(fresh, store.path(digest))
    assert publisher.publish(fresh) == digest


def test_what_peft_saved_is_loaded(tmp_path, store, publisher):
    model = adapted()
    change(model)
    model.save_pretrained(str(tmp_path))
    fresh = adapted()
    load_adapter(fresh, tmp_path / "adapter_model.safetensors")
    assert publisher.publish(fresh) == publisher.publish(model)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (lambda tensors: dict(list(tensors.items())[1:]), "the adapter has no base_model"),
        (lambda tensors: tensors | {"visual.\x1b": torch.zeros(1)}, "which is not adapted here"),
        (lambda tensors: {k: t[:1] for k, t in tensors.items()}, r"is \[1, \d+\]; expected \["),
        (lambda tensors: {k: t * torch.nan for k, t in tensors.items()}, "holds NaN"),
    ],
)
def test_an_adapter_of_something_else_is_refused(tmp_path, store, publisher, changes, said):
    tensors = load_file(store.path(publisher.publish(adapted())))
    save_file({k: t.contiguous() for k, t in changes(tensors).items()}, tmp_path / "other")
    with pytest.raises(InvalidAdapter, match=said) as caught:
        load_adapter(adapted(), tmp_path / "other")
    assert str(caught.value).isprintable()
