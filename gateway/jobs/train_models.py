"""The body of POST /train: the documented settings, and those beyond the document."""

import re
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from gateway.errors import Conflict
from gateway.invalid_fields import BadValue
from gateway.jobs.job_models import Checkpoint
from gateway.jobs.tags import MOST_TAGS, Tag
from gateway.webhooks.webhook_models import MOST_URL_CHARACTERS
from tally.job.prompt_template import PromptTemplate
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
from tally.messages.message import Message

_MODEL_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise BadValue(Message("control_characters"))
    return text.strip() or _blank()


def _blank() -> str:
    raise BadValue(Message("name_blank"))


def model_name(name: str) -> str:
    """The name as it is; raises BadValue for what can't be one."""
    if not _MODEL_NAME.fullmatch(name) or ".." in name:
        raise BadValue(Message("model_name_invalid"))
    return name


JobName = Annotated[
    str, Field(min_length=1, max_length=MOST_NAME_CHARACTERS), AfterValidator(_printable)
]


class TrainRequest(BaseModel):
    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {
                    "job_name": "apple_counting_model",
                    "data_file_id": "7d1f0c2e-5a55-4c56-9f4b-1b9d5c1f3a10",
                    "training_config": {"num_epochs": 30, "learning_rate": 5e-5, "batch_size": 1},
                }
            ]
        },
    )

    job_name: JobName = Field(description="A name for people; the download carries it.")
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
        max_length=MOST_REWARDS,
        description="Rewards to add up, each with its `name` and `weight`; empty: "
        "progressive_count with weight 1.",
    )
    prompt: PromptTemplate = Field(
        default_factory=PromptTemplate, description="How questions are put to the model."
    )
    evaluation_file_id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="An upload on which base and adapter are compared at the end.",
    )
    evaluation_share: EvaluationShare = DEFAULT_EVALUATION_SHARE
    resume_from_job_id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="A cancelled or failed job with equal settings, to go on from its last "
        "checkpoint; left out: the furthest of those that there are.",
    )
    fresh: bool = Field(False, description="Start from nothing, whatever earlier jobs left.")
    adapter_job_id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="A job that has ended with an adapter, to train on from it, on any data: its "
        "base model, rank, lora_alpha and prompt hold where they are left out here.",
    )
    adapter_checkpoint: Checkpoint = Field(
        "last", description="Which of that job's adapters: the one of its last step, or its best."
    )
    adapter_file_id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="The same with an adapter that POST /upload-data took.",
    )
    priority: Priority = DEFAULT_PRIORITY
    tags: list[Tag] = Field(
        default_factory=list,
        max_length=MOST_TAGS,
        description="Words to find the job by; PATCH /jobs/{job_id} changes them. Left out with "
        "resume_from_job_id: those of that job.",
    )
    callback_url: str | None = Field(
        None,
        min_length=1,
        max_length=MOST_URL_CHARACTERS,
        description="Where a signed webhook goes once the job has ended; refused where the server "
        "sends none.",
        examples=["https://example.org/tally"],
    )

    @model_validator(mode="after")
    def _start_in_one_way(self) -> Self:
        if self.fresh and self.resume_from_job_id:
            raise BadValue(Message("two_ways_to_start"))
        if self.adapter_job_id and self.adapter_file_id:
            raise BadValue(Message("two_adapters"))
        if self.adapter_checkpoint != "last" and not self.adapter_job_id:
            raise BadValue(Message("checkpoint_of_no_job"))
        return self

    def settings(self) -> dict[str, Any]:
        """What the job is, as plain JSON."""
        return self.model_dump(mode="json")


def stored_request(spec: object) -> TrainRequest:
    """What a job was asked for, maybe under another version: settings that are not known here are
    left out, and new ones have their defaults. Raises Conflict where it means nothing here."""
    try:
        return TrainRequest.model_validate(spec, extra="ignore")
    except ValidationError as error:
        raise Conflict(Message("settings_unreadable")) from error
