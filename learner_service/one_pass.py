"""When a prompt goes through the policy once, for who samples and for who learns. Pure.

Completions are then a forward and backward pass of their own, which read all weights once more
each. So a long prompt gains, over wide layers; a short one loses (docs/decisions/0022).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tally.job.settings import LoraConfig, TrainingConfig

# Where it was measured to gain: on a CPU, with weights that need no unpacking.
_LEAST_TOKENS = 256
_LEAST_HIDDEN_SIZE = 1024


class OnePass(StrEnum):
    """Whether jobs do so that may: `AUTO` where that was measured to be faster."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def may_read_once(training: TrainingConfig, lora: LoraConfig) -> bool:
    """Whether sampling and learning are the same pass over a step's prompts, and keeping it between
    the two takes no more memory than learning does by itself."""
    return (
        not lora.lora_dropout
        and not training.staleness
        and not training.is_exact
        and not training.gradient_checkpointing
        and training.gradient_accumulation_steps == 1
    )


@dataclass(frozen=True, kw_only=True)
class ReadingOnce:
    """What decides it of a step; `is_possible` as `may_read_once` says of its job."""

    choice: OnePass
    is_possible: bool
    device: str
    use_4bit: bool
    hidden_size: int

    def of_prompts(self, tokens: Sequence[int]) -> bool:
        """Whether prompts of so many tokens each are read once."""
        if self.choice is OnePass.AUTO:
            return self.is_possible and self._gains(min(tokens))
        return self.is_possible and self.choice is OnePass.ALWAYS

    def _gains(self, fewest_tokens: int) -> bool:
        is_plain = self.device == "cpu" and not self.use_4bit
        is_wide = self.hidden_size >= _LEAST_HIDDEN_SIZE
        return is_plain and is_wide and fewest_tokens >= _LEAST_TOKENS
