"""One job in one process: stage, load, train, save, compare; events go to the service.

learner_service/worker/start.py runs it, for the service, or for torchrun's agent as each rank of a
job in several processes. SIGTERM asks it to stop at the next safe boundary, with a checkpoint.
"""

import logging
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.background import BackgroundLoop
from learner_service.clients.clients import open_clients
from learner_service.errors import RankLost, StopRequested
from learner_service.events import (
    Event,
    JobPhase,
    Notice,
    PhaseChanged,
    StepDone,
    WorkerStarted,
    to_json,
)
from learner_service.job_folder.task import WorkerTask
from learner_service.patience import Patience
from learner_service.phases import Phases
from learner_service.ranks import Ranks
from learner_service.spec import Evaluation
from learner_service.worker.evaluation_job import run_evaluation_job
from learner_service.worker.failures import LOST_OTHERS, describe_failure
from learner_service.worker.job_parts import JobParts
from learner_service.worker.own_gpu import see_own_gpu
from learner_service.worker.rank_failure import write_failure
from learner_service.worker.training_job import TrainingJob
from tally.logs.fields import add_process_fields
from tally.logs.setup import configure_logging
from tally.rpc.errors import FailedPrecondition

_log = logging.getLogger(__name__)


class Worker:
    """Opens what a job of either kind needs, and runs it."""

    def __init__(
        self,
        task: WorkerTask,
        events: TextIO,
        stop: threading.Event,
        ranks: Ranks | None = None,
    ) -> None:
        self._ranks = ranks or Ranks.alone()
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
            ranks=self._ranks,
        )
        self._say_if_fewer()
        work = self._task.spec.work
        if isinstance(work, Evaluation):
            run_evaluation_job(parts, work)
        else:
            TrainingJob(parts, work).run()

    def _say_if_fewer(self) -> None:
        count, asked = self._ranks.count, self._task.launch.processes
        if count < asked:
            message = f"running in {count} of {asked} processes: there are no more GPUs"
            self.report(Notice(message=message))

    def report(self, event: Event) -> None:
        """Writes one line; a phase that is the current one already is not said again.

        The trainer and the clients report from threads of their own. Only the first rank speaks
        for the job; of what any has to say, its log has what a person follows.
        """
        if said := _describe(event):
            _log.info("%s", said)
        if not self._ranks.is_first:
            return
        with self._report_lock:
            if isinstance(event, PhaseChanged):
                if event.phase is self._phase:
                    return
                self._phase = event.phase
            self._events.write(to_json(event) + "\n")
            self._events.flush()


def _describe(event: Event) -> str:
    """A line for the job's log; empty for what comes too often, or is for a page."""
    match event:
        case WorkerStarted(resumed_from_step=step, total_steps=total):
            return f"going on after step {step} of {total}" if step else f"{total} steps to do"
        case StepDone(step=step, total_steps=total, metrics=metrics):
            reward, loss = _figure(metrics.reward_mean), _figure(metrics.loss)
            return f"step {step} of {total}: reward {reward}, loss {loss}"
        case Notice(message=message):
            return message
    return ""


def _figure(value: float | None) -> str:
    """What is not finite is None."""
    return "no number" if value is None else f"{value:.4g}"


def join_ranks(task: WorkerTask, stop: threading.Event) -> Ranks:
    """The processes of the job, as torchrun's agent has started them.

    Raises FailedPrecondition where what it says is not what the job was given, RankLost.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if task.launch.processes == 1:
        if started > 1:
            raise FailedPrecondition(
                f"this worker was started as one of {started} and its job has one process; start "
                "the learner without torchrun and set gpus_per_job"
            )
        return Ranks.alone()
    see_own_gpu()
    # What is left of the time is for the checkpoint.
    patience = Patience(stop, task.settings.worker_stop_seconds / 3)
    return Ranks.join(task.settings.rank_wait_seconds, patience)


def main(task_file: Path, events_place: str) -> None:
    """`events_place` is a descriptor or a file."""
    rank = int(os.environ.get("RANK", "0"))
    task = WorkerTask.read(task_file)
    add_process_fields(job_id=task.job_id, attempt=task.attempt)
    if task.launch.processes > 1:
        add_process_fields(rank=rank)
    configure_logging("worker", task.settings.log_level, task.settings.log_format)
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with _open_events(events_place) as events:
        code = _run(task, events, stop, speaks=rank == 0)
    # Threads of gRPC and torch must not outlive the interpreter's teardown.
    os._exit(code)


def _open_events(place: str) -> TextIO:
    return os.fdopen(int(place), "w") if place.isdigit() else Path(place).open("w")


def _run(task: WorkerTask, events: TextIO, stop: threading.Event, *, speaks: bool) -> int:
    """Runs the job; the exit code. What went wrong is told by the first rank, or by the agent."""
    try:
        with suppress(StopRequested), join_ranks(task, stop) as ranks:
            Worker(task, events, stop, ranks).run()
    except RankLost as error:
        _log.warning("%s", error)
        return LOST_OTHERS
    except Exception as error:
        _log.exception("the worker gives up")
        failure = describe_failure(error)
        write_failure(failure)
        if speaks:
            events.write(to_json(failure) + "\n")
        return 1
    return 0
