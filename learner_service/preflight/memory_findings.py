"""Whether a job fits into memory, the nearest settings that do, and what 4 bits are for. Pure."""

from collections.abc import Callable, Iterator

from learner_service.preflight.findings import Finding, Severity
from learner_service.preflight.memory import MemoryEstimate
from learner_service.preflight.savings import nearest_that_fits
from tally.job.settings import TrainingConfig

_TIGHT = 0.85


def of_memory(
    training: TrainingConfig, estimate: Callable[[TrainingConfig], MemoryEstimate]
) -> Iterator[Finding]:
    """`estimate` says what a worker with these settings would need."""
    now = estimate(training)
    if training.use_4bit and now.device == "cpu":
        yield _four_bit_on_cpu(now, estimate(training.model_copy(update={"use_4bit": False})))
    if not now.available_bytes or _fits(now):
        return
    too_much = now.estimated_bytes > now.available_bytes
    smaller = nearest_that_fits(training, lambda t: _fits(estimate(t)), device=now.device)
    need, have = now.estimated_bytes / 1e9, now.available_bytes / 1e9
    each = f" for each of {now.processes} processes" if now.processes > 1 else ""
    yield Finding(
        severity=Severity.ERROR if too_much else Severity.WARNING,
        code="not_enough_memory" if too_much else "tight_memory",
        where="train.config.batch_size",
        message=f"an estimated {need:.1f} GB are needed and there are {have:.1f} GB" + each,
        suggestion=smaller,
    )


def _four_bit_on_cpu(now: MemoryEstimate, full: MemoryEstimate) -> Finding:
    need, full_need = now.estimated_bytes / 1e9, full.estimated_bytes / 1e9
    return Finding(
        severity=Severity.NOTE,
        code="four_bit_on_cpu",
        where="train.config.use_4bit",
        message="4 bits on a CPU are slower, and memory is the only gain: an estimated "
        f"{need:.1f} GB rather than {full_need:.1f} GB",
        suggestion={"train.config.use_4bit": False} if _fits(full) else {},
    )


def _fits(estimate: MemoryEstimate) -> bool:
    return estimate.estimated_bytes <= _TIGHT * estimate.available_bytes
