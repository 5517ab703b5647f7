"""How much memory sampling with the torch engine takes: of a replica, or of a job that does it
itself, on the weights and features that it has. Pure.

Its settings are taken to be the defaults of rollout_service/settings.py. While it samples it holds
the weights (in 4 bits unpacked again, of a small model; and twice, of a small model in float32,
with the adapter multiplied into the second), the
adapters of late steps, the features of images, and, of the prompts that are decoded together, keys
and values and the logits of every row. vLLM takes the share of a card that it is set to.
"""

from dataclasses import dataclass, replace

from learner_service.preflight.memory import (
    ALLOCATOR,
    MemoryEstimate,
    Precision,
    Prompts,
    adapter_parameters,
    vision_pass_bytes,
)
from tally.families.four_bit import NF4_BYTES
from tally.families.shape import ModelShape
from tally.job.settings import LoraConfig, TrainingConfig

LIBRARIES_BYTES = {"cpu": 512 * 1024**2, "cuda": 1024**3}
_FLOAT32 = 4
# rollout_service/settings.py
_RESIDENT_ADAPTERS = 4
_BATCH_COMPLETIONS = 64
_VISION_CACHE_BYTES = 256 * 1024**2
# tally/torch_engine: language_model.py, decoding.py, kv_cache.py
_MOST_MERGED_BYTES = 1024**3
_MOST_UNPACKED_BYTES = 128 * 1024**2
_PREFILL_TOKENS = 512
_ROOM_TOKENS = 32
# sampling.py: logits, their log-probabilities, the probabilities, and these in blocks.
_LOGIT_COPIES = 4


def estimate_replica_memory(
    shape: ModelShape,
    training: TrainingConfig,
    lora: LoraConfig,
    prompts: Prompts,
    precision: Precision,
    *,
    device: str,
    available_bytes: int,
) -> MemoryEstimate:
    batch = _Batch(shape, training, prompts, precision)
    weights = precision.weights_bytes(shape)
    features = prompts.features_bytes(shape, precision.bytes_per_number)
    libraries = LIBRARIES_BYTES[device]
    return MemoryEstimate(
        device=device,
        available_bytes=available_bytes,
        libraries_bytes=libraries,
        weights_bytes=weights + _unpacked_bytes(shape, precision) + _merged_bytes(shape, precision),
        adapter_bytes=_RESIDENT_ADAPTERS * _adapter_bytes(shape, lora.r)
        + adapter_parameters(shape, lora.r) * precision.bytes_per_number,  # the file of the newest
        caches_bytes=min(features, _VISION_CACHE_BYTES) + batch.cache_bytes(),
        activations_bytes=round(ALLOCATOR * batch.pass_bytes()),
        loading_bytes=libraries + weights + precision.loading_bytes(shape),
    )


def add_sampling(
    worker: MemoryEstimate,
    shape: ModelShape,
    training: TrainingConfig,
    lora: LoraConfig,
    prompts: Prompts,
    *,
    precision: Precision,
) -> MemoryEstimate:
    """Of a worker that samples by itself: late adapters, and what a batch takes while it is
    decoded. Without staleness that is given back before there is anything to learn from."""
    batch = _Batch(shape, training, prompts, precision)
    sampling = batch.cache_bytes() + round(ALLOCATOR * batch.pass_bytes())
    learning = worker.activations_bytes
    resident = (1 + training.staleness) * _adapter_bytes(shape, lora.r)
    return replace(
        worker,
        adapter_bytes=worker.adapter_bytes + resident,
        activations_bytes=learning + sampling if training.staleness else max(learning, sampling),
    )


def _unpacked_bytes(shape: ModelShape, precision: Precision) -> int:
    """What 4 bits take more where they are held unpacked, as those of a small model are."""
    unpacked = shape.linear_parameters * precision.bytes_per_number
    if not precision.use_4bit or unpacked > _MOST_UNPACKED_BYTES:
        return 0
    return unpacked - round(shape.linear_parameters * NF4_BYTES)


def _merged_bytes(shape: ModelShape, precision: Precision) -> int:
    """The second weight of every adapted layer, where it is small and exact."""
    linear = shape.linear_parameters * _FLOAT32
    is_held = not precision.use_4bit or _unpacked_bytes(shape, precision)
    is_exact = precision.bytes_per_number == _FLOAT32 and is_held
    return linear if is_exact and linear <= _MOST_MERGED_BYTES else 0


def _adapter_bytes(shape: ModelShape, rank: int) -> int:
    """Layers that read the same input are one: their ranks stand side by side, the rest is 0."""
    hidden, query, narrow = shape.hidden, shape.query, shape.key_value
    joined = (
        (3, hidden, query + 2 * narrow),
        (1, query, hidden),
        (2, hidden, 2 * shape.intermediate),
        (1, shape.intermediate, hidden),
    )
    numbers = sum(rank * layers * (inputs + outputs) for layers, inputs, outputs in joined)
    return shape.layers * numbers * _FLOAT32


@dataclass(frozen=True)
class _Batch:
    """The prompts that are decoded together: as many as a step has, within the engine's bound."""

    shape: ModelShape
    training: TrainingConfig
    prompts: Prompts
    precision: Precision

    @property
    def bytes_per_number(self) -> int:
        return self.precision.bytes_per_number

    @property
    def _together(self) -> int:
        in_step = self.training.batch_size * self.training.gradient_accumulation_steps
        fit = max(1, _BATCH_COMPLETIONS // self.training.num_generations)
        return min(in_step, self.prompts.images, fit)

    @property
    def _rows(self) -> int:
        return self._together * self.training.num_generations

    def cache_bytes(self) -> int:
        """Keys and values: of prompts as computed and in float32, of rows in float32."""
        of_token = 2 * self.shape.key_value * self.shape.layers
        prompts = self._together * self.prompts.tokens * (self.bytes_per_number + _FLOAT32)
        room = _ROOM_TOKENS
        while room < self.training.max_new_tokens:
            room *= 2
        # Where rows part, keys or values are copied.
        rows = self._rows * room * _FLOAT32 * 3 // 2
        return of_token * (prompts + rows)

    def pass_bytes(self) -> int:
        """Of the passes over images and prompts, and of the choice of tokens; what one gives back
        does not fit the other."""
        logits = self._rows * self.shape.vocabulary * _FLOAT32 * _LOGIT_COPIES
        vision = vision_pass_bytes(
            self.shape, self.prompts.image_tokens, self._together, self.bytes_per_number
        )
        return logits + max(vision, self._prefill_bytes())

    def _prefill_bytes(self) -> int:
        shape = self.shape
        tokens = max(self.prompts.tokens, _PREFILL_TOKENS)
        of_token = 4 * shape.hidden + 2 * (shape.query + 2 * shape.key_value)
        of_token += 5 * shape.intermediate
        return (tokens * of_token + self._copied_numbers()) * self.bytes_per_number

    def _copied_numbers(self) -> int:
        """Of the largest weight: unpacked, or laid out anew for a product in bfloat16 on a CPU,
        where gate and up are one."""
        largest = self.shape.hidden * self.shape.intermediate
        if self.precision.use_4bit:
            return largest
        return 0 if self.bytes_per_number == _FLOAT32 else 2 * largest
