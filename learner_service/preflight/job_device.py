"""What each process of a job has on its device, and how much of the base it is to hold there."""

from dataclasses import dataclass

from learner_service.preflight.device_memory import available_memory
from learner_service.preflight.memory import TIGHT, WORKER_LIBRARIES_BYTES, Precision
from learner_service.settings import LearnerSettings, ShardBase
from tally.families.shape import ModelShape
from tally.job.settings import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class JobDevice:
    """`name` is cpu or cuda; `memory_bytes` are those of one device, 0 where that is not known."""

    name: str
    memory_bytes: int
    bytes_per_number: int
    settings: LearnerSettings

    @classmethod
    def of_settings(cls, settings: LearnerSettings) -> "JobDevice":
        name, memory_bytes = available_memory(settings.device)
        half = settings.dtype == "bfloat16" or (settings.dtype == "auto" and name == "cuda")
        return cls(
            name=name,
            memory_bytes=memory_bytes,
            bytes_per_number=2 if half else 4,
            settings=settings,
        )

    def sharing(self, training: TrainingConfig) -> int:
        """How many processes of the job share a device: on a CPU as many as one host has."""
        if self.name == "cuda":
            return 1
        return min(self.settings.processes_of(training), self.settings.gpus_per_job)

    def available_bytes(self, training: TrainingConfig) -> int:
        """Of each process; jobs that run at once on a CPU have equal parts of it."""
        jobs = 1 if self.name == "cuda" else max(1, self.settings.jobs_at_once)
        return self.memory_bytes // (jobs * self.sharing(training))

    def shard_count(self, shape: ModelShape, training: TrainingConfig) -> int:
        """How many processes hold the base's layers in parts; 1 where each holds the whole."""
        wanted = self.settings.shard_base
        if training.use_4bit or wanted is ShardBase.NEVER:
            return 1
        if wanted is ShardBase.AUTO and self._has_room(shape, training):
            return 1
        return self.settings.processes_of(training)

    def _has_room(self, shape: ModelShape, training: TrainingConfig) -> bool:
        """Whether a whole base fits, whatever the job is to learn from."""
        whole = Precision(bytes_per_number=self.bytes_per_number, use_4bit=False)
        held = whole.weights_bytes(shape) + whole.loading_bytes(shape)
        available = self.available_bytes(training)
        return not available or WORKER_LIBRARIES_BYTES[self.name] + held <= TIGHT * available
