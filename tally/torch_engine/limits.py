"""How much the engine takes on at once, and how much it keeps."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EngineLimits:
    """`max_batch_completions` are decoded at once when several requests wait."""

    max_batch_completions: int = 64
    max_sequence_tokens: int = 16_384
    max_resident_adapters: int = 4
    max_lora_rank: int = 512
