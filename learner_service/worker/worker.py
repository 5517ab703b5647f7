"""One job in one process: stage, load, train, save, compare; events go to the service.

Started by the service, or by torchrun's agent for each rank of a job in several processes, as
`python -m learner_service.worker.worker TASK_FILE EVENTS PARENT_PID`, where EVENTS is a descriptor
or a file. SIGTERM asks it to stop at the next safe boundary, with a checkpoint.
"""

import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.background import BackgroundLoop
from learner_service.clients.clients import open_clients
from learner_service.errors import StopRequested
from learner_service.events import Event, JobPhase, PhaseChanged, to_json
from learner_service.job_folder.task import WorkerTask
from learner_service.phases import Phases
from learner_service.spec import Evaluation
from learner_service.worker.evaluation_job import run_evaluation_job
from learner_service.worker.failures import describe_failure
from learner_service.worker.job_parts import JobParts
from learner_service.worker.training_job import TrainingJob
from tally.host.parent import end_with_parent
from tally.rpc.logs import configure_logging


class Worker:
    """Opens what a job of either kind needs, and runs it."""

    def __init__(self, task: WorkerTask, events: TextIO, stop: threading.Event) -> None:
        self._task = task
        self._events = events
        self._stop = stop
        self._phase = JobPhase.NONE
        self._report_lock = threading.Lock()
        self._phases = Phases(self.report)
        self._store = BlobStore(task.blobs)
        self._loop = BackgroundLoop(stop)

    def run(self) -> None:
        """Ends the job with a result; raises StopRequested, or what went wrong."""
        rollouts, rewards = self._loop.run(
            open_clients(self._task.settings, self.report, self._phases)
        )
        parts = JobParts(
            task=self._task,
            store=self._store,
            loop=self._loop,
            rollouts=rollouts,
            rewards=rewards,
            report=self.report,
            phases=self._phases,
            stop=self._stop,
        )
        work = self._task.spec.work
        if isinstance(work, Evaluation):
            run_evaluation_job(parts, work)
        else:
            TrainingJob(parts, work).run()

    def report(self, event: Event) -> None:
        """Writes one line; a phase that is the current one already is not said again.

        The trainer and the clients report from threads of their own.
        """
        with self._report_lock:
            if isinstance(event, PhaseChanged):
                if event.phase is self._phase:
                    return
                self._phase = event.phase
            self._events.write(to_json(event) + "\n")
            self._events.flush()


def main() -> None:
    end_with_parent(int(sys.argv[3]))
    configure_logging("worker")
    task = WorkerTask.read(Path(sys.argv[1]))
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(int(sys.argv[2]), "w") as events:
        worker = Worker(task, events, stop)
        try:
            with suppress(StopRequested):
                worker.run()
        except Exception as error:
            worker.report(describe_failure(error))
            raise
    # Threads of gRPC and torch must not outlive the interpreter's teardown.
    os._exit(0)


if __name__ == "__main__":
    main()
