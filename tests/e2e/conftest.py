"""One stack for the session, and data to train on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tally.samples.dataset import write_dataset
from tests.stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """For jobs in full precision, whose adapters PEFT is asked about."""
    with running_stack(tmp_path_factory.mktemp("stack"), "--no-use-4bit") as stack:
        yield stack


@pytest.fixture(scope="session")
def training_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen scenes in the documented format."""
    path = tmp_path_factory.mktemp("data") / "training_data.zip"
    write_dataset(path, scenes=18, seed=5)
    return path


@pytest.fixture(scope="session")
def many_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty scenes, of which a job holds six out."""
    path = tmp_path_factory.mktemp("many") / "sixty.zip"
    write_dataset(path, scenes=60, seed=6)
    return path


@pytest.fixture(scope="session")
def file_id(stack: Stack, training_zip: Path) -> str:
    return stack.upload(training_zip)
