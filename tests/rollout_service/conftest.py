import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import torch

from rollout_service.settings import RolloutSettings
from rollout_service.torch_replica import torch_engine
from tally.torch_engine.engine import TorchEngine
from tests.rollout_service.support import Reference, Service, running_service


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def reference(random_policy_path: Path) -> Reference:
    return Reference(random_policy_path)


@pytest.fixture(scope="session")
def engine(random_policy_path: Path) -> Iterator[TorchEngine]:
    """The real engine, loaded once: it belongs to no event loop."""
    engine = torch_engine(
        RolloutSettings(model=str(random_policy_path), torch_threads=1, max_resident_adapters=2)
    )
    asyncio.run(engine.load())
    yield engine
    asyncio.run(engine.close())


@pytest.fixture
async def service(engine: TorchEngine, tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(engine, tmp_path / "blobs") as service:
        yield service
