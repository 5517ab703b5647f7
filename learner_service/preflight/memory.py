"""How much memory a worker needs, from the shape of the model and the settings. An estimate.

Counted are the weights, the adapter with gradients and AdamW's two moments (all in float32, as PEFT
holds them), and what a forward pass of `batch_size` groups keeps for its backward pass: per token
and layer the inputs of what is differentiated (with gradient checkpointing those of the layers),
the attention mask, and the logits at the completions with their copies in float32.
"""

import subprocess
from dataclasses import dataclass
from typing import Any

from tally.host.memory import total_bytes
from tally.job.settings import LoraConfig, TrainingConfig

# NF4: half a byte, and a float32 scale for each 64 weights.
_NF4_BYTES = 0.5 + 4 / 64
# Weight, gradient, and two moments of AdamW, in float32.
_ADAPTER_BYTES = 16
_LOGIT_COPIES = 4
_RESERVE_BYTES = {"cuda": 1024**3, "cpu": 400 * 1024**2}


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """What the memory depends on, of a Qwen-VL model."""

    vocabulary: int
    hidden: int
    layers: int
    key_value: int
    intermediate: int
    tied_embeddings: bool
    vision_parameters: int

    @classmethod
    def of_config(cls, config: Any) -> "ModelShape":
        """`config` is that of transformers."""
        text = config.get_text_config()
        head = text.hidden_size // text.num_attention_heads
        return cls(
            vocabulary=text.vocab_size,
            hidden=text.hidden_size,
            layers=text.num_hidden_layers,
            key_value=text.num_key_value_heads * head,
            intermediate=text.intermediate_size,
            tied_embeddings=bool(config.tie_word_embeddings),
            vision_parameters=_vision_parameters(config.vision_config, text.hidden_size),
        )

    @property
    def projections(self) -> tuple[tuple[int, int], ...]:
        """Inputs and outputs of the seven linear layers that are adapted, in each layer."""
        hidden, narrow, wide = self.hidden, self.key_value, self.intermediate
        attention = ((hidden, hidden), (hidden, narrow), (hidden, narrow), (hidden, hidden))
        return (*attention, (hidden, wide), (hidden, wide), (wide, hidden))

    @property
    def linear_parameters(self) -> int:
        return self.layers * sum(inputs * outputs for inputs, outputs in self.projections)

    @property
    def embedding_parameters(self) -> int:
        return self.vocabulary * self.hidden * (1 if self.tied_embeddings else 2)

    @property
    def parameters(self) -> int:
        """All but the biases and norms, which are a thousandth."""
        return self.linear_parameters + self.embedding_parameters + self.vision_parameters


@dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """Bytes; `available_bytes` is 0 where it is not known."""

    device: str
    available_bytes: int
    weights_bytes: int
    adapter_bytes: int
    activations_bytes: int

    @property
    def estimated_bytes(self) -> int:
        parts = self.weights_bytes + self.adapter_bytes + self.activations_bytes
        return parts + _RESERVE_BYTES[self.device]


def estimated_memory(
    shape: ModelShape,
    training: TrainingConfig,
    lora: LoraConfig,
    *,
    prompt_tokens: int,
    device: str,
    bytes_per_number: int,
    available_bytes: int,
) -> MemoryEstimate:
    linear = _NF4_BYTES if training.use_4bit else bytes_per_number
    others = shape.embedding_parameters + shape.vision_parameters
    adapted = sum(lora.r * (inputs + outputs) for inputs, outputs in shape.projections)
    return MemoryEstimate(
        device=device,
        available_bytes=available_bytes,
        weights_bytes=round(shape.linear_parameters * linear + others * bytes_per_number),
        adapter_bytes=shape.layers * adapted * _ADAPTER_BYTES,
        activations_bytes=_activations(shape, training, lora, prompt_tokens, bytes_per_number),
    )


def _activations(
    shape: ModelShape,
    training: TrainingConfig,
    lora: LoraConfig,
    prompt_tokens: int,
    bytes_per_number: int,
) -> int:
    completion_tokens = training.num_generations * training.max_new_tokens
    tokens = prompt_tokens + completion_tokens
    # The residual stream, norms (in float32), queries, keys, values, attention, gate, up, product.
    kept = 12 * shape.hidden + 6 * shape.key_value + 5 * shape.intermediate
    inputs = sum(inputs for inputs, _ in shape.projections)
    kept += inputs if lora.lora_dropout else 0
    if training.gradient_checkpointing:
        # The input of every layer, and all of the one that is done again.
        in_layers = tokens * (shape.layers * shape.hidden + kept) * bytes_per_number
    else:
        in_layers = shape.layers * tokens * kept * bytes_per_number
    mask = tokens**2 * bytes_per_number
    logits = completion_tokens * shape.vocabulary * (bytes_per_number + 4 * _LOGIT_COPIES)
    return training.batch_size * (in_layers + mask + logits)


def _vision_parameters(vision: Any, hidden: int) -> int:
    width = getattr(vision, "embed_dim", None) or vision.hidden_size
    merged = width * vision.spatial_merge_size**2
    patch = 3 * vision.temporal_patch_size * vision.patch_size**2 * width
    if wide := getattr(vision, "intermediate_size", None):
        perceptron = 3 * width * wide
    else:
        perceptron = round(2 * width * width * vision.mlp_ratio)
    blocks = vision.depth * (4 * width**2 + perceptron)
    return int(patch + blocks + merged * merged + merged * hidden)


def available_memory(device: str) -> tuple[str, int]:
    """The device that a worker would take, and its memory in bytes (0: not known)."""
    if device != "cpu" and (of_gpu := _gpu_bytes()):
        return "cuda", of_gpu
    return ("cuda", 0) if device == "cuda" else ("cpu", total_bytes())


def _gpu_bytes() -> int:
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return int(listed.stdout.split()[0]) * 1024**2
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0
