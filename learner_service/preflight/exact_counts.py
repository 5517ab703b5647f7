"""What exact_counts makes of a job: how much is in a pass, whether it fits the data. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from learner_service.data.count_form import MOST_TOKENS
from learner_service.preflight.findings import Finding, Severity
from tally.job.settings import MOST_COUNT, TrainingConfig
from tally.messages.message import Message


def completion_tokens(training: TrainingConfig, largest_true_count: int) -> int:
    """The most that the completions of a prompt have, with either estimator."""
    if not training.is_exact:
        return training.num_generations * training.max_new_tokens
    answers = training.last_count(largest_true_count) + 1
    return answers * min(training.max_new_tokens, MOST_TOKENS)


def of_counts(training: TrainingConfig, largest_true_count: int) -> Iterator[Finding]:
    """Whether exact_counts writes out every true count."""
    last = training.last_count(largest_true_count)
    if training.is_exact and largest_true_count > last:
        yield Finding(
            severity=Severity.WARNING,
            code="counts_beyond",
            where="train.config.largest_count",
            message=Message("counts_beyond", largest=largest_true_count, last=last),
            suggestion={"train.config.largest_count": min(largest_true_count, MOST_COUNT)}
            if last < MOST_COUNT
            else {},
        )


def of_forms(unwritten: Sequence[Message], asked: int) -> Iterator[Finding]:
    """`unwritten`: why no count can be written into a greedy answer, for each of which none can."""
    if not unwritten:
        return
    is_most = 2 * len(unwritten) > asked
    most_common, _ = Counter(reason.code for reason in unwritten).most_common(1)[0]
    yield Finding(
        severity=Severity.ERROR if is_most else Severity.WARNING,
        code="no_count_form",
        where="train.config.estimator",
        message=Message(
            "no_count_form" if is_most else "few_without_count_form",
            unwritten=len(unwritten),
            asked=asked,
            reason=next(reason for reason in unwritten if reason.code == most_common),
        ),
    )
