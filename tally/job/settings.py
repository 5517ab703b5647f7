"""The settings of a training: name, type, range, default and text of each, stated once.

REST, the learner, the page, the command line and docs/api.md take them from here; a test holds the
comments of learner.proto against them.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tally.job.choices import (
    AdvantageScale,
    Estimator,
    ImportanceCorrection,
    LearningRateSchedule,
    LossType,
    PromptSelection,
    ZeroVarianceGroups,
)

MOST_NAME_CHARACTERS = 200
MOST_REWARDS = 16
MOST_COUNT = 63
_COUNT_MARGIN = 3
DEFAULT_EVALUATION_SHARE = 0.1
DEFAULT_PRIORITY = 0
EvaluationShare = Annotated[
    float,
    Field(
        ge=0,
        le=0.5,
        description="Share of the data's images that training never sees and that base and "
        "adapter are compared on, where no other data is named for that; none of fewer than 50 "
        "images, 1,000 at most.",
    ),
]
Priority = Annotated[
    int,
    Field(
        ge=-10,
        le=10,
        description="Jobs of a higher one start first, whoever started them earlier; above 0 it "
        "takes the role operator.",
    ),
]


class Settings(BaseModel):
    """A group of settings: nothing unknown, no number that isn't finite, no text for a number."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class TrainingConfig(Settings):
    """How to train."""

    num_epochs: int = Field(50, ge=1, le=10_000, description="Passes over the data.")
    learning_rate: float = Field(5e-5, gt=0, le=1, description="Peak learning rate of AdamW.")
    batch_size: int = Field(1, ge=1, le=1024, description="Prompts in one forward pass.")
    gradient_accumulation_steps: int = Field(
        8, ge=1, le=4096, description="Forward passes in one optimizer step."
    )
    num_generations: int = Field(8, ge=2, le=64, description="Completions per prompt (G).")
    temperature: float = Field(0.2, gt=0, le=10, description="Sampling temperature.")
    use_4bit: bool = Field(
        True,
        description="Whether the base weights are held in NF4, in about a third of the memory. On "
        "a CPU it is slower, and memory is the only gain.",
    )
    max_image_size: int = Field(
        512,
        ge=56,
        le=4096,
        description="Longest side of an image in pixels; larger ones are shrunk once.",
    )
    seed: int = Field(
        43,
        ge=0,
        le=2**32 - 1,
        description="Seed of shuffling, initialisation, dropout and sampling.",
    )
    max_new_tokens: int = Field(64, ge=1, le=1024, description="Most tokens of a completion.")
    beta: float = Field(
        0.0, ge=0, le=100, description="Weight of the KL penalty against the base model."
    )
    epsilon_low: float = Field(
        0.2, gt=0, lt=1, description="How far the probability ratio may fall below 1."
    )
    epsilon_high: float = Field(
        0.2, gt=0, le=100, description="How far the probability ratio may rise above 1."
    )
    loss_type: LossType = Field(LossType.DAPO, description="How the token losses are averaged.")
    advantage_scale: AdvantageScale = Field(
        AdvantageScale.GROUP, description="What centred rewards are divided by the deviation of."
    )
    save_steps: int = Field(
        10, ge=1, le=1_000_000, description="Optimizer steps between two checkpoints."
    )
    warmup_steps: int = Field(
        0, ge=0, le=1_000_000, description="Optimizer steps of linear warm-up."
    )
    max_steps: int = Field(
        0,
        ge=0,
        le=10_000_000,
        description="Stops after this many optimizer steps, even within an epoch; 0: no limit.",
    )
    learning_rate_schedule: LearningRateSchedule = Field(
        LearningRateSchedule.LINEAR, description="What the learning rate does after warm-up."
    )
    weight_decay: float = Field(
        0.0,
        ge=0,
        le=100,
        description="Weight decay of AdamW: each step takes this, times the learning rate, off "
        "every weight of the adapter.",
    )
    gradient_checkpointing: bool = Field(
        False,
        description="Whether backward computes the layers' activations again rather than keeping "
        "them: less memory for a third more time.",
    )
    staleness: int = Field(
        0,
        ge=0,
        le=8,
        description="How many optimizer steps the adapter that a step's completions are sampled "
        "with may be behind; 0: strictly on-policy. Beyond it, later steps are sampled while "
        "earlier ones are learnt from.",
    )
    importance_correction: ImportanceCorrection = Field(
        ImportanceCorrection.AUTO,
        description="Whether token losses are weighted by truncated importance ratios.",
    )
    importance_cap: float = Field(
        3.0,
        ge=1,
        le=1000,
        description="Where the ratio of the learner's probability of a token to the engine's is "
        "cut off.",
    )
    zero_variance_groups: ZeroVarianceGroups = Field(
        ZeroVarianceGroups.SKIP,
        description="What is done with a group whose rewards are all equal.",
    )
    refill_rounds: int = Field(
        3,
        ge=1,
        le=16,
        description="Where such a group is refilled: how many other prompts are tried for it.",
    )
    processes: int = Field(
        0,
        ge=0,
        le=1024,
        description="Processes that share the forward passes of a step, each with a GPU of its own "
        "where there are GPUs; 0: as many as the learner has for a job.",
    )
    estimator: Estimator = Field(
        Estimator.SAMPLED,
        description="How the gradient of the expected reward is found: from sampled answers, or "
        "exactly over the counts that an answer may hold.",
    )
    largest_count: int = Field(
        0,
        ge=0,
        le=MOST_COUNT,
        description="With exact_counts: the largest count that is written out; 0: three more than "
        "the largest of the data, 63 at most.",
    )
    outside_mass_bound: float = Field(
        0.05,
        ge=0,
        le=1,
        description="With exact_counts: the probability of all other answers above which "
        "num_generations answers are sampled for them.",
    )
    prompt_selection: PromptSelection = Field(
        PromptSelection.UNIFORM,
        description="Whether each prompt comes in its turn, or more often those whose groups "
        "taught something lately.",
    )
    first_completions: int = Field(
        0,
        ge=0,
        le=63,
        description="First completions of a prompt; the others where these differ. 0: all at once.",
    )
    evaluation_steps: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Optimizer steps between two evaluations on what is held out, the last step's "
        "besides; 0: none.",
    )
    evaluation_patience: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Such evaluations in a row without a better exact_rate after which the job "
        "ends; 0: it takes all its steps.",
    )
    zero_variance_patience: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Optimizer steps in a row in which all groups have equal rewards, so that "
        "nothing is learnt, after which the job ends; 0: it goes on, and says so.",
    )

    @property
    def is_exact(self) -> bool:
        """Whether the gradient is that over every count rather than over samples."""
        return self.estimator is Estimator.EXACT_COUNTS

    def last_count(self, largest_true_count: int) -> int:
        """The largest count that is written out, with exact_counts."""
        return self.largest_count or min(largest_true_count + _COUNT_MARGIN, MOST_COUNT)

    def is_corrected(self, precision_differs: bool) -> bool:
        """Whether token losses are weighted by truncated importance ratios.

        `precision_differs`: learner and replicas hold the base weights in different precision.
        """
        if self.importance_correction is ImportanceCorrection.AUTO:
            return precision_differs or self.staleness > 0
        return self.importance_correction is ImportanceCorrection.ON


class LoraConfig(Settings):
    """What to train."""

    r: int = Field(64, ge=1, le=512, description="Rank.")
    lora_alpha: float = Field(
        128, gt=0, le=4096, description="Scale: the update is multiplied by lora_alpha / r."
    )
    lora_dropout: float = Field(0.05, ge=0, lt=1, description="Dropout before the first matrix.")


class RewardWeight(Settings):
    """A reward, and its factor in the sum."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,63}$",
        description="A name that the reward service knows.",
        examples=["progressive_count"],
    )
    weight: float = Field(
        1.0, ge=-1e6, le=1e6, description="Its factor in the sum.", examples=[1.0]
    )
