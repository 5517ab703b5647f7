"""The estimate of memory, against a model that is there and against numbers worked out by hand."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from transformers import AutoConfig, AutoModelForImageTextToText

from bench.exactness import draw_groups
from learner_service.policy import policy, token_logps
from learner_service.policy.policy import Policy
from learner_service.preflight import memory, replica_memory
from learner_service.preflight.device_memory import available_memory
from learner_service.preflight.job_memory import JobMemory
from learner_service.preflight.memory import (
    ALLOCATOR,
    MemoryEstimate,
    Precision,
    Prompts,
    estimate_memory,
)
from learner_service.preflight.replica_memory import estimate_replica_memory
from learner_service.rendezvous_settings import RendezvousSettings
from learner_service.settings import LearnerSettings
from learner_service.spec import Training
from rollout_service.settings import RolloutSettings
from tally.families.registry import family_of, read_config
from tally.families.shape import ModelShape
from tally.families.vision_tower import tower
from tally.job.settings import LoraConfig, TrainingConfig
from tally.torch_engine import decoding, kv_cache, language_model

SHAPE = ModelShape(
    vocabulary=1000,
    hidden=64,
    layers=3,
    query=64,
    key_value=16,
    intermediate=128,
    tied_embeddings=False,
    vision_parameters=5000,
    vision_width=32,
    vision_perceptron=96,
)
# Layers of q and o (64 × 64), k and v (64 × 16), gate, up and down (64 × 128).
LINEAR = 3 * (2 * 64 * 64 + 2 * 64 * 16 + 3 * 64 * 128)
PROMPTS = Prompts(tokens=100, image_tokens=6, images=10)
MEETING = RendezvousSettings(address="127.0.0.1")
LORA = LoraConfig(r=4, lora_dropout=0.0)
SHORT = TrainingConfig(num_generations=2, max_new_tokens=10)  # 20 tokens of completions
FULL = SHORT.model_copy(update={"use_4bit": False})


def estimate(training: TrainingConfig, lora: LoraConfig = LORA, prompts: Prompts = PROMPTS):
    return estimate_memory(
        SHAPE,
        training,
        lora,
        prompts,
        device="cpu",
        bytes_per_number=4,
        feature_cache_bytes=10_000,
        available_bytes=10**9,
    )


def replica(training: TrainingConfig = SHORT, precision: Precision | None = None):
    precision = precision or Precision(bytes_per_number=4, use_4bit=False)
    return estimate_replica_memory(
        SHAPE, training, LORA, PROMPTS, precision, device="cpu", available_bytes=10**9
    )


def test_the_shape_counts_the_parameters_of_a_real_model(random_policy_path: Path):
    config = AutoConfig.from_pretrained(random_policy_path)
    shape = family_of(config).shape(config)
    model = AutoModelForImageTextToText.from_pretrained(random_policy_path)
    assert shape.parameters == pytest.approx(model.num_parameters(), rel=0.01)
    largest = max(parameter.numel() for parameter in model.model.language_model.parameters())
    assert shape.largest_tensor == largest


def test_the_shape_knows_how_wide_the_features_of_each_family_are(
    small_policy: Policy, small_model_path: Path
):
    config, family = read_config(str(small_model_path))
    shape = family.shape(config)
    _, images = draw_groups(small_policy)
    [features] = small_policy.features(["image"], lambda _: images[0])
    assert features.shape[1] == shape.features_per_token * shape.hidden


def test_processes_on_one_host_s_cpu_have_a_part_of_its_memory_each(random_policy_path: Path):
    job = JobMemory.of_model(
        str(random_policy_path),
        Training(config=SHORT, lora=LORA),
        lambda _: PROMPTS,
        LearnerSettings(device="cpu", gpus_per_job=3, nodes_per_job=2, rendezvous=MEETING),
    )

    def in_processes(processes: int) -> MemoryEstimate:
        return job.of_worker(SHORT.model_copy(update={"processes": processes}))

    whole = in_processes(1)
    for processes, here in ((2, 2), (5, 3), (0, 3)):
        part = in_processes(processes)
        assert part.available_bytes == whole.available_bytes // here
        assert part.processes == here


def test_the_weights_by_hand():
    full = estimate(TrainingConfig(use_4bit=False)).weights_bytes
    assert full == (LINEAR + 2 * 1000 * 64 + 5000) * 4
    small = estimate(TrainingConfig(use_4bit=True)).weights_bytes
    assert full - small == LINEAR * 4 - LINEAR * 0.5625


def test_of_layers_in_parts_each_process_has_its_own_and_puts_one_together():
    whole, part = (
        estimate_memory(
            SHAPE,
            FULL,
            LORA,
            PROMPTS,
            device="cpu",
            bytes_per_number=4,
            feature_cache_bytes=10_000,
            available_bytes=10**9,
            sharded_over=count,
        )
        for count in (1, 4)
    )
    layer = LINEAR // 3
    assert part.weights_bytes == (LINEAR // 4 + 2 * 1000 * 64 + 5000) * 4
    assert part.activations_bytes - whole.activations_bytes == 3 * layer * 4
    held = part.libraries_bytes + part.weights_bytes
    assert part.loading_bytes - held == layer * (4 + 2)  # held and stored


def test_the_adapter_by_hand():
    """Sixteen bytes a parameter; r × (in + out) parameters a layer."""
    sides = (64 + 64) * 2 + (64 + 16) * 2 + (64 + 128) * 3
    assert estimate(TrainingConfig()).adapter_bytes == 3 * 4 * sides * 16


def test_features_of_all_images_are_kept_as_far_as_there_is_room():
    few = estimate(SHORT, prompts=replace(PROMPTS, images=2)).caches_bytes
    assert few == 2 * 6 * 64 * 4
    assert estimate(SHORT).caches_bytes == 10_000


def test_deepstack_features_count_as_many_times_as_the_tower_gives_them():
    shape = replace(SHAPE, features_per_token=3)
    assert (
        PROMPTS.features_bytes(shape, 2)
        == 3 * PROMPTS.features_bytes(SHAPE, 2)
        == 3 * 10 * 6 * 64 * 2
    )


# What a layer keeps of a token: the stream before two norms, queries, keys, values and what they
# attend to, gate, its activation and up, seven low ranks; then the inputs of the adapted layers.
MADE = (2 * 64 + 2 * 64 + 2 * 16 + 3 * 128 + 7 * 4) * 4
INPUTS = (2 * 64 + 64 + 128) * 4
DROPPED = (3 * 64 + 64 + 2 * 64 + 128) * 4 * 2
MASK = 20 * 120 * 4
# Of what a layer makes and of its input: here more than three copies of the logits, 20 × 1000.
GRADIENTS = 120 * (3 * 128 + 4 * 64) * 4


@pytest.mark.parametrize(("dropout", "inputs"), [(0.0, INPUTS), (0.1, DROPPED)])
def test_activations_by_hand(dropout: float, inputs: int):
    kept = 2 * (120 * (MADE + inputs) + MASK) + 20 * (MADE + inputs)
    found = estimate(FULL, LoraConfig(r=4, lora_dropout=dropout)).activations_bytes
    assert found == round(ALLOCATOR * (kept + GRADIENTS))


def test_checkpointed_activations_by_hand():
    """The input of every layer, and one layer as it is computed again."""
    training = FULL.model_copy(update={"gradient_checkpointing": True})
    kept = 3 * 120 * 64 * 4 + 120 * (MADE + INPUTS) + MASK
    assert estimate(training).activations_bytes == round(ALLOCATOR * (kept + GRADIENTS))


def test_a_head_of_a_large_vocabulary_is_read_in_chunks():
    shape = replace(SHAPE, vocabulary=2**24)
    two, many = (
        estimate_memory(
            shape,
            TrainingConfig(num_generations=g, max_new_tokens=1),
            LORA,
            PROMPTS,
            device="cpu",
            bytes_per_number=4,
            feature_cache_bytes=0,
            available_bytes=0,
        ).activations_bytes
        for g in (2, 64)
    )
    assert many - two < 2**24 * 4


def test_loading_counts_where_it_is_more_than_a_step():
    shape = replace(SHAPE, vocabulary=10**6)
    found = replace(estimate(SHORT), loading_bytes=10**12)
    assert found.estimated_bytes == 10**12
    four_bit, cast, as_stored = (
        Precision(bytes_per_number=size, use_4bit=four).loading_bytes(shape)
        for size, four in ((4, True), (4, False), (2, False))
    )
    assert (four_bit, as_stored) == (10**6 * 64 * 2, 0)
    assert cast == (10**6 * 64 + 3 * 64 * 128) * 2


def test_a_replica_of_a_small_model_has_a_second_copy_of_its_layers():
    merged, bare = (
        replica(precision=Precision(bytes_per_number=size, use_4bit=False)) for size in (4, 2)
    )
    assert merged.weights_bytes == 2 * bare.weights_bytes + LINEAR * 4


def test_a_replica_unpacks_the_4_bits_of_a_small_model():
    small = replica(precision=Precision(bytes_per_number=2, use_4bit=True))
    assert (
        small.weights_bytes
        == replica(precision=Precision(bytes_per_number=2, use_4bit=False)).weights_bytes
    )
    exact = replica(precision=Precision(bytes_per_number=4, use_4bit=True))
    assert exact.weights_bytes == replica().weights_bytes
    large = replace(SHAPE, layers=3 * 2**12)
    held = estimate_replica_memory(
        large,
        SHORT,
        LORA,
        PROMPTS,
        Precision(bytes_per_number=2, use_4bit=True),
        device="cpu",
        available_bytes=0,
    )
    assert held.weights_bytes == large.weights_bytes(bytes_per_number=2, use_4bit=True)


def test_a_replica_holds_four_adapters_side_by_side():
    """q, k and v are one product of three ranks, gate and up one of two."""
    of_layer = 3 * (64 + 96) + (64 + 64) + 2 * (64 + 256) + (128 + 64)
    file = 3 * 4 * ((64 + 64) * 2 + (64 + 16) * 2 + (64 + 128) * 3)
    assert replica().adapter_bytes == (4 * 3 * 4 * of_layer + file) * 4


def test_more_of_anything_is_never_less_memory():
    for changes in (
        {"batch_size": 2},
        {"num_generations": 8},
        {"max_new_tokens": 64},
    ):
        more = SHORT.model_copy(update=changes)
        assert estimate(more).estimated_bytes >= estimate(SHORT).estimated_bytes
        assert replica(more).estimated_bytes >= replica().estimated_bytes


@pytest.mark.parametrize(
    ("counted", "computes", "name"),
    [
        (memory, token_logps, "_LOGITS_PER_CHUNK"),
        (memory, policy, "_IMAGES_AT_ONCE"),
        (memory, tower, "_PASS_PATCHES"),
        (replica_memory, language_model, "_MOST_MERGED_BYTES"),
        (replica_memory, language_model, "_MOST_UNPACKED_BYTES"),
        (replica_memory, decoding, "_PREFILL_TOKENS"),
        (replica_memory, kv_cache, "_ROOM_TOKENS"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bounds_are_those_of_who_computes(counted: ModuleType, computes: ModuleType, name: str):
    """Who estimates can't import them: torch stays out of it, and the other service too."""
    assert getattr(counted, name) == getattr(computes, name)


def test_a_replicas_settings_are_the_defaults():
    defaults = RolloutSettings()
    assert defaults.max_resident_adapters == replica_memory._RESIDENT_ADAPTERS
    assert defaults.max_batch_completions == replica_memory._BATCH_COMPLETIONS
    assert defaults.vision_cache_bytes == replica_memory._VISION_CACHE_BYTES


def test_this_machines_memory_is_known():
    device, available_bytes = available_memory("cpu")
    assert device == "cpu"
    assert available_bytes > 10**8
