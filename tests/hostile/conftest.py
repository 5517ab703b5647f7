"""A gateway's process, a reward service's process, and a learner that trains nothing."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from learner_service.clients.background import BackgroundLoop
from tests.fakes.learner import FakeLearner
from tests.hostile.oracle import Target
from tests.waiting import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).parents[2]


@contextmanager
def running_process(log: Path, module: str, *flags: str, **variables: str) -> Iterator[int]:
    """A service of its own process; → the port that it listens on."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *flags], env=environment, stderr=file, stdout=file
        )
        try:
            found = wait_until(
                lambda: re.search(r"listening on \S*:(\d+)", log.read_text()), log.read_text
            )
            yield int(found[1])
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


@contextmanager
def running_learner() -> Iterator[int]:
    """A fake learner on a loop of its own thread; → its port."""
    loop, learner = BackgroundLoop(threading.Event()), FakeLearner()
    try:
        loop.run(learner.start())
        yield learner.port
    finally:
        loop.run(learner.close())
        loop.close()


@contextmanager
def running_target(root: Path, **settings: object) -> Iterator[Target]:
    """A gateway of these settings that has `root` to itself."""
    data_dir, log = root / "data", root / "gateway.log"
    with ExitStack() as stack:
        reward = stack.enter_context(
            running_process(root.parent / "reward.log", "reward_service", "--server.port", "0")
        )
        learner = stack.enter_context(running_learner())
        port = stack.enter_context(
            running_process(
                log,
                "gateway",
                *("--port", "0", "--data-dir", str(data_dir)),
                **{f"TALLY_GATEWAY_{name.upper()}": str(value) for name, value in settings.items()},
                TALLY_GATEWAY_REWARD__TARGET=f"127.0.0.1:{reward}",
                TALLY_GATEWAY_LEARNER__TARGET=f"127.0.0.1:{learner}",
            )
        )
        base_url, chinese = f"http://127.0.0.1:{port}", {"Accept-Language": "zh-TW"}
        client = httpx.Client(base_url=base_url, timeout=PATIENCE_SECONDS)
        reader = httpx.Client(base_url=base_url, timeout=PATIENCE_SECONDS, headers=chinese)
        clients = stack.enter_context(client), stack.enter_context(reader)
        yield Target(*clients, root, data_dir, log)


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    root = tmp_path_factory.mktemp("hostile") / "gateway"
    root.mkdir()
    with running_target(root) as running:
        yield running
