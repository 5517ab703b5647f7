"""How an uploader asks for a table to be read."""

from typing import NamedTuple

from tally.annotations.questions import QuestionLanguage


class Reading(NamedTuple):
    """The encoding of the table, None to tell it; and how annotations are made questions."""

    encoding: str | None
    question_language: QuestionLanguage
    zero_counts: bool
