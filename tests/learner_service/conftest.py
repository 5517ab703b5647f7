"""What the learner's tests share: a policy whose adapter matters, a store, a worker's services."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.exactness import load_policy
from learner_service.blobs.blob_store import BlobStore
from learner_service.policy.policy import Policy
from tests.fakes.worker_services import NotingRollouts, WorkerServices


@pytest.fixture
def policy(random_policy_path: Path) -> Policy:
    return load_policy(random_policy_path)


@pytest.fixture
def small_policy(small_model_path: Path) -> Policy:
    """Of each family in turn."""
    return load_policy(small_model_path)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_address(request: pytest.FixtureRequest) -> dict[str, object]:
    """The setting that puts the job store into SQLite, then into PostgreSQL."""
    if request.param == "sqlite":
        return {}
    return {"database_url": request.getfixturevalue("postgres").create()}


@pytest.fixture
def rollouts(random_policy_path: Path) -> NotingRollouts:
    return NotingRollouts(random_policy_path)


@pytest.fixture
def services(rollouts: NotingRollouts) -> Iterator[WorkerServices]:
    services = WorkerServices(rollouts)
    yield services
    services.close()
