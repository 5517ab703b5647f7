"""Questions and conversations as a job's prompt template puts them. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from learner_service.data.turns import Role, Turn
from tally.job.prompt_template import PromptTemplate


def question_turns(question: str, template: PromptTemplate) -> list[Turn]:
    """One question about one image."""
    return within_template([Turn(role=Role.USER, text=question, has_image=True)], template)


def within_template(turns: Sequence[Turn], template: PromptTemplate) -> list[Turn]:
    """A conversation as the job has learnt to go on with it.

    Its own system prompt comes before the template's. The question is what is said with the image,
    or the first thing that a user says; what follows is as it is.
    """
    asking = list(turns)
    place = max(range(len(turns)), key=lambda at: _is_question(turns[at]))
    asking[place] = replace(turns[place], text=template.ask(turns[place].text))
    if template.system_prompt and turns[0].role is not Role.SYSTEM:
        asking.insert(0, Turn(role=Role.SYSTEM, text=template.system_prompt))
    return asking


def _is_question(turn: Turn) -> tuple[bool, bool]:
    """Larger for what is more so."""
    return turn.has_image, turn.role is Role.USER
