"""Real kills: what was acknowledged is there, whole, whenever the process dies."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from learner_service.job_folder import checkpoints
from learner_service.queue.job_store import JobStore
from learner_service.spec import JobSpec

WRITE_CHECKPOINTS = """
import sys
from pathlib import Path
from learner_service.job_folder import checkpoints
folder = Path(sys.argv[1])
step = int(sys.argv[2])
while True:
    step += 1
    staged = folder / "staging" / f"checkpoint-{step}"
    staged.mkdir(parents=True)
    for number in range(5):
        (staged / f"file-{number}").write_bytes(bytes([step % 256]) * 200_000)
    checkpoints.commit(staged, folder / "checkpoints")
    print(step, flush=True)
    checkpoints.prune(folder / "checkpoints", 2)
"""
WRITE_EVENTS = """
import sys
from pathlib import Path
from learner_service.events import StepDone
from learner_service.queue.job_store import JobStore
from tally.job.metrics import StepMetrics
store = JobStore(Path(sys.argv[1]) / "learner.db")
step = int(sys.argv[2])
while True:
    step += 1
    store.append("one", StepDone(step=step, total_steps=10**9, metrics=StepMetrics(loss=0.5)))
    print(step, flush=True)
"""


def killed_after(script: str, folder: Path, step: int, seconds: float) -> int:
    """Runs the script, kills it, and returns the last step that it acknowledged."""
    command = [sys.executable, "-c", script, str(folder), str(step)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    first = process.stdout.readline()
    time.sleep(seconds)
    process.kill()
    return int(((first + process.communicate()[0]).split() or [str(step)])[-1])


@pytest.fixture
def pauses() -> list[float]:
    generator = random.Random(4)
    return [generator.uniform(0.0, 0.15) for _ in range(6)]


def test_a_killed_writer_leaves_every_acknowledged_checkpoint_whole(
    tmp_path: Path, pauses: list[float]
):
    (tmp_path / "checkpoints").mkdir()
    step = 0
    for pause in pauses:
        acknowledged = killed_after(WRITE_CHECKPOINTS, tmp_path, step, pause)
        found = checkpoints.find_last(tmp_path / "checkpoints")
        assert found.step >= acknowledged > step
        assert found.broken == ()
        step = found.step + 1  # the staged one of a killed writer has this number


def test_a_killed_writer_leaves_every_acknowledged_event(tmp_path: Path, pauses: list[float]):
    spec = JobSpec(dataset_digest="a" * 64, base_model="small")
    store = JobStore(tmp_path / "learner.db")
    store.create("one", spec)
    store.close()
    step = 0
    for pause in pauses:
        acknowledged = killed_after(WRITE_EVENTS, tmp_path, step, pause)
        store = JobStore(tmp_path / "learner.db")
        job = store.get("one")
        assert job.current_step >= acknowledged > step
        events = store.events("one", 0, limit=10**6)
        assert [logged.seq for logged in events] == list(range(1, job.last_seq + 1))
        assert [logged.event.step for logged in events] == list(range(1, job.current_step + 1))
        store.close()
        step = job.current_step
