"""What a job trains, on what, and how: the documented settings with the documented defaults."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from learner_service.errors import InvalidSpec
from tally.job.settings import (
    DEFAULT_EVALUATION_SHARE,
    MOST_NAME_CHARACTERS,
    EvaluationShare,
    LoraConfig,
    RewardWeight,
    TrainingConfig,
)
from tally.rpc.digests import digest_of


class JobSpec(BaseModel):
    """See JobSpec in learner.proto, field by field."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    job_name: str = Field("", max_length=MOST_NAME_CHARACTERS)
    dataset_digest: str
    base_model: str
    training: TrainingConfig = TrainingConfig()
    lora: LoraConfig = LoraConfig()
    rewards: tuple[RewardWeight, ...] = ()
    evaluation_dataset_digest: str = ""
    evaluation_share: EvaluationShare = DEFAULT_EVALUATION_SHARE
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
