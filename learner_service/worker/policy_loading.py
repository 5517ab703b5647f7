"""How a worker loads its policy: where, in which precision, and with which adapter."""

import torch

from learner_service.job_folder.task import WorkerTask
from learner_service.models import read_supported
from learner_service.policy.adapters import load_adapter
from learner_service.policy.device import device_name, dtype_of, kept_bases
from learner_service.policy.policy import Policy, PolicySettings
from learner_service.preflight.job_device import JobDevice
from learner_service.ranks import Ranks
from learner_service.spec import Training
from learner_service.worker.job_parts import JobParts


def load_policy(parts: JobParts, training: Training) -> Policy:
    """Of all ranks together, with the adapter that training begins with."""
    policy = _load(parts.task, training, parts.ranks)
    if training.adapter_digest:
        load_adapter(policy.model, parts.store.path(training.adapter_digest))
    return policy


def _load(task: WorkerTask, training: Training, ranks: Ranks) -> Policy:
    settings, config = task.settings, training.config
    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    return Policy(
        PolicySettings(
            source=task.model_source,
            device=device_name(settings),
            dtype=dtype_of(settings),
            use_4bit=config.use_4bit,
            seed=config.seed,
            feature_cache_bytes=settings.feature_cache_bytes,
            feature_folder=(settings.feature_folder or settings.data_dir / "features")
            if settings.feature_folder_bytes
            else None,
            feature_folder_bytes=settings.feature_folder_bytes,
            gradient_checkpointing=config.gradient_checkpointing,
            kept_bases=kept_bases(settings),
        ),
        training.lora,
        sharded_over=ranks if ranks.count > 1 and _is_sharded(task, training, ranks) else None,
    )


def _is_sharded(task: WorkerTask, training: Training, ranks: Ranks) -> bool:
    """As preflight chooses, for as many processes as there are; the first one's word holds."""
    config, family = read_supported(task.model_source)
    device = JobDevice.of_settings(task.settings)
    running = training.config.model_copy(update={"processes": ranks.count})
    return ranks.broadcast(device.shard_count(family.shape(config), running) > 1)
