"""Findings: each where it should be, none where it should not, suggestions that help."""

from collections import Counter
from dataclasses import replace

import pytest

from learner_service.clients.rollouts import RolloutModel
from learner_service.preflight import findings
from learner_service.preflight.findings import BaseSample, Severity, step_plan
from learner_service.preflight.time_estimate import estimate_time
from learner_service.preflight.warmer_temperature import Warmer
from learner_service.spec import Training
from tally.job.comparison import EvaluationScores
from tally.job.metrics import StepMetrics
from tally.job.settings import TrainingConfig


def codes(found) -> list[str]:
    return [finding.code for finding in found]


@pytest.mark.parametrize(
    ("rows", "training", "expected"),
    [
        (18, {"num_epochs": 30}, (3, 90, 64)),
        (450, {"num_epochs": 50}, (57, 2850, 64)),
        (450, {"max_steps": 7}, (57, 7, 64)),
        (5, {"num_epochs": 2, "batch_size": 2, "num_generations": 4}, (1, 2, 20)),
    ],
)
def test_the_steps_of_a_job(rows: int, training: dict, expected: tuple[int, int, int]):
    plan = step_plan(TrainingConfig(**training), rows)
    assert (plan.steps_per_epoch, plan.total_steps, plan.completions_per_step) == expected


def test_balance_and_size():
    even = Counter({1: 30, 2: 30})
    assert codes(findings.of_data(even, 54, 6, Training())) == []
    lopsided = Counter({1: 50, 2: 10})
    assert codes(findings.of_data(lopsided, 54, 6, Training())) == ["unbalanced_counts"]
    few = Counter({1: 5, 2: 5})
    assert codes(findings.of_data(few, 10, 0, Training())) == ["few_rows", "nothing_held_out"]
    named = Training(evaluation_dataset_digest="b" * 64)
    assert codes(findings.of_data(few, 10, 0, named)) == ["few_rows"]


def base(exact: float, varied: float, any_right: float, silent: float = 0.0) -> BaseSample:
    return BaseSample(
        num_samples=32,
        scores=EvaluationScores(exact_rate=exact, parse_failure_rate=silent),
        varied_group_rate=varied,
        any_right_rate=any_right,
        completions=256,
        seconds=1.0,
    )


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (base(0.5, 0.5, 0.8), []),
        (base(0.98, 0.05, 1.0), ["nothing_left_to_learn"]),
        (base(0.0, 0.4, 0.0), ["never_right"]),
        (base(0.5, 0.05, 0.5), ["no_variety"]),
        (base(0.5, 0.49, 0.5), ["no_variety"]),
        (base(0.3, 0.5, 0.5, silent=0.6), ["no_count_in_answers"]),
    ],
)
def test_what_the_base_model_shows(sample: BaseSample, expected: list[str]):
    assert codes(findings.of_base(sample, TrainingConfig())) == expected


def test_a_temperature_is_suggested_where_it_was_tried():
    cold, warmer = base(0.5, 0.25, 0.5), Warmer(temperature=0.7, varied_group_rate=0.625)
    (finding,) = findings.of_base(cold, TrainingConfig(temperature=0.2), warmer)
    assert finding.suggestion == {"train.config.temperature": 0.7}
    assert "at temperature 0.2" in str(finding.message)
    assert "25% of the groups" in str(finding.message)
    assert "at 0.7 they would in 62%" in str(finding.message)
    (finding,) = findings.of_base(cold, TrainingConfig(temperature=1.5))
    assert finding.suggestion == {}


def test_settings_that_do_not_fit_the_steps():
    training = TrainingConfig(batch_size=8, warmup_steps=99, num_epochs=1, save_steps=50)
    found = list(findings.of_steps(training, step_plan(training, 20), 20))
    assert codes(found) == ["batch_beyond_data", "warmup_beyond_steps", "no_checkpoint"]
    fields = {k.removeprefix("train.config."): v for f in found for k, v in f.suggestion.items()}
    better = training.model_copy(update=fields)
    assert codes(findings.of_steps(better, step_plan(better, 20), 20)) == []


def served(**limits: float) -> RolloutModel:
    return RolloutModel(
        base_model="small",
        engine="vllm",
        vocabulary_fingerprint="",
        barred_token_ids=(),
        use_4bit=False,
        **limits,
    )


def image_tokens(max_side_pixels: int) -> int:
    """500 of an image of 512 pixels."""
    return round(500 * (max_side_pixels / 512) ** 2)


def test_limits_of_the_replicas():
    training = TrainingConfig(num_generations=64, max_new_tokens=512)
    limits = served(max_completions=32, max_new_tokens=256, max_sequence_tokens=1000)
    found = list(findings.of_limits(training, limits, 30, image_tokens))
    assert codes(found) == ["max_completions", "max_new_tokens", "max_sequence_tokens"]
    assert {finding.severity for finding in found} == {Severity.ERROR}
    assert found[0].suggestion == {"train.config.num_generations": 32}
    assert codes(findings.of_limits(training, served(), 30, image_tokens)) == []
    # 458 of 500 image tokens have room: 504 pixels make 485 tokens, 476 make 432.
    assert found[2].suggestion == {"train.config.max_image_size": 476}


@pytest.mark.parametrize(
    ("temperature", "suggested"), [(3.0, 2.0), (0.001, 0.01), (2.0, None), (0.01, None)]
)
def test_a_temperature_that_the_engine_does_not_take(temperature: float, suggested: float | None):
    limits = served(min_temperature=0.01, max_temperature=2.0)
    found = list(
        findings.of_limits(TrainingConfig(temperature=temperature), limits, 30, image_tokens)
    )
    expected = [] if suggested is None else [{"train.config.temperature": suggested}]
    assert [finding.suggestion for finding in found] == expected
    assert all("0.01 to 2" in str(finding.message) for finding in found)


def test_what_groups_leave_out_is_not_taken_for_time():
    plan = step_plan(TrainingConfig(first_completions=2), 8)
    sample = replace(base(0.5, 0.2, 0.8), sampled_share=0.4)
    # 256 completions in a second; a step has 64, of which it samples 0.4.
    assert estimate_time(plan, sample, []).seconds_per_step == pytest.approx(0.1)
    earlier = [StepMetrics(samples_per_second=128.0)]
    assert estimate_time(plan, sample, earlier).seconds_per_step == pytest.approx(0.2)
    assert estimate_time(plan, None, earlier).seconds_per_step == pytest.approx(0.5)
