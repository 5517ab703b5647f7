"""What the learner's tests share: a policy whose adapter matters, a store, a worker's services."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from learner_service.blobs.blob_store import BlobStore
from learner_service.policy.policy import Policy, PolicySettings
from tally.job.settings import LoraConfig
from tests.fakes.worker_services import NotingRollouts, WorkerServices


@pytest.fixture
def policy(random_policy_path: Path) -> Policy:
    return load(random_policy_path)


@pytest.fixture
def small_policy(small_model_path: Path) -> Policy:
    """Of each family in turn."""
    return load(small_model_path)


def load(path: Path) -> Policy:
    """The policy in `path` with an adapter that changes what it says."""
    settings = PolicySettings(
        source=str(path),
        device="cpu",
        dtype=torch.float32,
        use_4bit=False,
        seed=3,
        feature_cache_bytes=10**8,
    )
    policy = Policy(settings, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0))
    for name, parameter in policy.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return policy


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def rollouts(random_policy_path: Path) -> NotingRollouts:
    return NotingRollouts(random_policy_path)


@pytest.fixture
def services(rollouts: NotingRollouts) -> Iterator[WorkerServices]:
    services = WorkerServices(rollouts)
    yield services
    services.close()
