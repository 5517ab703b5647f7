"""How much memory a worker needs, from the shape of the model and the settings. Pure.

Two peaks, of which the larger counts. While the base is loaded: the libraries, the weights, and
the tensor that is being read (tally/weights reads one at a time). In a step: the libraries, the
weights, the adapter with gradients and AdamW's two moments (all in float32, as PEFT holds them),
the features of images seen so far, and the largest of what comes in turn: the vision tower's pass
over new images, and the language model's forward and backward over `batch_size` groups. `python -m
bench.memory` holds this against measurement.
"""

from dataclasses import dataclass

from learner_service.preflight.exact_counts import completion_tokens
from tally.families.shape import ModelShape
from tally.job.settings import LoraConfig, TrainingConfig

# The interpreter with what a worker or a replica imports; on a card, CUDA's context and its
# libraries' working space. Measured by bench.memory, files that are mapped included.
WORKER_LIBRARIES_BYTES = {"cpu": 704 * 1024**2, "cuda": 1024**3}
# Of what there is: more may be too much, as an estimate is one.
TIGHT = 0.85
# Weight, gradient, and two moments of AdamW, in float32.
_ADAPTER_BYTES = 16
_FLOAT32 = 4
_STORED = 2  # bytes of a number as models are published
# Threads of transformers/core_model_loading.py, as many as there are cores, up to this.
_CAST_AT_ONCE = 4
# learner_service/policy/token_logps.py: logits of a chunk in float32, and what is made of them.
_LOGITS_PER_CHUNK = 2**24
_CHUNK_COPIES = 3
# learner_service/policy/policy.py and tally/families/vision_tower/tower.py
_IMAGES_AT_ONCE = 8
_PASS_PATCHES = 2048
# learner_service/policy/sharding.py: a layer as FSDP2 receives it and as it is computed with, and
# gloo's own copy.
_GATHERED_COPIES = 3
# What an allocator takes over what is asked of it: it rounds up, and keeps what is free in pieces
# that do not fit. glibc's took 1.33 where bench.memory's tensors were below its 32 MiB.
ALLOCATOR = 1.3


@dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """Bytes of one process on its device; `available_bytes` is 0 where it is not known.

    `processes` of them share the device, and `available_bytes` is the part of each.

    `loading_bytes` is the whole peak while the base is loaded, the others are parts of a step's.
    """

    device: str
    available_bytes: int
    libraries_bytes: int
    weights_bytes: int
    adapter_bytes: int
    caches_bytes: int
    activations_bytes: int
    loading_bytes: int
    processes: int = 1

    @property
    def estimated_bytes(self) -> int:
        step = self.libraries_bytes + self.weights_bytes + self.adapter_bytes
        return max(self.loading_bytes, step + self.caches_bytes + self.activations_bytes)


@dataclass(frozen=True, kw_only=True)
class Precision:
    """How a base model is held: its numbers, its decoder layers in NF4 or by several processes."""

    bytes_per_number: int
    use_4bit: bool
    sharded_over: int = 1

    def weights_bytes(self, shape: ModelShape) -> int:
        whole = shape.weights_bytes(bytes_per_number=self.bytes_per_number, use_4bit=self.use_4bit)
        elsewhere = shape.decoder_parameters * (1 - 1 / self.sharded_over)
        return whole - round(elsewhere * self.bytes_per_number)

    def gathered_bytes(self, shape: ModelShape) -> int:
        """Of a layer that is put together for a pass."""
        if self.sharded_over == 1:
            return 0
        return _GATHERED_COPIES * shape.layer_parameters * self.bytes_per_number

    def loading_bytes(self, shape: ModelShape) -> int:
        """Beside the weights, while tensors of bfloat16 are read: what is held as it is stored is a
        view of the file; transformers casts some at once; what is packed is cast before."""
        linear = shape.hidden * shape.intermediate
        is_cast = self.bytes_per_number != _STORED
        if self.sharded_over > 1:
            return shape.layer_parameters * (self.bytes_per_number + (_STORED if is_cast else 0))
        if self.use_4bit:
            packed = linear * (_STORED + self.bytes_per_number)
            return max(packed, shape.largest_tensor * _STORED if is_cast else 0)
        if not is_cast:
            return 0
        return _STORED * (shape.largest_tensor + (_CAST_AT_ONCE - 1) * linear)


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """Of a job: the longest prompt, its image's tokens, all images, the largest true count."""

    tokens: int
    image_tokens: int
    images: int
    largest_true_count: int = 0

    def features_bytes(self, shape: ModelShape, bytes_per_number: int) -> int:
        """Of the vision features of all images."""
        of_token = shape.features_per_token * shape.hidden * bytes_per_number
        return self.images * self.image_tokens * of_token


