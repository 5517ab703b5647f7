"""The body of POST /train: the documented settings, and those beyond the document."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_MODEL_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_REWARD_NAME = r"^[a-z][a-z0-9_]{0,63}$"


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds control characters; use printable ones")
    return text.strip() or _blank()


def _blank() -> str:
    raise ValueError("is blank; give the job a name")


def model_name(name: str) -> str:
    if not _MODEL_NAME.fullmatch(name) or ".." in name:
        raise ValueError("is not a model's name, such as 'Qwen/Qwen2.5-VL-3B-Instruct'")
    return name


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class TrainingConfig(_Strict):
    num_epochs: int = Field(50, ge=1, le=10_000, description="Passes over the data.")
    learning_rate: float = Field(5e-5, gt=0, le=1, description="Peak learning rate of AdamW.")
    batch_size: int = Field(1, ge=1, le=1024, description="Prompts in one forward pass.")
    gradient_accumulation_steps: int = Field(
        8, ge=1, le=4096, description="Forward passes in one optimizer step."
    )
    num_generations: int = Field(8, ge=2, le=64, description="Completions per prompt.")
    temperature: float = Field(0.2, gt=0, le=10, description="Sampling temperature.")
    use_4bit: bool = Field(True, description="Whether the base weights are held in NF4.")
    max_image_size: int = Field(
        512, ge=56, le=4096, description="Longest side of an image in pixels; larger ones shrink."
    )
    seed: int = Field(
        43, ge=0, lt=2**32, description="Seed of shuffling, initialisation, dropout, sampling."
    )
    max_new_tokens: int = Field(64, ge=1, le=1024, description="Most tokens of a completion.")
    beta: float = Field(0.0, ge=0, le=100, description="Weight of the KL penalty.")
    epsilon_low: float = Field(
        0.2, gt=0, lt=1, description="How far the probability ratio may fall below 1."
    )
    epsilon_high: float = Field(
        0.2, gt=0, le=100, description="How far the probability ratio may rise above 1."
    )
    loss_type: Literal["grpo", "bnpo", "dr_grpo", "dapo", "gspo"] = Field(
        "dapo", description="How the token losses are averaged."
    )
    advantage_scale: Literal["group", "batch", "none"] = Field(
        "group", description="What centred rewards are divided by the deviation of."
    )
    save_steps: int = Field(
        10, ge=1, le=1_000_000, description="Optimizer steps between two checkpoints."
    )
    warmup_steps: int = Field(
        0, ge=0, le=1_000_000, description="Optimizer steps of linear warm-up."
    )
    max_steps: int = Field(
        0, ge=0, le=10_000_000, description="Stops after this many optimizer steps; 0: no limit."
    )
    learning_rate_schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="What the learning rate does after warm-up."
    )
    gradient_checkpointing: bool = Field(
        False, description="Compute activations again in backward: less memory, more time."
    )
    staleness: int = Field(
        0, ge=0, le=8, description="Steps that the sampling adapter may be behind; 0: on-policy."
    )
    importance_correction: Literal["auto", "on", "off"] = Field(
        "auto", description="Weigh token losses by truncated importance ratios."
    )
    importance_cap: float = Field(
        3.0, ge=1, le=1000, description="Where importance ratios are cut off."
    )
    zero_variance_groups: Literal["skip", "refill"] = Field(
        "skip", description="What is done with a group whose rewards are all equal."
    )
    refill_rounds: int = Field(
        3, ge=1, le=16, description="Other prompts tried in place of one such group."
    )


class LoraConfig(_Strict):
    r: int = Field(64, ge=1, le=512, description="Rank.")
    lora_alpha: float = Field(
        128, gt=0, le=4096, description="The update is multiplied by lora_alpha / r."
    )
    lora_dropout: float = Field(0.05, ge=0, lt=1, description="Dropout before the first matrix.")


class RewardWeight(_Strict):
    name: str = Field(
        pattern=_REWARD_NAME,
        description="A reward that the reward service knows.",
        examples=["progressive_count"],
    )
    weight: float = Field(
        1.0, ge=-1e6, le=1e6, description="Its factor in the sum.", examples=[1.0]
    )


class TrainRequest(_Strict):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "job_name": "apple_counting_model",
                    "data_file_id": "7d1f0c2e-5a55-4c56-9f4b-1b9d5c1f3a10",
                    "training_config": {"num_epochs": 30, "learning_rate": 5e-5, "batch_size": 1},
                }
            ]
        }
    )

    job_name: Annotated[str, AfterValidator(_printable)] = Field(
        min_length=1, max_length=200, description="A name for people; the download carries it."
    )
    data_file_id: str = Field(
        min_length=1, max_length=200, description="The file_id that POST /upload-data answered."
    )
    training_config: TrainingConfig = Field(
        default_factory=TrainingConfig, description="How to train."
    )
    lora_config: LoraConfig = Field(default_factory=LoraConfig, description="What to train.")
    model: Annotated[str, Field(max_length=200), AfterValidator(model_name)] | None = Field(
        None,
        description="The base model, one of the server's list; left out: the first of it.",
        examples=["Qwen/Qwen2.5-VL-3B-Instruct"],
    )
    rewards: list[RewardWeight] = Field(
        default_factory=list,
        max_length=16,
        description="Rewards to add up; empty: progressive_count with weight 1.",
    )
    evaluation_file_id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="An upload on which base and adapter are compared at the end.",
    )
    evaluation_share: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="Without evaluation_file_id: share of the images that training never sees, and "
        "on which base and adapter are compared; none of fewer than 50 images, 1,000 at most.",
    )

    def settings(self) -> dict[str, Any]:
        """What the job is, as plain JSON."""
        return self.model_dump(mode="json")
