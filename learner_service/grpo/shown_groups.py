"""What people see of a step: a few groups with all their answers. Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from learner_service.clients.rewards import Score
from tally.job.answers import ShownAnswer, ShownGroup

if TYPE_CHECKING:
    from learner_service.grpo.groups import ScoredGroup

_MOST_GROUPS = 4
_MOST_ANSWERS = 64
_MOST_TEXT_CHARACTERS = 200
_MOST_QUESTION_CHARACTERS = 500


def shown_groups(groups: Sequence["ScoredGroup"]) -> list[ShownGroup]:
    """The step's first groups."""
    size = max([1, *(len(group.texts) for group in groups)])
    number = min(_MOST_GROUPS, max(1, _MOST_ANSWERS // size))
    return [
        ShownGroup(
            row=group.row.number,
            question=group.row.question[:_MOST_QUESTION_CHARACTERS],
            true_count=group.row.true_count,
            answers=[
                _shown_answer(text, score)
                for text, score in zip(group.texts, group.scores, strict=True)
            ],
        )
        for group in groups[:number]
    ]


def _shown_answer(text: str, score: Score) -> ShownAnswer:
    return ShownAnswer(text=text[:_MOST_TEXT_CHARACTERS], count=score.count, reward=score.reward)
