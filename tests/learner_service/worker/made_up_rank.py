"""A rank that does nothing but meet the others, step after step; and its launch, for tests.

Its arguments are those of learner_service/worker/start.py.
"""

import os
import sys
import time

from learner_service.errors import LossNotFinite
from learner_service.events import Notice
from learner_service.lean_imports import import_lean
from learner_service.worker import start


class MadeUpJob:
    """Stands for TrainingJob: says its step and its process, and keeps the step where it stops."""

    def __init__(self, parts, work) -> None:
        self._parts = parts

    def run(self) -> None:
        ranks, folder, step = self._parts.ranks, self._parts.task.settings.data_dir, 0
        (folder / f"rank-{ranks.rank}").write_text(f"{os.getpid()} {os.environ['OMP_NUM_THREADS']}")
        while not any(ranks.exchange(self._parts.stop.is_set())):
            step += 1
            self._parts.report(Notice(message=f"step {step} of {ranks.count}"))
            if (folder / f"fails-{ranks.rank}").exists():
                raise LossNotFinite
            time.sleep(0.01)
        (folder / f"stopped-{ranks.rank}").write_text(str(step))


if __name__ == "__main__":
    if sys.argv[1] == "launch":
        launch = import_lean("learner_service.worker.launch")
        launch.PROGRAM = "tests.learner_service.worker.made_up_rank"
    else:
        import_lean("learner_service.worker.worker").TrainingJob = MadeUpJob
    start.main()
