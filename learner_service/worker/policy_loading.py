"""How a worker loads its policy: where, and in which precision."""

import torch

from learner_service.job_folder.task import WorkerTask
from learner_service.models import read_supported
from learner_service.policy.policy import Policy, PolicySettings
from learner_service.preflight.job_device import JobDevice
from learner_service.ranks import Ranks
from learner_service.spec import Training
from tally.weights.kept_bases import KeptBases, default_folder


def load_policy(task: WorkerTask, training: Training, ranks: Ranks) -> Policy:
    """Of all `ranks` together."""
    settings, config = task.settings, training.config
    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = settings.dtype
    if dtype == "auto":
        dtype = "bfloat16" if device == "cuda" else "float32"
    return Policy(
        PolicySettings(
            source=task.model_source,
            device=device,
            dtype=getattr(torch, dtype),
            use_4bit=config.use_4bit,
            seed=config.seed,
            feature_cache_bytes=settings.feature_cache_bytes,
            feature_folder=(settings.feature_folder or settings.data_dir / "features")
            if settings.feature_folder_bytes
            else None,
            feature_folder_bytes=settings.feature_folder_bytes,
            gradient_checkpointing=config.gradient_checkpointing,
            kept_bases=KeptBases(
                settings.four_bit_folder or default_folder(), settings.four_bit_folder_bytes
            ),
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
