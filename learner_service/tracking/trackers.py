"""Hands a job's steps on to the operator's trackers, which can neither slow nor end it.

Each has a thread and a queue. What a tracker refuses is lost to it; the job says so once.
"""

import copy
import json
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState

from learner_service.events import Notice, Report
from learner_service.job_folder.keeper import Keeper
from learner_service.job_folder.task import WorkerTask
from learner_service.settings import Tracker
from learner_service.spec import JobSpec
from learner_service.tracking.tracker_runs import RUNS, Run, RunIdentity
from tally.messages.message import Message

_log = logging.getLogger(__name__)
_LONGEST_QUEUE = 10_000
# A stopped worker has yet to save, and little time for it.
CLOSE_SECONDS, STOP_SECONDS = 10.0, 3.0


@dataclass(frozen=True, kw_only=True)
class RunParameters:
    """What trackers record of a run, in the form of TrainingArguments: the job's own settings."""

    run_name: str
    output_dir: str
    spec: JobSpec

    def to_dict(self) -> dict[str, Any]:
        """Flat, since trackers compare runs by single values: `training.learning_rate`."""
        fields = self.spec.model_dump(mode="json")
        work = fields.pop("work")
        fields |= {name: work[name] for name in work if name not in ("kind", "config")}
        return dict(_flatten("", fields | {"training": work["config"]}))

    def to_json_string(self) -> str:
        return json.dumps(self.to_dict(), indent=2)


class Trackers(TrainerCallback):
    """All of a job's trackers as one callback of transformers; `close` follows training."""

    def __init__(
        self, chosen: list[Tracker], identity: RunIdentity, spec: JobSpec, report: Report
    ) -> None:
        parameters = RunParameters(
            run_name=identity.name, output_dir=str(identity.folder.path), spec=spec
        )
        self._threads = [
            TrackerThread(tracker, RUNS[tracker](identity), parameters, report)
            for tracker in chosen
        ]

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        for thread in self._threads:
            thread.begin(copy.copy(state))

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        for thread in self._threads:
            thread.record(copy.copy(state), dict(logs))

    def close(self, finished: bool) -> None:
        """Lets them take what is left; leaves behind those that are too slow."""
        deadline = time.monotonic() + (CLOSE_SECONDS if finished else STOP_SECONDS)
        for thread in self._threads:
            thread.finish(finished)
        for thread in self._threads:
            thread.join(deadline)


class TrackerThread:
    """One tracker: everything that it may wait for happens here, in order."""

    def __init__(
        self, tracker: Tracker, run: Run, parameters: RunParameters, report: Report
    ) -> None:
        self._name = tracker.value
        self._run = run
        self._parameters: Any = parameters  # has of TrainingArguments what callbacks read
        self._report = report
        self._callback: TrainerCallback | None = None
        self._failing = False
        self._calls: queue.Queue[Callable[[], None] | None] = queue.Queue(_LONGEST_QUEUE)
        self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)

    def begin(self, state: TrainerState) -> None:
        self._put(lambda: self._open(state))
        self._thread.start()

    def record(self, state: TrainerState, logs: dict[str, float]) -> None:
        self._put(lambda: self._record(state, logs))

    def finish(self, finished: bool) -> None:
        self._put(lambda: self._run.close(finished))
        self._put(None)

    def join(self, deadline: float) -> None:
        """Leaves it behind after `deadline`, in seconds of the monotonic clock."""
        if not self._thread.is_alive():
            return
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            self._say(Message("tracker_late", tracker=self._name))

    def _put(self, call: Callable[[], None] | None) -> None:
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            self._fail(Message("tracker_behind", tracker=self._name))

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception as error:
                _log.exception("%s refused", self._name)
                name = type(error).__name__
                self._fail(Message("tracker_refused", tracker=self._name, error=name))

    def _open(self, state: TrainerState) -> None:
        callback = self._run.open(state.global_step)
        callback.on_train_begin(self._parameters, state, TrainerControl())
        self._callback = callback

    def _record(self, state: TrainerState, logs: dict[str, float]) -> None:
        if self._callback:
            self._callback.on_log(self._parameters, state, TrainerControl(), logs=logs)

    def _fail(self, message: Message) -> None:
        if not self._failing:
            self._failing = True
            self._say(message)

    def _say(self, message: Message) -> None:
        self._report(Notice.of(message))


def trackers_of(task: WorkerTask, report: Report, keeper: Keeper) -> Trackers:
    """Those that the operator chose; runs are named after the job, or else its id."""
    settings = task.settings
    folder = os.getenv("TENSORBOARD_LOGGING_DIR") or settings.data_dir / "tensorboard"
    identity = RunIdentity(
        job_id=task.job_id,
        name=task.spec.job_name or task.job_id,
        folder=task.folder,
        keeper=keeper,
        wandb_folder=settings.data_dir / "wandb" / task.job_id,
        tensorboard_folder=Path(folder).expanduser(),
    )
    return Trackers(settings.report_to, identity, task.spec, report)


def _flatten(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _flatten(f"{prefix}.{key}", inner)]
    return [(prefix.removeprefix("."), value)]