def estimate_memory(
    shape: ModelShape,
    training: TrainingConfig,
    lora: LoraConfig,
    prompts: Prompts,
    *,
    device: str,
    bytes_per_number: int,
    feature_cache_bytes: int,
    available_bytes: int,
    sharded_over: int = 1,
) -> MemoryEstimate:
    """Of a worker that trains."""
    precision = Precision(
        bytes_per_number=bytes_per_number, use_4bit=training.use_4bit, sharded_over=sharded_over
    )
    parameters = adapter_parameters(shape, lora.r)
    weights = precision.weights_bytes(shape)
    features = prompts.features_bytes(shape, bytes_per_number)
    step = _Step(shape, training, lora, prompts, device, bytes_per_number)
    return MemoryEstimate(
        device=device,
        available_bytes=available_bytes,
        libraries_bytes=WORKER_LIBRARIES_BYTES[device],
        weights_bytes=weights,
        adapter_bytes=parameters * _ADAPTER_BYTES,
        caches_bytes=min(features, feature_cache_bytes),
        activations_bytes=precision.gathered_bytes(shape)
        + round(ALLOCATOR * max(step.vision_bytes(), step.language_bytes())),
        loading_bytes=WORKER_LIBRARIES_BYTES[device] + weights + precision.loading_bytes(shape),
    )


def adapter_parameters(shape: ModelShape, rank: int) -> int:
    return shape.layers * sum(rank * (inputs + outputs) for inputs, outputs in shape.projections)


def vision_pass_bytes(
    shape: ModelShape, image_tokens: int, images: int, bytes_per_number: int
) -> int:
    """The tower's pass over new images: their pixels in float32, and what a block makes of some."""
    patches = image_tokens * shape.patches_per_token
    together = max(patches, min(images * patches, _PASS_PATCHES))
    # The stream, its norm, queries, keys and values, and those rotated in float32.
    attention = 5 * bytes_per_number + 4 * _FLOAT32
    block = shape.vision_width * attention + shape.vision_perceptron * bytes_per_number
    pixels = 2 * images * patches * shape.patch_numbers * _FLOAT32
    return pixels + together * block


@dataclass(frozen=True)
class _Step:
    """What one forward and backward pass over `batch_size` groups takes."""

    shape: ModelShape
    training: TrainingConfig
    lora: LoraConfig
    prompts: Prompts
    device: str
    bytes_per_number: int

    def vision_bytes(self) -> int:
        images = min(self.training.batch_size, self.prompts.images, _IMAGES_AT_ONCE)
        return vision_pass_bytes(
            self.shape, self.prompts.image_tokens, images, self.bytes_per_number
        )

    def language_bytes(self) -> int:
        """What is kept for backward, and the larger of the head's chunk and a layer's gradients."""
        return self._kept_bytes() + max(self._chunk_bytes(), self._gradient_bytes())

    @property
    def _completion_tokens(self) -> int:
        return completion_tokens(self.training, self.prompts.largest_true_count)

    @property
    def _tokens(self) -> int:
        return self.training.batch_size * (self.prompts.tokens + self._completion_tokens)

    @property
    def _predicting(self) -> int:
        """Positions that predict: those of the completions."""
        return self.training.batch_size * self._completion_tokens

    @property
    def _intermediate(self) -> int:
        """Numbers that the perceptron of a layer makes of a token, experts included."""
        return self.shape.intermediate + self.shape.routed_intermediate

    def _kept_bytes(self) -> int:
        """The last layer goes on from the positions that predict."""
        layers = self.shape.layers
        of_layer = self._tokens * self._layer_bytes() + self._mask_bytes()
        if self.training.gradient_checkpointing:
            inputs = self._tokens * self.shape.hidden * self.bytes_per_number
            return layers * inputs + of_layer
        return (layers - 1) * of_layer + self._predicting * self._layer_bytes()

    def _layer_bytes(self) -> int:
        """Of a token: what a decoder layer keeps of it for its backward pass."""
        shape = self.shape
        # The stream before both norms, which compute in float32; queries, keys, values and what
        # they attend to; gate, its activation, and up.
        made = 2 * shape.query + 2 * shape.key_value + 3 * self._intermediate
        low_rank = len(shape.projections) * self.lora.r
        return (
            2 * shape.hidden * _FLOAT32
            + (made + low_rank) * self.bytes_per_number
            + self._inputs_bytes()
        )

    def _inputs_bytes(self) -> int:
        """Of a token: the inputs of the adapted layers; dropout makes one of each, and a mask."""
        shape = self.shape
        if not self.lora.lora_dropout:
            distinct = 2 * shape.hidden + shape.query + shape.intermediate
            return distinct * self.bytes_per_number
        mask = 1 if self.device == "cuda" else self.bytes_per_number
        return sum(inputs for inputs, _ in shape.projections) * (self.bytes_per_number + mask)

    def _mask_bytes(self) -> int:
        """Completions against their prompt and each other."""
        keys = self.prompts.tokens + self._completion_tokens
        return self._predicting * keys * self.bytes_per_number

    def _chunk_bytes(self) -> int:
        rows = min(self._predicting, max(1, _LOGITS_PER_CHUNK // self.shape.vocabulary))
        return rows * self.shape.vocabulary * _FLOAT32 * _CHUNK_COPIES

    def _gradient_bytes(self) -> int:
        """Of what a layer makes, and of its input; and the weights that it unpacks."""
        shape = self.shape
        of_token = (3 * self._intermediate + 4 * shape.hidden) * self.bytes_per_number
        unpacked = shape.hidden * shape.intermediate * self.bytes_per_number
        return self._tokens * of_token + (unpacked if self.training.use_4bit else 0)
