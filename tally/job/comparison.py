"""What a comparison of base and adapter finds: the learner writes it, REST answers it."""

from pydantic import Field
from pydantic.dataclasses import dataclass

from tally.job.metrics import Figure

Interval = tuple[float, float]
# The documented reward is 0 beyond it.
FAR_OFF_ABOVE = 5


@dataclass(frozen=True, kw_only=True)
class EvaluationScores:
    """How right a model's answers were; null where there is no number."""

    exact_rate: Figure = Field(None, description="Share of answers with the true count, in [0, 1].")
    within_one_rate: Figure = Field(None, description="Share of answers at most 1 off, in [0, 1].")
    median_absolute_count_error: Figure = Field(
        None, description="Median |count - true count| over the answers that hold a count."
    )
    mean_absolute_count_error: Figure = Field(
        None, description="Mean |count - true count| over the answers that hold a count."
    )
    root_mean_square_count_error: Figure = Field(
        None,
        description="Square root of the mean squared count error over the answers that hold a "
        "count.",
    )
    far_off_rate: Figure = Field(
        None, description="Share of answers whose count is more than 5 off, in [0, 1]."
    )
    reward_mean: Figure = Field(None, description="Mean progressive_count reward.")
    parse_failure_rate: Figure = Field(
        None, description="Share of answers without a count, in [0, 1]."
    )


@dataclass(frozen=True, kw_only=True)
class IntervalScores(EvaluationScores):
    """The figures with the ends of their intervals."""

    intervals: dict[str, Interval | None] = Field(
        description="Lower and upper end of each figure's interval; null where there is none."
    )


@dataclass(frozen=True, kw_only=True)
class IntervalMethod:
    """Wilson's intervals of rates and Newcombe's of their differences, an image being one trial; of
    all else a paired bootstrap over images."""

    confidence: float = Field(description="How sure the intervals are.", examples=[0.95])
    resamples: int = Field(description="How often images were drawn anew.", examples=[10_000])
    seed: int = Field(description="What the draws follow from.", examples=[43])


@dataclass(frozen=True, kw_only=True)
class EvaluationPart:
    """The rows of one true count, or of one kind of object."""

    label: str = Field(
        description="The count, a range of counts, or the objects.", examples=["apples"]
    )
    num_samples: int = Field(description="Rows in it.")
    base: EvaluationScores = Field(description="The base model.")
    adapter: EvaluationScores = Field(description="The adapter.")


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """How often each answer was given to each true count: rows of true counts."""

    true_labels: list[str] = Field(description="True counts, one for each row.")
    answer_labels: list[str] = Field(description="Answers, one for each column; no count last.")
    base: list[list[int]] = Field(description="The base model's answers.")
    adapter: list[list[int]] = Field(description="The adapter's answers.")


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """Answers with a count whose probabilities are close to each other."""

    from_probability: float = Field(description="The least probability in it.", examples=[0.9])
    to_probability: float = Field(
        description="Where the next bin begins; 1 is in the last.", examples=[1.0]
    )
    num_answers: int = Field(description="Answers in it.")
    mean_probability: float = Field(description="The mean of their probabilities.")
    exact_rate: float = Field(description="Share of them with the true count, in [0, 1].")


@dataclass(frozen=True, kw_only=True)
class Abstention:
    """What is left where counts of less probable answers are left out."""

    abstain_below: float = Field(
        description="Counts of answers of a smaller probability are left out.", examples=[0.9]
    )
    answered_rate: float = Field(description="Share of the rows that keep a count, in [0, 1].")
    exact_rate: Figure = Field(
        None, description="Share of those with the true count, in [0, 1]; null where none is left."
    )


@dataclass(frozen=True, kw_only=True)
class ModelCalibration:
    """What the probabilities of one model's answers are worth."""

    expected_calibration_error: Figure = Field(
        None,
        description="How far mean probability and exact_rate are apart in a bin, the mean over the "
        "answers that hold a count, in [0, 1].",
    )
    bins: list[CalibrationBin] = Field(description="Tenths of probability that have answers.")
    abstention: list[Abstention] = Field(description="At a few bounds, ascending.")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Whether probable answers are right: an answer's probability is that of its words, at
    temperature 1."""

    base: ModelCalibration = Field(description="The base model.")
    adapter: ModelCalibration = Field(description="The adapter.")


@dataclass(frozen=True, kw_only=True)
class GivenAnswer:
    """What a model said to a row, and how it was scored."""

    text: str = Field(description="What the model said.", examples=["A photo of 4 apples"])
    count: int | None = Field(description="The count in it; null where it holds none.")
    difference: int | None = Field(description="How far the count is off.")
    reward: float = Field(description="Its progressive_count reward.")


@dataclass(frozen=True, kw_only=True)
class ComparedRow:
    """A row with the answers of both models."""

    row: int = Field(description="The row of the upload.")
    question: str = Field(description="What was asked.")
    true_count: int = Field(description="How many objects there are.")
    base: GivenAnswer = Field(description="The base model's answer.")
    adapter: GivenAnswer = Field(description="The adapter's answer.")


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """What was held out of training."""

    share: float = Field(description="evaluation_share.", examples=[0.1])
    rows: list[int] = Field(description="Rows of the upload.")


@dataclass(frozen=True, kw_only=True)
class Caution:
    """What a warning says, for programs."""

    code: str = Field(description="Its name; it stays.", examples=["adapter_collapsed"])
    parameters: dict[str, str | float] = Field(description="The values that it names.")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The base model against the adapter, both greedy, on the same rows."""

    num_samples: int = Field(description="Rows that both answered.", examples=[120])
    base: IntervalScores = Field(description="The base model.")
    adapter: IntervalScores = Field(description="The adapter.")
    difference: IntervalScores = Field(description="Adapter minus base, row by row.")
    interval: IntervalMethod = Field(description="How the intervals were made.")
    by_count: list[EvaluationPart] = Field(description="By true count, above 20 by range.")
    by_kind: list[EvaluationPart] = Field(description="By what the questions ask to be counted.")
    matrix: Matrix = Field(description="Answers by true counts.")
    calibration: Calibration | None = Field(
        default=None,
        description="What the probability of an answer is worth; null in comparisons that were "
        "made before it was measured.",
    )
    warnings: list[str] = Field(description="What should be known before the figures are believed.")
    cautions: list[Caution] = Field(
        default_factory=list,
        description="The warnings for programs, in their order; none in comparisons of before they "
        "were written down.",
    )
    worst: list[ComparedRow] = Field(description="Where the adapter is furthest off.")
    held_out: HeldOut | None = Field(default=None, description="Null where the data was named.")
