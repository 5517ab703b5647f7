"""A job's memory as a function of its settings, which may differ from those it was asked with."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from learner_service.models import read_supported
from learner_service.preflight.job_device import JobDevice
from learner_service.preflight.memory import MemoryEstimate, Precision, Prompts, estimate_memory
from learner_service.preflight.replica_memory import add_sampling, estimate_replica_memory
from learner_service.settings import LearnerSettings
from learner_service.spec import Training
from tally.families.shape import ModelShape
from tally.job.settings import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class JobMemory:
    """`prompts` are those that images of at most so many pixels a side make.

    Replicas are taken to have the worker's kind of device and its numbers.
    """

    shape: ModelShape
    training: Training
    prompts: Callable[[int], Prompts]
    device: JobDevice

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
        return cls(
            shape=family.shape(config),
            training=training,
            prompts=prompts,
            device=JobDevice.of_settings(settings),
        )

    def of_worker(self, changed: TrainingConfig) -> MemoryEstimate:
        estimate = estimate_memory(
            self.shape,
            changed,
            self.training.lora,
            self.prompts(changed.max_image_size),
            device=self.device.name,
            bytes_per_number=self.device.bytes_per_number,
            feature_cache_bytes=self.device.settings.feature_cache_bytes,
            available_bytes=self.device.available_bytes(changed),
            sharded_over=self.shard_count(changed),
        )
        if self.device.settings.samples_inside:
            estimate = self._add_sampling(estimate, changed)
        return replace(estimate, processes=self.device.sharing(changed))

    def _add_sampling(self, worker: MemoryEstimate, changed: TrainingConfig) -> MemoryEstimate:
        return add_sampling(
            worker,
            self.shape,
            changed,
            self.training.lora,
            self.prompts(changed.max_image_size),
            precision=Precision(
                bytes_per_number=self.device.bytes_per_number, use_4bit=changed.use_4bit
            ),
        )

    def shard_count(self, changed: TrainingConfig) -> int:
        """How many processes hold the base's layers in parts; 1 where each holds the whole."""
        return self.device.shard_count(self.shape, changed)

    def of_replica(self, *, use_4bit: bool) -> MemoryEstimate:
        return estimate_replica_memory(
            self.shape,
            self.training.config,
            self.training.lora,
            self.prompts(self.training.config.max_image_size),
            Precision(bytes_per_number=self.device.bytes_per_number, use_4bit=use_4bit),
            device=self.device.name,
            available_bytes=self.device.memory_bytes,
        )
