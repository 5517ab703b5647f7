"""Whether a job fits into memory, the nearest settings that do, and what 4 bits are for. Pure.

A base that does not fit one device is held in 4 bits or in parts by the processes of the job.
"""

from collections.abc import Callable, Iterator

from learner_service.preflight.findings import Finding, Severity
from learner_service.preflight.memory import TIGHT, MemoryEstimate
from learner_service.preflight.savings import nearest_that_fits
from tally.job.settings import TrainingConfig
from tally.messages.message import Message

_MOST_PROCESSES = 64


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
    several = now.processes > 1
    each = Message("for_each_process", processes=now.processes) if several else ""
    yield Finding(
        severity=Severity.ERROR if too_much else Severity.WARNING,
        code="not_enough_memory" if too_much else "tight_memory",
        where="train.config.batch_size",
        message=Message(
            "memory_needed",
            need=now.estimated_bytes / 1e9,
            have=now.available_bytes / 1e9,
            each=each,
            more=_more_processes(training, estimate, device=now.device),
        ),
        suggestion=smaller,
    )


def of_sharding(
    training: TrainingConfig,
    sharded_over: int,
    estimate: Callable[[TrainingConfig], MemoryEstimate],
) -> Iterator[Finding]:
    """`sharded_over`: how many processes hold the base's layers in parts, 1 for the whole."""
    if sharded_over == 1:
        return
    in_4_bits = {"use_4bit": True, "processes": 1}
    on_one = estimate(training.model_copy(update=in_4_bits))
    does = on_one.device == "cuda" and _fits(on_one)
    yield Finding(
        severity=Severity.NOTE,
        code="sharded_base",
        where="base_model",
        message=Message("sharded_needlessly" if does else "sharded_base", processes=sharded_over),
        suggestion={f"train.config.{name}": value for name, value in in_4_bits.items()}
        if does
        else {},
    )


def _more_processes(
    training: TrainingConfig, estimate: Callable[[TrainingConfig], MemoryEstimate], *, device: str
) -> Message | str:
    """How many cards would do, where the processes of a job can hold the base in parts."""
    if training.use_4bit or device == "cpu":
        return ""
    for processes in range(max(2, training.processes + 1), _MOST_PROCESSES + 1):
        if _fits(estimate(training.model_copy(update={"processes": processes}))):
            return Message("more_processes", processes=processes)
    return ""


def _four_bit_on_cpu(now: MemoryEstimate, full: MemoryEstimate) -> Finding:
    return Finding(
        severity=Severity.NOTE,
        code="four_bit_on_cpu",
        where="train.config.use_4bit",
        message=Message(
            "four_bit_on_cpu", need=now.estimated_bytes / 1e9, full=full.estimated_bytes / 1e9
        ),
        suggestion={"train.config.use_4bit": False} if _fits(full) else {},
    )


def _fits(estimate: MemoryEstimate) -> bool:
    return estimate.estimated_bytes <= TIGHT * estimate.available_bytes
