"""How much memory a worker needs, from the shape of the model and the settings. An estimate.

Counted are the weights, the adapter with gradients and AdamW's two moments (all in float32, as PEFT
holds them), and what a forward pass of `batch_size` groups keeps for its backward pass: per token
and layer the inputs of what is differentiated (with gradient checkpointing those of the layers),
the attention mask, and the logits at the completions with their copies in float32.
"""

import subprocess
from dataclasses import dataclass

from tally.families.shape import ModelShape
from tally.host.memory import total_bytes
from tally.job.settings import LoraConfig, TrainingConfig

# Weight, gradient, and two moments of AdamW, in float32.
_ADAPTER_BYTES = 16
_LOGIT_COPIES = 4
_RESERVE_BYTES = {"cuda": 1024**3, "cpu": 400 * 1024**2}


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


def estimate_memory(
    shape: ModelShape,
    training: TrainingConfig,
    lora: LoraConfig,
    *,
    prompt_tokens: int,
    device: str,
    bytes_per_number: int,
    available_bytes: int,
) -> MemoryEstimate:
    adapted = sum(lora.r * (inputs + outputs) for inputs, outputs in shape.projections)
    return MemoryEstimate(
        device=device,
        available_bytes=available_bytes,
        weights_bytes=shape.weights_bytes(
            bytes_per_number=bytes_per_number, use_4bit=training.use_4bit
        ),
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
