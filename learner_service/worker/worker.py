"""One job in one process: stage, load, train, save, compare; events go to the service.

learner_service/worker/start.py runs it, for the service, or for torchrun's agent as each rank of a
job in several processes. SIGTERM asks it to stop at the next safe boundary, with a checkpoint.
"""

import logging
import os
import shutil
import signal
import threading
from contextlib import suppress
from types import FrameType

from learner_service.clients.background import BackgroundLoop
from learner_service.clients.clients import open_rewards, open_rollouts
from learner_service.clients.rollouts import Rollouts
from learner_service.errors import RankLost, StopRequested
from learner_service.events import (
    Event,
    JobEnded,
    Notice,
    PhaseChanged,
    StepDone,
    WorkerStarted,
)
from learner_service.inside.rollouts import InsideRollouts
from learner_service.job_folder.task import WorkerTask
from learner_service.patience import Patience
from learner_service.phases import Phases
from learner_service.ranks import Ranks
from learner_service.spec import Evaluation, Prediction
from learner_service.worker.evaluation_job import run_evaluation_job
from learner_service.worker.failures import LOST_OTHERS, describe_failure
from learner_service.worker.job_parts import JobParts
from learner_service.worker.own_gpu import see_own_gpu
from learner_service.worker.phase_throttle import PhaseThrottle
from learner_service.worker.prediction_job import run_prediction_job
from learner_service.worker.rank_failure import write_failure
from learner_service.worker.service_client import ServiceClient
from learner_service.worker.service_keeper import ServiceKeeper
from learner_service.worker.single_calls import fetch_task
from learner_service.worker.training_job import TrainingJob
from learner_service.worker.worker_blobs import WorkerBlobs
from learner_service.worker_access import WorkerAccess
from learner_service.worker_place import WorkerPlace
from tally.logs.fields import add_process_fields
from tally.logs.setup import configure_logging
from tally.messages.message import Message
from tally.rpc.errors import FailedPrecondition
from tally.traces.setup import trace_to
from tally.traces.spans import in_trace

_log = logging.getLogger(__name__)


class Worker:
    """Opens what a job of either kind needs, and runs it."""

    def __init__(
        self,
        task: WorkerTask,
        service: ServiceClient,
        stop: threading.Event,
        ranks: Ranks | None = None,
    ) -> None:
        self._ranks = ranks or Ranks.alone()
        self._task = task.in_scratch(self._ranks.rank)
        self._service = service
        self._stop = stop
        self._phase_throttle = PhaseThrottle(service.report)
        self._phases = Phases(self.report)
        self._keeper = ServiceKeeper(service, task.attempt)
        self._loop = BackgroundLoop(stop)

    def run(self) -> None:
        """Ends the job with a result; raises StopRequested, or what went wrong."""
        damaged = self._prepare()
        store = WorkerBlobs(self._task.blobs, self._service, puts=self._ranks.is_first)
        parts = JobParts(
            task=self._task,
            store=store,
            loop=self._loop,
            rollouts=self._open_rollouts(store),
            rewards=self._loop.run(open_rewards(self._task.settings, self.report)),
            report=self.report,
            keeper=self._keeper,
            phases=self._phases,
            stop=self._stop,
            ranks=self._ranks,
            damaged=damaged,
        )
        self._say_if_fewer()
        work = self._task.spec.work
        if isinstance(work, Evaluation):
            run_evaluation_job(parts, work)
        elif isinstance(work, Prediction):
            run_prediction_job(parts, work)
        else:
            TrainingJob(parts, work).run()

    def _open_rollouts(self, store: WorkerBlobs) -> Rollouts:
        """Those of the replicas; or the job's own, which it loads once it has the weights."""
        settings = self._task.settings
        if settings.samples_inside:
            return InsideRollouts(store)
        return self._loop.run(open_rollouts(settings, settings.rollout, self._phases))

    def _prepare(self) -> tuple[str, ...]:
        """Fetches what this attempt goes on from; returns the checkpoints that are damaged."""
        shutil.rmtree(self._task.folder_path, ignore_errors=True)
        return self._keeper.prepare(self._task.folder)

    def _say_if_fewer(self) -> None:
        count, asked = self._ranks.count, self._task.launch.processes
        if count < asked:
            self.report(Notice.of(Message("no_more_gpus", processes=count, asked=asked)))

    def report(self, event: Event) -> None:
        """Tells the service; of phases that are soon over, not each.

        The trainer and the clients report from threads of their own. Only the first rank speaks
        for the job; of what any has to say, its log has what a person follows.
        """
        if said := _describe(event):
            _log.info("%s", said)
        if not self._ranks.is_first:
            return
        if isinstance(event, PhaseChanged):
            self._phase_throttle.enter(event.phase)
            return
        if isinstance(event, JobEnded):
            self._phase_throttle.end()
        self._service.report(event)


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


def main() -> None:
    rank, access = int(os.environ.get("RANK", "0")), WorkerAccess.of()
    task = fetch_task(access, WorkerPlace.of())
    add_process_fields(job_id=task.job_id, attempt=task.attempt)
    if task.launch.processes > 1:
        add_process_fields(rank=rank)
    configure_logging("worker", task.settings.log_level, task.settings.log_format)
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with (
        trace_to(task.settings.trace_endpoint, "worker"),
        _service_of(access, task, stop, reports=rank == 0) as service,
    ):
        code = _run(task, service, stop)
    # Threads of gRPC and torch must not outlive the interpreter's teardown.
    os._exit(code)


def _service_of(
    access: WorkerAccess, task: WorkerTask, stop: threading.Event, *, reports: bool
) -> ServiceClient:
    return ServiceClient(
        access,
        patience_seconds=task.settings.worker_patience_seconds,
        reports=reports,
        on_stop=stop.set,
    )


def _run(task: WorkerTask, service: ServiceClient, stop: threading.Event) -> int:
    """Runs the job; the exit code. What went wrong is told by the first rank, or by the agent."""
    try:
        with suppress(StopRequested), join_ranks(task, stop) as ranks, in_trace(task.traceparent):
            Worker(task, service, stop, ranks).run()
    except RankLost as error:
        _log.warning("%s", error)
        return LOST_OTHERS
    except Exception as error:
        _log.exception("the worker gives up")
        failure = describe_failure(error)
        write_failure(failure)
        if service.reports:
            service.fail(failure)
        return 1
    return 0
