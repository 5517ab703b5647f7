"""What exact_counts makes of a job: how much is in a pass, whether it fits the data. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from learner_service.data.count_form import MOST_TOKENS
from learner_service.preflight.findings import Finding, Severity
from tally.job.settings import MOST_COUNT, TrainingConfig


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
            message=f"true counts up to {largest_true_count} are beyond {last}, the largest that "
            "is written out: what is right there is found by samples alone, where the policy says "
            "it",
            suggestion={"train.config.largest_count": min(largest_true_count, MOST_COUNT)}
            if last < MOST_COUNT
            else {},
        )


def of_forms(unwritten: Sequence[str], asked: int) -> Iterator[Finding]:
    """`unwritten`: why no count can be written into a greedy answer, for each of which none can."""
    if not unwritten:
        return
    is_most = 2 * len(unwritten) > asked
    reason, _ = Counter(unwritten).most_common(1)[0]
    yield Finding(
        severity=Severity.ERROR if is_most else Severity.WARNING,
        code="no_count_form",
        where="train.config.estimator",
        message=f"exact_counts can write no other count into {len(unwritten)} of {asked} greedy "
        f"answers of the base model; of most of these, {reason}; "
        + (
            "ask for answers such as 'A photo of 3 apples', or set the estimator to sampled"
            if is_most
            else "their prompts are learnt from by samples"
        ),
    )
