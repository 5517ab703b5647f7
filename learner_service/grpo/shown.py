"""What people see of a step: a few groups with all their answers. Pure."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from learner_service.clients.rewards import Score

if TYPE_CHECKING:
    from learner_service.grpo.groups import ScoredGroup

_MOST_GROUPS = 4
_MOST_ANSWERS = 64
_MOST_TEXT_CHARACTERS = 200
_MOST_QUESTION_CHARACTERS = 500


def shown_groups(groups: Sequence["ScoredGroup"]) -> list[dict[str, Any]]:
    """The step's first groups, as SamplesShown of learner.proto has them."""
    size = max([1, *(len(group.texts) for group in groups)])
    number = min(_MOST_GROUPS, max(1, _MOST_ANSWERS // size))
    return [
        {
            "row": group.row.number,
            "question": group.row.question[:_MOST_QUESTION_CHARACTERS],
            "true_count": group.row.true_count,
            "answers": list(_answers(group.texts, group.scores)),
        }
        for group in groups[:number]
    ]


def _answers(texts: Sequence[str], scores: Sequence[Score]) -> Iterator[dict[str, Any]]:
    for text, score in zip(texts, scores, strict=True):
        short = text[:_MOST_TEXT_CHARACTERS]
        yield {"text": short, "count": score.count, "reward": score.reward}
