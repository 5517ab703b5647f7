"""What an evaluation found, as the learner reports it."""

from dataclasses import replace
from typing import Self

from pydantic import Field
from pydantic.dataclasses import dataclass

from tally.job.comparison import Comparison
from tally.messages.languages import Language
from tally.messages.message import Message


@dataclass(frozen=True, kw_only=True)
class _OfUpload:
    file_id: str = Field(description="The upload whose rows these are.")


@dataclass(frozen=True, kw_only=True)
class Evaluation(_OfUpload, Comparison):
    """The base model against the adapter, both greedy, on the same rows."""

    def said_in(self, language: Language) -> Self:
        """Its warnings in `language`; in English where they stand for no caution that is known."""
        messages = [Message(one.code, **one.parameters) for one in self.cautions]
        if len(messages) != len(self.warnings):
            return self
        beside = zip(messages, self.warnings, strict=True)
        warnings = [one.say(language) if one.is_known else english for one, english in beside]
        return replace(self, warnings=warnings)
