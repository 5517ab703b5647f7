"""What a job trains, on what, and how: the documented settings with the documented defaults."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from learner_service.errors import InvalidSpec
from tally.rpc.digests import digest_of


class LossType(StrEnum):
    GRPO = "grpo"
    BNPO = "bnpo"
    DR_GRPO = "dr_grpo"
    DAPO = "dapo"
    GSPO = "gspo"


class AdvantageScale(StrEnum):
    GROUP = "group"
    BATCH = "batch"
    NONE = "none"


class ImportanceCorrection(StrEnum):
    AUTO = "auto"
    ON = "on"
    OFF = "off"


class ZeroVarianceGroups(StrEnum):
    SKIP = "skip"
    REFILL = "refill"


class LearningRateSchedule(StrEnum):
    LINEAR = "linear"
    COSINE = "cosine"
    CONSTANT = "constant"


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TrainingConfig(_Settings):
    """See TrainingConfig in learner.proto, field by field."""

    num_epochs: int = Field(50, ge=1, le=10_000)
    learning_rate: float = Field(5e-5, gt=0, le=1)
    batch_size: int = Field(1, ge=1, le=1024)
    gradient_accumulation_steps: int = Field(8, ge=1, le=4096)
    num_generations: int = Field(8, ge=2, le=64)
    temperature: float = Field(0.2, gt=0, le=10)
    use_4bit: bool = True
    max_image_size: int = Field(512, ge=56, le=4096)
    seed: int = Field(43, ge=0, lt=2**32)
    max_new_tokens: int = Field(64, ge=1, le=1024)
    beta: float = Field(0.0, ge=0, le=100)
    epsilon_low: float = Field(0.2, gt=0, lt=1)
    epsilon_high: float = Field(0.2, gt=0, le=100)
    loss_type: LossType = LossType.DAPO
    advantage_scale: AdvantageScale = AdvantageScale.GROUP
    save_steps: int = Field(10, ge=1, le=1_000_000)
    warmup_steps: int = Field(0, ge=0, le=1_000_000)
    max_steps: int = Field(0, ge=0, le=10_000_000)
    learning_rate_schedule: LearningRateSchedule = LearningRateSchedule.LINEAR
    gradient_checkpointing: bool = False
    staleness: int = Field(0, ge=0, le=8)
    importance_correction: ImportanceCorrection = ImportanceCorrection.AUTO
    importance_cap: float = Field(3.0, ge=1, le=1000)
    zero_variance_groups: ZeroVarianceGroups = ZeroVarianceGroups.SKIP
    refill_rounds: int = Field(3, ge=1, le=16)

    def is_corrected(self, precision_differs: bool) -> bool:
        """Whether token losses are weighted by truncated importance ratios.

        `precision_differs`: learner and replicas hold the base weights in different precision.
        """
        if self.importance_correction is ImportanceCorrection.AUTO:
            return precision_differs or self.staleness > 0
        return self.importance_correction is ImportanceCorrection.ON


class LoraConfig(_Settings):
    """See LoraConfig in learner.proto, field by field."""

    r: int = Field(64, ge=1, le=512)
    lora_alpha: float = Field(128, gt=0, le=4096)
    lora_dropout: float = Field(0.05, ge=0, lt=1)


class RewardWeight(_Settings):
    name: str = Field(min_length=1, max_length=100)
    weight: float

    @field_validator("weight")
    @classmethod
    def _finite(cls, weight: float) -> float:
        if not math.isfinite(weight):
            raise ValueError("must be a finite number")
        return weight


class JobSpec(_Settings):
    """See JobSpec in learner.proto, field by field."""

    job_name: str = Field("", max_length=200)
    dataset_digest: str
    base_model: str
    training: TrainingConfig = TrainingConfig()
    lora: LoraConfig = LoraConfig()
    rewards: tuple[RewardWeight, ...] = ()
    evaluation_dataset_digest: str = ""
    evaluation_share: float = Field(0.1, ge=0, le=0.5)
    adapter_digest: str = ""

    @property
    def held_out_share(self) -> float:
        """Share of the images that training never sees."""
        return 0.0 if self.evaluation_dataset_digest else self.evaluation_share

    def fingerprint(self) -> str:
        """Equal for jobs that train the same thing: a later one may go on from an earlier one."""
        trained = self.model_copy(update={"evaluation_share": self.held_out_share})
        named = {"job_name", "evaluation_dataset_digest"}
        return digest_of(trained.model_dump_json(exclude=named).encode())


def validated_spec(fields: dict[str, object]) -> JobSpec:
    """Builds a spec; raises InvalidSpec that names the first field that is wrong."""
    with _named_faults():
        return JobSpec.model_validate(fields)


def validated_training(fields: dict[str, object]) -> TrainingConfig:
    """As validated_spec, for the training settings alone."""
    with _named_faults():
        return TrainingConfig.model_validate(fields)


@contextmanager
def _named_faults() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidSpec(f"{where}: {first['msg']}") from error
