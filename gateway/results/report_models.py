"""What an evaluation found, as the learner reports it."""

from pydantic import Field
from pydantic.dataclasses import dataclass

from tally.job.comparison import Comparison


@dataclass(frozen=True, kw_only=True)
class _OfUpload:
    file_id: str = Field(description="The upload whose rows these are.")


@dataclass(frozen=True, kw_only=True)
class Evaluation(_OfUpload, Comparison):
    """The base model against the adapter, both greedy, on the same rows."""
