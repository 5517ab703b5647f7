"""Whether the probability of an answer tells that its count is right. Pure.

The expected calibration error is that of Guo et al. (2017), in ten bins of equal width.
"""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from learner_service.evaluation.answers import RowAnswers, ScoredAnswer
from tally.job.comparison import Abstention, Calibration, CalibrationBin, ModelCalibration

_NUM_BINS = 10
_ABSTAIN_BELOW = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)


def calibration(compared: Sequence[RowAnswers]) -> Calibration:
    """Of both models."""
    return Calibration(
        base=model_calibration([one.base for one in compared]),
        adapter=model_calibration([one.adapter for one in compared]),
    )


def model_calibration(answers: Sequence[ScoredAnswer]) -> ModelCalibration:
    """`answers`: at least one. Those without a count are in no bin, and are never answered."""
    counted = [answer for answer in answers if answer.score.count is not None]
    bins = _bins(counted)
    return ModelCalibration(
        expected_calibration_error=_expected_error(bins),
        bins=bins,
        abstention=[_abstention(counted, len(answers), below) for below in _ABSTAIN_BELOW],
    )


def _bins(counted: Sequence[ScoredAnswer]) -> list[CalibrationBin]:
    members = defaultdict(list)
    for answer in counted:
        members[min(int(answer.probability * _NUM_BINS), _NUM_BINS - 1)].append(answer)
    return [
        CalibrationBin(
            from_probability=number / _NUM_BINS,
            to_probability=(number + 1) / _NUM_BINS,
            num_answers=len(members[number]),
            mean_probability=fmean(answer.probability for answer in members[number]),
            exact_rate=_exact_rate(members[number]),
        )
        for number in sorted(members)
    ]


def _expected_error(bins: Sequence[CalibrationBin]) -> float | None:
    if not bins:
        return None
    gaps = [abs(one.mean_probability - one.exact_rate) for one in bins]
    return fmean(gaps, [one.num_answers for one in bins])


def _abstention(counted: Sequence[ScoredAnswer], rows: int, below: float) -> Abstention:
    kept = [answer for answer in counted if answer.probability >= below]
    return Abstention(
        abstain_below=below,
        answered_rate=len(kept) / rows,
        exact_rate=_exact_rate(kept) if kept else None,
    )


def _exact_rate(answers: Sequence[ScoredAnswer]) -> float:
    return fmean(answer.score.difference == 0 for answer in answers)
