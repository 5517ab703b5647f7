"""What POST /train?dry_run=true answers."""

from typing import Any, Literal

from pydantic import BaseModel, Field
from pydantic.dataclasses import dataclass

from gateway.errors import Parameters
from tally.job.comparison import EvaluationScores


class Finding(BaseModel):
    """Something that is worth knowing before a job is started."""

    severity: Literal["error", "warning", "note"] = Field(description="How bad it is.")
    code: str = Field(description="Its name for programs.", examples=["unbalanced_counts"])
    where: str = Field(description="The field.", examples=["training_config.batch_size"])
    message: str = Field(description="What it is.")
    parameters: Parameters = Field(
        description="The values that the message names.",
        examples=[{"most": 40, "rows": 60, "count": 3}],
    )
    suggestion: dict[str, Any] | None = Field(
        description="Fields of the body with the nearest values that fit; null for none."
    )


class CountRows(BaseModel):
    count: int = Field(description="The true count.")
    rows: int = Field(description="Rows that have it.")


class KindRows(BaseModel):
    kind: str = Field(description="The objects.")
    rows: int = Field(description="Rows that ask for them.")


class DataSummary(BaseModel):
    """What the upload holds."""

    rows: int = Field(description="Rows in all.")
    images: int = Field(description="Different images.")
    training_rows: int = Field(description="Rows that are trained on.")
    held_out_rows: int = Field(description="Rows that are held out.")
    counts: list[CountRows] = Field(description="Rows of each count, in their order.")
    kinds: list[KindRows] = Field(description="Rows of each kind, the most frequent first.")


@dataclass(frozen=True, kw_only=True)
class BaseSample(EvaluationScores):
    """How the base model does on some rows, at the job's temperature."""

    num_samples: int = Field(description="Rows that were asked.")
    varied_group_rate: float = Field(description="Share of groups whose rewards differ.")
    any_right_rate: float = Field(description="Share of groups with a right answer.")


class StepPlan(BaseModel):
    steps_per_epoch: int = Field(description="Optimizer steps of a pass over the data.")
    total_steps: int = Field(description="Optimizer steps in all.")
    completions_per_step: int = Field(description="Completions of a step.")


class MemoryParts(BaseModel):
    libraries: int = Field(description="The interpreter with its libraries, in bytes.")
    weights: int = Field(description="The frozen model, in bytes.")
    adapter: int = Field(
        description="The adapter and its optimizer's state, in bytes; of a replica its adapters."
    )
    caches: int = Field(
        description="Vision features that are kept, in bytes; of a replica keys and values too."
    )
    activations: int = Field(description="What a pass makes and keeps, in bytes.")


class MemoryEstimate(BaseModel):
    """The most that a process holds at any time."""

    device: str = Field(description="cpu or cuda.")
    estimated_bytes: int = Field(description="The sum of the parts, or loading_bytes if more.")
    available_bytes: int = Field(description="What there is; 0 where that is not known.")
    loading_bytes: int = Field(description="The most while the model is loaded.")
    processes: int = Field(
        description="Of the job, on one device; available_bytes is the part of each."
    )
    parts: MemoryParts = Field(description="Of what is held in a step.")


class TimeEstimate(BaseModel):
    seconds: float = Field(description="Of all steps.")
    seconds_per_step: float = Field(description="Of one step.")
    basis: str = Field(description="What it is estimated from.")


class Preflight(BaseModel):
    """What a job would do; nothing was written."""

    ok: bool = Field(description="False where a finding is an error.")
    findings: list[Finding] = Field(description="Errors first.")
    data: DataSummary = Field(description="What the upload holds.")
    base: BaseSample | None = Field(description="Null where the base model was not asked.")
    steps: StepPlan = Field(description="The steps there would be.")
    prompt_example: str = Field(
        description="The prompt of a row as the model gets it, with one placeholder for the image."
    )
    memory: MemoryEstimate = Field(description="What the worker would need.")
    replica_memory: MemoryEstimate | None = Field(
        description="What a rollout replica would need; null where none answers, and for vLLM, "
        "which takes the share of a card that it is set to."
    )
    time: TimeEstimate | None = Field(description="Null where there is nothing to go by.")
