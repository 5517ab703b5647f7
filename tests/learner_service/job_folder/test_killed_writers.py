"""Real kills: a checkpoint that was acknowledged is there, whole, whenever the process dies."""

from pathlib import Path

from learner_service.job_folder.layout import JobFolder
from tests.learner_service.kills import PAUSES_SECONDS, kill_writer

WRITE_CHECKPOINTS = """
import sys
from pathlib import Path
from learner_service.job_folder.layout import JobFolder
folder = JobFolder(Path(sys.argv[1]))
step = int(sys.argv[2])
while True:
    step += 1
    staged = folder.staging / f"checkpoint-{step}"
    staged.mkdir(parents=True)
    for number in range(5):
        (staged / f"file-{number}").write_bytes(bytes([step % 256]) * 200_000)
    folder.checkpoints.commit(staged)
    print(step, flush=True)
    folder.checkpoints.prune(2)
"""


def test_a_killed_writer_leaves_every_acknowledged_checkpoint_whole(tmp_path: Path):
    checkpoints = JobFolder(tmp_path).checkpoints
    step = 0
    for pause in PAUSES_SECONDS:
        acknowledged = kill_writer(WRITE_CHECKPOINTS, tmp_path, step, pause)
        found = checkpoints.find_last()
        assert found.step >= acknowledged > step
        assert found.broken == ()
        step = found.step + 1  # the staged one of a killed writer has this number
