"""What a job should know of a mixture of experts. Pure."""

from collections.abc import Iterator

from learner_service.preflight.findings import Finding, Severity
from tally.families.shape import ModelShape
from tally.job.settings import TrainingConfig
from tally.messages.message import Message


def of_experts(
    training: TrainingConfig, shape: ModelShape, bytes_per_number: int
) -> Iterator[Finding]:
    """What of the base model LoRA and 4 bits don't reach."""
    if not shape.routed_parameters:
        return
    routed, all_of_it = shape.routed_parameters / 1e9, shape.parameters / 1e9
    message = Message("routed_experts", routed=routed, all=all_of_it)
    if training.use_4bit:
        held = routed * bytes_per_number
        message = Message("routed_experts_whole", routed=routed, all=all_of_it, held=held)
    yield Finding(
        severity=Severity.NOTE, code="routed_experts", where="base_model", message=message
    )
