"""One real stack for the session, a browser for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tally.samples.dataset import write_sample_data
from tests.stack import Stack, running_stack
from tests.ui.scripted import ScriptedJob, scripted_job
from tests.ui.visitor import chromium


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack"), "--no-use-4bit") as stack:
        yield stack


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with training_data.zip and held_out.zip."""
    folder = tmp_path_factory.mktemp("data")
    write_sample_data(folder, training=18, held_out=18, seed=4)
    return folder


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def job(tmp_path: Path, data: Path) -> AsyncIterator[ScriptedJob]:
    async with scripted_job(tmp_path / "gateway", data / "training_data.zip") as job:
        yield job
