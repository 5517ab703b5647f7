"""The beginning of every process of a job, before anything heavy is imported.

    python -m learner_service.worker.start PROGRAM JOB_FOLDER PARENT_PID

PROGRAM is `worker`, `launch`, or `rank`, a worker that a launch started. torch takes seconds to
import, in which the service may be killed and started again. So a process first sees to it that it
dies with its parent, and then waits until it has the job to itself: a job's folder has one writer,
whatever became of the service that started the one before.
"""

import sys
import time
from pathlib import Path
from typing import IO

from learner_service.lean_imports import import_lean
from tally.host.locks import InUse, lock_file
from tally.host.parent import end_with_parent

_RANK, _WORKER = "rank", "worker"
# The one before dies with its service; what is beyond this has another reason.
_WAIT_SECONDS = 60.0


def main() -> None:
    program, job_folder, parent_pid = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    end_with_parent(parent_pid)
    if program == _RANK:  # the launch holds the job for all of its ranks
        run(_WORKER)
    else:
        with hold_job(job_folder):
            run(program)


def run(program: str) -> None:
    import_lean(f"learner_service.worker.{program}").main()


def hold_job(folder: Path) -> IO[bytes]:
    """Returns once no other process has the job; ends this one where another does not end."""
    # Imported late, too: it brings pydantic.
    from learner_service.job_folder.layout import JobFolder  # noqa: PLC0415

    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            return lock_file(JobFolder(folder).worker_lock)
        except InUse:
            if time.monotonic() > deadline:
                sys.exit(f"another process has held the job in {folder} for {_WAIT_SECONDS:.0f} s")
            time.sleep(0.05)


if __name__ == "__main__":
    main()
