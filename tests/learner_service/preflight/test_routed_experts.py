"""What preflight says of a mixture of experts, by Aria's public configuration."""

from learner_service.preflight.findings import Severity
from learner_service.preflight.routed_experts import of_experts
from tally.families.aria import ARIA
from tally.families.shape import ModelShape
from tally.job.settings import TrainingConfig
from tests.tally.families.test_aria import public_config


def test_routed_experts_are_said_not_to_be_adapted_and_not_to_shrink():
    shape = ARIA.shape(public_config())
    [finding] = of_experts(TrainingConfig(use_4bit=True), shape, bytes_per_number=2)
    assert finding.severity is Severity.NOTE
    assert "22.9 of 25.3 billion weights, are not adapted" in str(finding.message)
    assert "not held in 4 bits either, and take 45.8 GB" in str(finding.message)
    [finding] = of_experts(TrainingConfig(use_4bit=False), shape, bytes_per_number=2)
    assert "4 bits" not in str(finding.message)


def test_a_model_without_routed_experts_has_none_of_it():
    shape = ModelShape(
        vocabulary=10,
        hidden=8,
        layers=1,
        query=8,
        key_value=8,
        intermediate=16,
        tied_embeddings=True,
        vision_parameters=100,
    )
    assert list(of_experts(TrainingConfig(), shape, bytes_per_number=2)) == []
