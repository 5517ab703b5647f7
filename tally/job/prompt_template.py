"""How a job puts its questions to the model: stated once, as its other settings are."""

import unicodedata

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from tally.job.settings import Settings

PLACEHOLDER = "{question}"
# Control codes, marks of direction and the like, halves of characters.
_REFUSED = frozenset({"Cc", "Cf", "Cs"})


class PromptTemplate(Settings):
    """What the model is told around a question."""

    system_prompt: str = Field(
        "",
        max_length=4000,
        description="What the model is told beforehand; empty: what its chat template says by "
        "itself.",
    )
    question_template: str = Field(
        PLACEHOLDER,
        max_length=4000,
        description="What is asked about an image: {question} stands for the question, once.",
        examples=["{question} Think first, then answer in <answer></answer>."],
    )

    @field_validator("system_prompt", "question_template")
    @classmethod
    def _no_control_codes(cls, text: str) -> str:
        for mark in text:
            if mark != "\n" and unicodedata.category(mark) in _REFUSED:
                raise PydanticCustomError(
                    "control_codes",
                    "holds the control code {mark}; use letters, signs, blanks and line breaks",
                    {"mark": f"U+{ord(mark):04X}"},
                )
        return text

    @field_validator("question_template")
    @classmethod
    def _ask_once(cls, text: str) -> str:
        found = text.count(PLACEHOLDER)
        if found != 1:
            raise PydanticCustomError(
                "placeholder_count",
                "{name} stands in it {found} times; write it once, where the question belongs",
                {"name": PLACEHOLDER, "found": found},
            )
        return text

    def ask(self, question: str) -> str:
        return self.question_template.replace(PLACEHOLDER, question)


# Without a template a question is put as it is.
PLAIN = PromptTemplate()
