"""The settings that are one of a few words."""

from enum import StrEnum
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Choice(StrEnum):
    """Taken from its word even where everything else is strict; its schema names the words."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.enum_schema(cls, list(cls), sub_type="str", strict=False)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "enum": [choice.value for choice in cls]}


class LossType(Choice):
    GRPO = "grpo"
    BNPO = "bnpo"
    DR_GRPO = "dr_grpo"
    DAPO = "dapo"
    GSPO = "gspo"


class AdvantageScale(Choice):
    GROUP = "group"
    BATCH = "batch"
    NONE = "none"


class ImportanceCorrection(Choice):
    AUTO = "auto"
    ON = "on"
    OFF = "off"


class ZeroVarianceGroups(Choice):
    SKIP = "skip"
    REFILL = "refill"
    LEARN = "learn"


class PromptSelection(Choice):
    UNIFORM = "uniform"
    BY_HISTORY = "by_history"


class Estimator(Choice):
    SAMPLED = "sampled"
    EXACT_COUNTS = "exact_counts"


class LearningRateSchedule(Choice):
    LINEAR = "linear"
    COSINE = "cosine"
    CONSTANT = "constant"
