"""What a job does, on what, and how: the documented settings with the documented defaults."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from learner_service.errors import InvalidSpec
from learner_service.settings_together import check_together
from tally.job.prompt_template import PLAIN, PromptTemplate
from tally.job.settings import (
    DEFAULT_EVALUATION_SHARE,
    DEFAULT_PRIORITY,
    MOST_NAME_CHARACTERS,
    MOST_REWARDS,
    EvaluationShare,
    LoraConfig,
    Priority,
    RewardWeight,
    TrainingConfig,
)
from tally.rpc.digests import digest_of

_NOT_OF_TRAINING = (
    "processes",
    "evaluation_steps",
    "evaluation_patience",
    "zero_variance_patience",
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _as_in_training(name: str) -> Any:
    """The range and the default of a setting of TrainingConfig, for a field that means the same."""
    return copy(TrainingConfig.model_fields[name])


class Limits(_Part):
    """How large an image is asked about, and how long the answer may get."""

    max_image_size: int = _as_in_training("max_image_size")
    max_new_tokens: int = _as_in_training("max_new_tokens")


class Training(_Part):
    """See Training in learner.proto, field by field."""

    kind: Literal["train"] = "train"
    config: TrainingConfig = TrainingConfig()
    lora: LoraConfig = LoraConfig()
    rewards: tuple[RewardWeight, ...] = ()
    prompt: PromptTemplate = PLAIN
    evaluation_dataset_digest: str = ""
    evaluation_share: EvaluationShare = DEFAULT_EVALUATION_SHARE
    resume_from_job_id: str = Field("", max_length=200)
    fresh: bool = False
    adapter_digest: str = ""
    adapter_job_id: str = Field("", max_length=200)

    @model_validator(mode="after")
    def _start_in_one_way(self) -> Self:
        if self.fresh and self.resume_from_job_id:
            raise ValueError("fresh and resume_from_job_id exclude each other; leave one out")
        return self

    @property
    def held_out_share(self) -> float:
        """Share of the images that training never sees."""
        return 0.0 if self.evaluation_dataset_digest else self.evaluation_share

    @property
    def summed_rewards(self) -> tuple[RewardWeight, ...]:
        """Those that are named, or else the documented one."""
        return self.rewards or (RewardWeight(name="progressive_count"),)

    @property
    def seed(self) -> int:
        return self.config.seed

    @property
    def limits(self) -> Limits:
        """Those of the job's answers, for whoever asks its adapter."""
        config = self.config
        return Limits(max_image_size=config.max_image_size, max_new_tokens=config.max_new_tokens)


class _Asking(Limits):
    prompt: PromptTemplate = PLAIN

    @property
    def limits(self) -> Limits:
        return self


class Evaluation(_Asking):
    """See Evaluation in learner.proto, field by field."""

    kind: Literal["evaluate"] = "evaluate"
    adapter_digest: str
    seed: int = _as_in_training("seed")


class Prediction(_Asking):
    """See Prediction in learner.proto, field by field."""

    kind: Literal["predict"] = "predict"
    adapter_digest: str = ""


Work = Training | Evaluation | Prediction


class JobSpec(_Part):
    """See JobSpec in learner.proto, field by field."""

    job_name: str = Field("", max_length=MOST_NAME_CHARACTERS)
    dataset_digest: str
    base_model: str
    owner: str = Field("", max_length=64)
    priority: Priority = DEFAULT_PRIORITY
    work: Work = Field(Training(), discriminator="kind")

    def digests(self) -> dict[str, str]:
        """The blobs that the job needs, by the fields of learner.proto that name them."""
        return self.dataset_digests() | self.adapter_digests()

    def adapter_digests(self) -> dict[str, str]:
        """Of those the ones that are adapters."""
        if not self.work.adapter_digest:
            return {}
        return {f"{self.work.kind}.adapter_digest": self.work.adapter_digest}

    def dataset_digests(self) -> dict[str, str]:
        """Of those the ones that are datasets."""
        named = {"dataset_digest": self.dataset_digest}
        if isinstance(self.work, Training) and self.work.evaluation_dataset_digest:
            named["train.evaluation_dataset_digest"] = self.work.evaluation_dataset_digest
        return named

    def borrowed_digests(self) -> list[str]:
        """The blobs that were put for this job alone, and go when it has ended."""
        return list(self.adapter_digests().values())

    def identity(self) -> dict[str, Any]:
        """What two jobs that do the same have in common."""
        fields = self.model_dump(mode="json", exclude={"job_name", "priority"})
        if isinstance(self.work, Training):
            _forget_surroundings(fields["work"], self.work)
        return fields

    def fingerprint(self) -> str:
        """Equal for jobs that do the same: a later one may go on from an earlier one."""
        return digest_of(json.dumps(self.identity(), sort_keys=True).encode())


def _forget_surroundings(fields: dict[str, Any], training: Training) -> None:
    """What is compared and evaluated, and how many share the work, changes nothing of what is
    trained; but a curve is one of answers to the same questions."""
    fields["evaluation_share"] = training.held_out_share
    for name in _NOT_OF_TRAINING:
        del fields["config"][name]
    for name in ("resume_from_job_id", "fresh", "adapter_job_id"):
        del fields[name]
    if not (training.config.evaluation_steps and training.evaluation_dataset_digest):
        del fields["evaluation_dataset_digest"]


def validated_spec(fields: dict[str, object]) -> JobSpec:
    """Builds the spec of a new job; raises InvalidSpec that names the first field that is wrong."""
    with _name_faults():
        spec = JobSpec.model_validate(fields)
    _check_new(spec)
    return spec


def _check_new(spec: JobSpec) -> None:
    """What is asked of new jobs alone: one that is written down was taken as it is."""
    if not spec.job_name.isprintable():
        raise InvalidSpec("job_name: holds control characters; use printable ones")
    if not spec.owner.isprintable():
        raise InvalidSpec("owner: holds control characters; use printable ones")
    if isinstance(spec.work, Training):
        if not spec.work.adapter_job_id.isprintable():
            raise InvalidSpec("train.adapter_job_id: holds control characters; use printable ones")
        _check_rewards([reward.name for reward in spec.work.rewards])
        check_together(spec.work.config)


def _check_rewards(names: Sequence[str]) -> None:
    if len(names) > MOST_REWARDS:
        raise InvalidSpec(f"train.rewards: {len(names)} of them; expected at most {MOST_REWARDS}")
    for number, name in enumerate(names):
        if name in names[:number]:
            raise InvalidSpec(
                f"train.rewards.{number}.name: {name} is there twice; add the weights up"
            )


def validated_limits(fields: dict[str, object]) -> Limits:
    """As validated_spec, for the limits of an answer."""
    with _name_faults():
        return Limits.model_validate(fields)


def stored_spec(text: str) -> JobSpec | None:
    """A spec as it was written down, maybe by another version: settings that are not known here are
    left out, and those that are new here have their defaults. None where it means nothing here."""
    try:
        return JobSpec.model_validate_json(text, extra="ignore")
    except ValidationError:
        return None


@contextmanager
def _name_faults() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]).removeprefix("work.")
        raise InvalidSpec(f"{where}: {first['msg']}") from error
