"""What preflight finds of a job with exact_counts."""

import pytest

from learner_service.preflight.exact_counts import completion_tokens, of_counts, of_forms
from learner_service.preflight.findings import Severity, of_base
from tally.job.settings import TrainingConfig
from tally.messages.message import Message
from tests.learner_service.preflight.test_findings import base

EXACT = TrainingConfig(estimator="exact_counts")
ENDLESS = Message("form_without_end", most=8)


def test_true_counts_that_are_not_written_out_are_told():
    assert list(of_counts(EXACT, 60)) == []
    assert list(of_counts(TrainingConfig(), 10**6)) == []
    (finding,) = of_counts(EXACT, 64)
    assert (finding.severity, finding.code) == (Severity.WARNING, "counts_beyond")
    assert finding.suggestion == {}
    (finding,) = of_counts(EXACT.model_copy(update={"largest_count": 5}), 9)
    assert finding.suggestion == {"train.config.largest_count": 9}


def test_answers_that_no_count_is_written_into_are_an_error_where_they_are_most():
    assert list(of_forms([], 32)) == []
    (finding,) = of_forms([ENDLESS] * 16, 32)
    assert finding.severity is Severity.WARNING
    assert "16 of 32" in str(finding.message)
    (finding,) = of_forms([ENDLESS] * 16 + [Message("form_without_place")], 32)
    assert (finding.severity, finding.where) == (Severity.ERROR, "train.config.estimator")
    assert "it does not end within 8 tokens; ask for answers such as" in str(finding.message)


def test_what_samples_do_not_show_is_no_matter():
    assert list(of_base(base(0.0, 0.05, 0.0), EXACT)) == []


@pytest.mark.parametrize(
    ("training", "expected"),
    [(TrainingConfig(), 8 * 64), (EXACT, 13 * 32), (TrainingConfig(max_new_tokens=8), 64)],
)
def test_the_most_that_a_prompt_s_completions_have(training: TrainingConfig, expected: int):
    assert completion_tokens(training, 9) == expected
