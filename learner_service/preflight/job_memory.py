"""A job's memory as a function of its settings, which may differ from those it was asked with."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from learner_service.models import read_supported
from learner_service.preflight.device_memory import available_memory
from learner_service.preflight.memory import MemoryEstimate, Precision, Prompts, estimate_memory
from learner_service.preflight.replica_memory import estimate_replica_memory
from learner_service.settings import LearnerSettings
from learner_service.spec import Training
from tally.families.shape import ModelShape
from tally.job.settings import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class JobMemory:
    """`prompts` are those that images of at most so many pixels a side make.

    `sharing` processes of the job have the memory of one device between them.

    Replicas are taken to have the worker's kind of device and its numbers.
    """

    shape: ModelShape
    training: Training
    prompts: Callable[[int], Prompts]
    device: str
    available_bytes: int
    bytes_per_number: int
    feature_cache_bytes: int
    sharing: int = 1

    @classmethod
    def of_model(
        cls,
        source: str,
        training: Training,
        prompts: Callable[[int], Prompts],
        settings: LearnerSettings,
    ) -> "JobMemory":
        """Reads the model's configuration from `source`, a folder or a hub name."""
        config, family = read_supported(source)
        device, available_bytes = available_memory(settings.device)
        half = settings.dtype == "bfloat16" or (settings.dtype == "auto" and device == "cuda")
        return cls(
            shape=family.shape(config),
            training=training,
            prompts=prompts,
            device=device,
            available_bytes=available_bytes,
            bytes_per_number=2 if half else 4,
            feature_cache_bytes=settings.feature_cache_bytes,
            sharing=1 if device == "cuda" else _processes_here(training.config, settings),
        )

    def of_worker(self, changed: TrainingConfig) -> MemoryEstimate:
        estimate = estimate_memory(
            self.shape,
            changed,
            self.training.lora,
            self.prompts(changed.max_image_size),
            device=self.device,
            bytes_per_number=self.bytes_per_number,
            feature_cache_bytes=self.feature_cache_bytes,
            available_bytes=self.available_bytes // self.sharing,
        )
        return replace(estimate, processes=self.sharing)

    def of_replica(self, *, use_4bit: bool) -> MemoryEstimate:
        return estimate_replica_memory(
            self.shape,
            self.training.config,
            self.training.lora,
            self.prompts(self.training.config.max_image_size),
            Precision(bytes_per_number=self.bytes_per_number, use_4bit=use_4bit),
            device=self.device,
            available_bytes=self.available_bytes,
        )


def _processes_here(training: TrainingConfig, settings: LearnerSettings) -> int:
    """As many of a job's processes as one host has; on a CPU they share its memory."""
    return min(training.processes or settings.processes_per_job, settings.gpus_per_job)
