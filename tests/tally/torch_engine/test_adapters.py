"""Adapters in the model: each answers for itself, and the oldest goes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import (
    PeftModel,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)

import tally.torch_engine.language_model
from rollout_service.model import load_model
from rollout_service.settings import RolloutSettings
from tally.sampling.adapter_file import adaptable_layers
from tally.sampling.engine import GenerationRequest
from tally.sampling.errors import BadAdapter
from tally.torch_engine.adapters import ResidentAdapters
from tally.torch_engine.decoding import Decoder
from tally.torch_engine.language_model import LanguageModel
from tests.rollout_service.support import LORA_TARGETS, Reference, adapter_of, local_blob


class Resident:
    """The adapters of a freshly loaded policy, and the distribution that they make."""

    def __init__(self, path: Path, max_resident: int, **settings: Any) -> None:
        loaded = load_model(RolloutSettings(model=str(path), **settings))
        language_model = LanguageModel(loaded.model, loaded.family)
        self.adapters = ResidentAdapters(
            adaptable_layers(loaded.model, loaded.family),
            language_model.projections,
            loaded.device,
            max_resident=max_resident,
            max_rank=64,
        )
        self._decoder = Decoder(loaded, language_model)

    @torch.inference_mode()
    def logits(self, prompt: list[int]) -> torch.Tensor:
        request = GenerationRequest(
            prompt_token_ids=tuple(prompt), num_completions=1, temperature=1.0, max_new_tokens=1
        )
        return self._decoder.prefill([self._decoder.prompt(request, None)])[0].logits


@pytest.fixture(params=["merged", "apart"])
def resident(random_policy_path: Path, request: Any, monkeypatch: Any) -> Resident:
    """Small weights take an adapter in; those of a large model stay as they are."""
    if request.param == "apart":
        monkeypatch.setattr(tally.torch_engine.language_model, "_MOST_MERGED_BYTES", 0)
    return Resident(random_policy_path, max_resident=2)


@torch.no_grad()
def assert_answers_as(resident: Resident, reference: Reference, model: Any) -> None:
    prompt = reference.prompt(image_tokens=0)
    expected = model(input_ids=torch.tensor([prompt])).logits[0, -1]
    torch.testing.assert_close(resident.logits(prompt), expected, atol=2e-5, rtol=1e-5)


def test_switching_gives_each_its_own_answer(resident, reference, tmp_path):
    models = {seed: reference.adapted(seed) for seed in (1, 2)}
    blobs = {seed: local_blob(tmp_path, adapter_of(models[seed])) for seed in models}
    first: dict[int, torch.Tensor] = {}
    for seed in (1, 2, 0, 1, 0, 2):
        resident.adapters.activate(blobs.get(seed))
        assert_answers_as(resident, reference, models.get(seed, reference.model))
        logits = resident.logits(reference.prompt(image_tokens=0))
        assert torch.equal(logits, first.setdefault(seed, logits))


def test_the_least_recently_used_adapter_goes(resident, reference, tmp_path):
    first, second, third = [
        local_blob(tmp_path, adapter_of(reference.adapted(seed))) for seed in (1, 2, 3)
    ]
    for blob in (first, second, first, third):
        resident.adapters.activate(blob)
    assert resident.adapters.digests == (first.digest, third.digest)
    resident.adapters.activate(second)
    assert_answers_as(resident, reference, reference.adapted(seed=2))


def test_adapters_of_other_ranks_and_targets_share_the_model(resident, reference, tmp_path):
    shapes = [(4, LORA_TARGETS), (8, ["q_proj", "v_proj"]), (2, ["o_proj"]), (4, LORA_TARGETS)]
    for seed, (rank, targets) in enumerate(shapes):
        adapted = reference.adapted(seed, targets, rank)
        blob = local_blob(tmp_path, adapter_of(adapted, target_modules=targets))
        resident.adapters.activate(blob)
        assert_answers_as(resident, reference, adapted)
    resident.adapters.activate(None)
    assert_answers_as(resident, reference, reference.model)


def test_a_refused_adapter_leaves_the_others_alone(resident, reference, tmp_path):
    adapted = reference.adapted(seed=1)
    resident.adapters.activate(local_blob(tmp_path, adapter_of(adapted)))
    with pytest.raises(BadAdapter):
        resident.adapters.activate(local_blob(tmp_path, b"no adapter"))
    assert len(resident.adapters.digests) == 1
    assert_answers_as(resident, reference, adapted)


@torch.no_grad()
def test_four_bits_and_bfloat16_answer_as_peft_does(small_model_path, tmp_path, monkeypatch):
    parts = tally.torch_engine.language_model
    monkeypatch.setattr(parts, "_MOST_UNPACKED_BYTES", 0)
    reference = Reference(small_model_path)
    other = reference.adapted(seed=1)
    blob = local_blob(tmp_path, adapter_of(other))
    ids = torch.tensor([reference.prompt(image_tokens=0)])
    exact = other(input_ids=ids).logits[0, -1]
    for settings in ({"use_4bit": True}, {"dtype": "bfloat16"}):
        resident = Resident(small_model_path, max_resident=1, **settings)
        resident.adapters.activate(blob)
        answer = resident.logits(ids[0].tolist())
        model = load_model(RolloutSettings(model=str(small_model_path), **settings)).model
        expected = with_adapter(model, other)(input_ids=ids).logits[0, -1]
        if answer.dtype == torch.float32:
            # bitsandbytes has another kernel, and a coarser one, where there is a single row.
            torch.testing.assert_close(answer, expected, atol=0.01, rtol=0)
        else:
            rounding = (expected - exact).abs().mean()
            assert (answer - exact).abs().mean() < 1.5 * rounding


def with_adapter(model: Any, other: PeftModel) -> PeftModel:
    """`model` with the adapter of `other` on it, by PEFT."""
    adapted = get_peft_model(model, other.peft_config["default"]).eval()
    set_peft_model_state_dict(adapted, get_peft_model_state_dict(other))
    return adapted


@torch.no_grad()
def test_small_weights_in_4_bits_are_computed_with_as_the_learner_does(small_model_path, tmp_path):
    """Unpacked, in float32: bitsandbytes' own product on a CPU rounds to bfloat16."""
    reference = Reference(small_model_path)
    other = reference.adapted(seed=1)
    resident = Resident(small_model_path, max_resident=1, use_4bit=True)
    resident.adapters.activate(local_blob(tmp_path, adapter_of(other)))
    settings = RolloutSettings(model=str(small_model_path), use_4bit=True)
    model = with_adapter(load_model(settings).model, other)
    # In training mode bitsandbytes unpacks and multiplies in float32, as the learner does.
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    prompt = reference.prompt(image_tokens=0)
    expected = model(input_ids=torch.tensor([prompt])).logits[0, -1]
    torch.testing.assert_close(resident.logits(prompt), expected, atol=2e-4, rtol=1e-4)
