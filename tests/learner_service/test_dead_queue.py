"""A learner whose queue has ended serves nobody."""

import asyncio
from pathlib import Path

import pytest

from learner_service.__main__ import run
from learner_service.queue.jobs import Jobs
from learner_service.settings import LearnerSettings
from tally.rpc.settings import ServerSettings
from tests.waiting import PATIENCE_SECONDS


async def test_what_ends_the_queue_ends_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async def end(jobs: Jobs) -> None:
        raise RuntimeError("the queue is dead")

    monkeypatch.setattr(Jobs, "run", end)
    settings = LearnerSettings(data_dir=tmp_path, server=ServerSettings(port=0))
    with pytest.raises(RuntimeError, match="the queue is dead"):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await run(settings)
