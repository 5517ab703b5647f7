"""Fixtures that more than one folder of tests needs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tally import torch_compat
from tally.families.registry import FAMILIES
from tests.postgres import Postgres, running_postgres

torch_compat.install()  # before any test imports transformers
# Before any test imports torch: threads that spin take the cores from what runs beside them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def random_policy_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small policy's architecture, tokenizer and processor; random weights."""
    from tally.samples.small_models import save_small_model

    path = tmp_path_factory.mktemp("policy")
    save_small_model("qwen2_5_vl", path)
    return path


@pytest.fixture(scope="session", params=FAMILIES)
def small_model_path(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with a small model of each family in turn; random weights."""
    from tally.samples.small_models import save_small_model

    path = tmp_path_factory.mktemp("small") / request.param
    save_small_model(request.param, path)
    return path


@pytest.fixture(scope="session")
def small_aria_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small Aria; random weights."""
    from tally.samples.small_models import save_small_model

    path = tmp_path_factory.mktemp("aria")
    save_small_model("aria", path)
    return path


@pytest.fixture(scope="session", autouse=True)
def _own_four_bit_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test leaves a base beside this machine's own models."""
    folder = str(tmp_path_factory.mktemp("4bit"))
    with pytest.MonkeyPatch.context() as patch:
        for service in ("LEARNER", "ROLLOUT"):
            patch.setenv(f"TALLY_{service}_FOUR_BIT_FOLDER", folder)
        yield


@pytest.fixture(scope="session", autouse=True)
def _patient_databases() -> Iterator[None]:
    """A machine may be so busy with other tests that for seconds a call has no core."""
    with pytest.MonkeyPatch.context() as patch:
        for service in ("LEARNER", "GATEWAY"):
            patch.setenv(f"TALLY_{service}_DATABASE_TIMEOUT_SECONDS", "300")
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server
