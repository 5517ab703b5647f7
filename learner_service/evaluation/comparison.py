"""Answers of base and adapter to the same rows → the comparison. Pure."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from learner_service.clients.rewards import Score
from learner_service.data.kinds import kinds_of
from learner_service.evaluation.answers import RowAnswers, ScoredAnswer
from learner_service.evaluation.bootstrap import CONFIDENCE
from learner_service.evaluation.calibration import calibration
from learner_service.evaluation.caveats import caveats
from learner_service.evaluation.row_scores import RowScores, figures, row_scores, scores_of
from learner_service.evaluation.score_intervals import score_intervals
from tally.job.comparison import (
    Caution,
    ComparedRow,
    Comparison,
    EvaluationPart,
    GivenAnswer,
    IntervalMethod,
    IntervalScores,
    Matrix,
)
from tally.messages.message import Message

NO_COUNT = "no count"
_MOST_WORST = 24
_LAST_SINGLE_COUNT = 20
_RANGES = ((21, 30), (31, 50), (51, 100), (101, math.inf))


def comparison(
    compared: Sequence[RowAnswers], seed: int, warnings: Sequence[Message] = ()
) -> Comparison:
    """All of it but what only the job knows; `warnings` are said before its own."""
    base, adapter = _both(compared)
    images = [one.row.image_digest for one in compared]
    known = score_intervals(base, adapter, images, seed)
    of_base, of_adapter = base.values(), adapter.values()
    return Comparison(
        num_samples=len(compared),
        base=IntervalScores(**figures(of_base), intervals=known.base),
        adapter=IntervalScores(**figures(of_adapter), intervals=known.adapter),
        difference=IntervalScores(**figures(of_adapter - of_base), intervals=known.difference),
        interval=IntervalMethod(confidence=CONFIDENCE, resamples=known.resamples, seed=seed),
        by_count=_by_count(compared),
        by_kind=_by_kind(compared),
        matrix=_matrix(compared),
        calibration=calibration(compared),
        **_warn([*warnings, *caveats(compared, known.difference["exact_rate"])]),
        worst=_worst(compared),
    )


def _warn(cautions: Sequence[Message]) -> dict[str, Any]:
    """The fields of a comparison that say them."""
    return {
        "warnings": [str(caution) for caution in cautions],
        "cautions": [Caution(code=one.code, parameters=one.parameters) for one in cautions],
    }


def count_label(count: int) -> str:
    """The count itself, or above 20 the range that it is in."""
    if count <= _LAST_SINGLE_COUNT:
        return str(count)
    first, last = next((first, last) for first, last in _RANGES if count <= last)
    return f"{first}–{last}" if last < math.inf else f"{first}+"


def _label_order(label: str) -> int:
    return int(label.rstrip("+").split("–")[0])


def _both(compared: Sequence[RowAnswers]) -> tuple[RowScores, RowScores]:
    return (
        row_scores([one.base.score for one in compared]),
        row_scores([one.adapter.score for one in compared]),
    )


def _by_count(compared: Sequence[RowAnswers]) -> list[EvaluationPart]:
    labels = [count_label(one.row.true_count) for one in compared]
    return _parts(compared, labels, sorted(set(labels), key=_label_order))


def _by_kind(compared: Sequence[RowAnswers]) -> list[EvaluationPart]:
    """The most frequent kind first."""
    labels = kinds_of([one.row.question for one in compared])
    sizes = Counter(labels)
    return _parts(compared, labels, sorted(sizes, key=lambda kind: (-sizes[kind], kind)))


def _parts(
    compared: Sequence[RowAnswers], labels: Sequence[str], order: Sequence[str]
) -> list[EvaluationPart]:
    """The scores of the rows with each label."""
    parts = []
    for label in order:
        members = [one for one, own in zip(compared, labels, strict=True) if own == label]
        base, adapter = (scores_of(scores.values()) for scores in _both(members))
        part = EvaluationPart(label=label, num_samples=len(members), base=base, adapter=adapter)
        parts.append(part)
    return parts


def _answer_label(score: Score) -> str:
    return NO_COUNT if score.count is None else count_label(score.count)


def _matrix(compared: Sequence[RowAnswers]) -> Matrix:
    """True counts by answers, each a range above 20; labels that occur, "no count" last."""
    true = [count_label(one.row.true_count) for one in compared]
    base = [_answer_label(one.base.score) for one in compared]
    adapter = [_answer_label(one.adapter.score) for one in compared]
    rows = sorted(set(true), key=_label_order)
    columns = [*sorted({*true, *base, *adapter} - {NO_COUNT}, key=_label_order), NO_COUNT]
    return Matrix(
        true_labels=rows,
        answer_labels=columns,
        base=_cells(true, base, rows, columns),
        adapter=_cells(true, adapter, rows, columns),
    )


def _cells(
    true: Sequence[str], given: Sequence[str], rows: Sequence[str], columns: Sequence[str]
) -> list[list[int]]:
    """How often each pair of labels occurs."""
    counts = Counter(zip(true, given, strict=True))
    return [[counts[row, column] for column in columns] for row in rows]


def _worst(compared: Sequence[RowAnswers]) -> list[ComparedRow]:
    """Where the adapter is furthest off; an answer without a count is off by all there is."""

    def badness(one: RowAnswers) -> tuple[float, float, int]:
        score = one.adapter.score
        off = math.inf if score.difference is None else score.difference
        return -off, score.reward, one.row.number

    wrong = [one for one in compared if one.adapter.score.difference != 0]
    return [_compared_row(one) for one in sorted(wrong, key=badness)[:_MOST_WORST]]


def _compared_row(one: RowAnswers) -> ComparedRow:
    return ComparedRow(
        row=one.row.number,
        question=one.row.question,
        true_count=one.row.true_count,
        base=_given_answer(one.base),
        adapter=_given_answer(one.adapter),
    )


def _given_answer(answered: ScoredAnswer) -> GivenAnswer:
    score = answered.score
    return GivenAnswer(
        text=answered.text, count=score.count, difference=score.difference, reward=score.reward
    )
