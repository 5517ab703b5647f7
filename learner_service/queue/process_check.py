"""How many processes a job asks for, and whether it can have them."""

from learner_service.errors import InvalidSpec
from learner_service.settings import LearnerSettings, ShardBase
from learner_service.spec import JobSpec, Training


def asked_processes(spec: JobSpec, settings: LearnerSettings) -> int:
    """How many the job is to have; what trains nothing has one."""
    if not isinstance(spec.work, Training):
        return 1
    return settings.processes_of(spec.work.config)


def processes_of_attempt(spec: JobSpec, settings: LearnerSettings, lost: int) -> int:
    """How many are planned for an attempt after `lost` workers were lost in a row without progress:
    the first may have been chance; from the second on there is one process fewer each time."""
    return max(1, asked_processes(spec, settings) - max(0, lost - 1))


def check_processes(spec: JobSpec, settings: LearnerSettings) -> None:
    """Raises InvalidSpec that names the field."""
    if not isinstance(spec.work, Training):
        return
    config, most = spec.work.config, settings.processes_per_job
    if config.processes > most:
        raise InvalidSpec(
            f"config.processes: this learner has {most} for a job (gpus_per_job times "
            f"nodes_per_job); expected at most {most}, or 0 for all of them"
        )
    is_sharded = settings.shard_base is ShardBase.ALWAYS and settings.processes_of(config) > 1
    if is_sharded and config.use_4bit:
        raise InvalidSpec(
            "config.use_4bit: the processes of this learner hold every base in parts (shard_base), "
            "which is not done in 4 bits; expected false, or config.processes of 1: 4 bits on one "
            "card are the recommended way"
        )
