"""A metric is stated once: whatever says it again says the same, and none is dropped."""

from dataclasses import asdict, fields

import pytest

from tally.job.answers import ShownAnswer, ShownGroup
from tally.job.comparison import EvaluationScores
from tally.job.metrics import StepMetrics, flat_figures
from tally.learner.v1 import learner_pb2 as pb
from tests.contract_comments import field_comments
from tests.setting_words import dataclass_schemas

PROTO = "tally/learner/v1/learner.proto"
NAMES = [field.name for field in fields(StepMetrics)]
MEASURED = {k: 0.5 if v is None else v for k, v in asdict(StepMetrics()).items()}


@pytest.mark.parametrize("figures", [StepMetrics, EvaluationScores])
def test_the_contract_has_every_figure_with_its_text(figures: type):
    stated = {name: one["description"] for name, one in dataclass_schemas(figures).items()}
    assert field_comments(PROTO, figures.__name__) == stated


@pytest.mark.parametrize("name", NAMES)
def test_a_name_says_what_its_figure_is(name: str):
    text = dataclass_schemas(StepMetrics)[name]["description"]
    assert name.endswith("_seconds") == text.startswith("Seconds")
    assert (name.endswith("_rate") and name != "learning_rate") == text.startswith("Share of")


@pytest.mark.parametrize("shown", [ShownGroup, ShownAnswer])
def test_what_is_shown_of_a_step_is_what_the_contract_has(shown: type):
    message = getattr(pb, shown.__name__).DESCRIPTOR
    assert [field.name for field in fields(shown)] == [field.name for field in message.fields]


def test_a_metric_that_is_not_stated_is_refused():
    with pytest.raises(ValueError, match="not stated: invented"):
        StepMetrics.of(MEASURED | {"invented": 1.0})


def test_a_metric_that_was_not_measured_is_missed():
    with pytest.raises(ValueError, match="not measured, or not stated: entropy"):
        StepMetrics.of({name: 1.0 for name in NAMES if name != "entropy"})


def test_a_figure_that_is_not_finite_is_none():
    metrics = asdict(StepMetrics.of(MEASURED | {"kl": float("nan"), "loss": float("inf")}))
    assert {name for name, figure in metrics.items() if figure is None} == {"kl", "loss"}


def test_flat_figures_are_the_finite_ones_by_one_name_each():
    measured = {"loss": 0.5, "kl": float("nan"), "parts": {"exact": 1.0, "format": float("inf")}}
    assert flat_figures(measured) == {"loss": 0.5, "parts/exact": 1.0}
