"""What people see of a step: a few groups with all their answers. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from learner_service.dataset import Sample
from learner_service.rewards import Score

_MOST_GROUPS = 4
_MOST_ANSWERS = 64
_MOST_TEXT_CHARACTERS = 200
_MOST_QUESTION_CHARACTERS = 500


def shown_groups(
    samples: Sequence[Sample], texts: Sequence[str], scores: Sequence[Score]
) -> list[dict[str, Any]]:
    """The step's first groups, as SamplesShown of learner.proto has them.

    `texts` and `scores` are those of all completions, group after group.
    """
    size = len(texts) // len(samples)
    number = min(_MOST_GROUPS, max(1, _MOST_ANSWERS // size))
    return [
        {
            "row": sample.row,
            "question": sample.question[:_MOST_QUESTION_CHARACTERS],
            "true_count": sample.true_count,
            "answers": list(_answers(texts[start : start + size], scores[start : start + size])),
        }
        for sample, start in zip(samples[:number], range(0, len(texts), size), strict=False)
    ]


def _answers(texts: Sequence[str], scores: Sequence[Score]) -> Iterator[dict[str, Any]]:
    for text, score in zip(texts, scores, strict=True):
        short = text[:_MOST_TEXT_CHARACTERS]
        yield {"text": short, "count": score.count, "reward": score.reward}
