"""The estimate of memory, against a model that is there and against numbers worked out by hand."""

from pathlib import Path

import pytest
from transformers import AutoConfig, AutoModelForImageTextToText

from learner_service.preflight.memory import available_memory, estimate_memory
from tally.families.registry import family_of
from tally.families.shape import ModelShape
from tally.job.settings import LoraConfig, TrainingConfig

SHAPE = ModelShape(
    vocabulary=1000,
    hidden=64,
    layers=2,
    query=64,
    key_value=16,
    intermediate=128,
    tied_embeddings=False,
    vision_parameters=5000,
)
# Two layers of q and o (64 × 64), k and v (64 × 16), gate, up and down (64 × 128).
LINEAR = 2 * (2 * 64 * 64 + 2 * 64 * 16 + 3 * 64 * 128)


def estimate(training: TrainingConfig, lora: LoraConfig | None = None, prompt_tokens=100):
    return estimate_memory(
        SHAPE,
        training,
        lora or LoraConfig(r=4, lora_dropout=0.0),
        prompt_tokens=prompt_tokens,
        device="cpu",
        bytes_per_number=4,
        available_bytes=10**9,
    )


def test_the_shape_counts_the_parameters_of_a_real_model(small_model_path: Path):
    config = AutoConfig.from_pretrained(small_model_path)
    shape = family_of(config).shape(config)
    model = AutoModelForImageTextToText.from_pretrained(small_model_path)
    assert shape.parameters == pytest.approx(model.num_parameters(), rel=0.01)


def test_the_weights_by_hand():
    full = estimate(TrainingConfig(use_4bit=False)).weights_bytes
    assert full == (LINEAR + 2 * 1000 * 64 + 5000) * 4
    small = estimate(TrainingConfig(use_4bit=True)).weights_bytes
    assert full - small == LINEAR * 4 - LINEAR * 0.5625


def test_the_adapter_by_hand():
    """Sixteen bytes a parameter; r × (in + out) parameters a layer."""
    sides = (64 + 64) * 2 + (64 + 16) * 2 + (64 + 128) * 3
    assert estimate(TrainingConfig()).adapter_bytes == 2 * 4 * sides * 16


def test_the_activations_by_hand():
    training = TrainingConfig(batch_size=3, num_generations=2, max_new_tokens=10)
    tokens, completions = 120, 20
    layers = 2 * tokens * (12 * 64 + 6 * 16 + 5 * 128) * 4
    by_hand = 3 * (layers + tokens**2 * 4 + completions * 1000 * 20)
    assert estimate(training).activations_bytes == by_hand


def test_checkpointed_activations_by_hand():
    training = TrainingConfig(num_generations=2, max_new_tokens=10, gradient_checkpointing=True)
    layers = 120 * (2 * 64 + 12 * 64 + 6 * 16 + 5 * 128) * 4
    by_hand = layers + 120**2 * 4 + 20 * 1000 * 20
    assert estimate(training).activations_bytes == by_hand


def test_this_machines_memory_is_known():
    device, available_bytes = available_memory("cpu")
    assert device == "cpu"
    assert available_bytes > 10**8
