"""What should be known before the figures of a comparison are believed. Pure."""

import math
from collections import Counter
from collections.abc import Sequence

from learner_service.clients.rewards import Score
from learner_service.evaluation.answers import RowAnswers
from tally.job.comparison import Interval
from tally.messages.message import Message

_COLLAPSED_BELOW = 0.5
_FEWEST_FOR_COLLAPSE = 20
_SAME_ANSWERS_SHOWN = 3
_SILENT_ABOVE = 0.05
_ABSURD_FACTOR = 10


def caveats(compared: Sequence[RowAnswers], exact_difference: Interval | None) -> list[Message]:
    """`exact_difference`: the interval of the adapter's exact rate less the base model's."""
    warnings = []
    for model in ("base", "adapter"):
        scores = [getattr(one, model).score for one in compared]
        warnings += _collapse(model, scores, [one.row.true_count for one in compared])
        warnings += _absurd(model, scores, max(one.row.true_count for one in compared))
        silent = sum(score.count is None for score in scores) / len(scores)
        if silent > _SILENT_ABOVE:
            warnings.append(Message(f"{model}_silent", silent=silent))
    if exact_difference and exact_difference[0] <= 0 <= exact_difference[1]:
        warnings.append(Message("may_be_equal"))
    return warnings


def _collapse(model: str, scores: Sequence[Score], true_counts: Sequence[int]) -> list[Message]:
    """Whether far fewer different answers are given than there are counts."""
    answers = Counter(score.count for score in scores if score.count is not None)
    total = sum(answers.values())
    if total < _FEWEST_FOR_COLLAPSE:
        return []
    if _variety(answers) >= _COLLAPSED_BELOW * _variety(Counter(true_counts)):
        return []
    most = [count for count, _ in answers.most_common(_SAME_ANSWERS_SHOWN)]
    said = sum(answers[count] for count in most) / total
    right = sum(count in most for count in true_counts) / len(true_counts)
    answers_given = ", ".join(map(str, sorted(most)))
    return [Message(f"{model}_collapsed", said=said, answers=answers_given, right=right)]


def _absurd(model: str, scores: Sequence[Score], largest: int) -> list[Message]:
    """Whether a few answers of no sense decide what the mean error is."""
    counts = [score.count for score in scores if score.count is not None]
    bound = _ABSURD_FACTOR * max(largest, 1)
    others = [s.difference or 0 for s in scores if s.count is not None and s.count <= bound]
    absurd = len(counts) - len(others)
    if not absurd or not others:
        return []
    said = Message(
        f"{model}_absurd",
        absurd=absurd,
        factor=_ABSURD_FACTOR,
        largest=max(counts),
        mean=sum(others) / len(others),
    )
    return [said]


def _variety(counts: Counter[int]) -> float:
    """How many equally frequent values would have the same entropy."""
    total = sum(counts.values())
    return math.exp(-sum(n / total * math.log(n / total) for n in counts.values()))
