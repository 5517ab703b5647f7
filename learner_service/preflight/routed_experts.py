"""What a job should know of a mixture of experts. Pure."""

from collections.abc import Iterator

from learner_service.preflight.findings import Finding, Severity
from tally.families.shape import ModelShape
from tally.job.settings import TrainingConfig


def of_experts(
    training: TrainingConfig, shape: ModelShape, bytes_per_number: int
) -> Iterator[Finding]:
    """What of the base model LoRA and 4 bits don't reach."""
    if not shape.routed_parameters:
        return
    routed, all_of_it = shape.routed_parameters / 1e9, shape.parameters / 1e9
    message = (
        f"the routed experts, {routed:.1f} of {all_of_it:.1f} billion weights, are not adapted; "
        "attention and the shared experts are"
    )
    if training.use_4bit:
        held = routed * bytes_per_number
        message += f". They are not held in 4 bits either, and take {held:.1f} GB as they are"
    yield Finding(
        severity=Severity.NOTE, code="routed_experts", where="base_model", message=message
    )
