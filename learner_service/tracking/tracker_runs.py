"""A job's run in TensorBoard, MLflow and W&B: opened, filled by transformers' callback, closed.

A job that goes on after a stop goes on in the same run. Each is used by one thread alone.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from transformers import TrainerCallback
from transformers.integrations import MLflowCallback, TensorBoardCallback, WandbCallback

from learner_service.job_folder.commits import Place
from learner_service.job_folder.keeper import Keeper
from learner_service.job_folder.layout import JobFolder
from learner_service.settings import Tracker

_PROJECT = "tally"


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """`folder` is the worker's own, of which `keeper` keeps what is to last; `wandb_folder` is the
    job's, `tensorboard_folder` takes a folder for each job."""

    job_id: str
    name: str
    folder: JobFolder
    keeper: Keeper
    wandb_folder: Path
    tensorboard_folder: Path


class Run(Protocol):
    def open(self, step: int) -> TrainerCallback:
        """`step`: those up to it are recorded, later ones come again."""
        ...

    def close(self, finished: bool) -> None: ...


class TensorBoardRun:
    """Event files in a folder of the job's own; steps that come again replace what was there."""

    def __init__(self, identity: RunIdentity) -> None:
        self._folder = identity.tensorboard_folder / identity.job_id
        self._writer: Any = None

    def open(self, step: int) -> TrainerCallback:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - it is not in every image

        self._writer = SummaryWriter(str(self._folder), purge_step=step + 1 if step else None)
        return TensorBoardCallback(self._writer)

    def close(self, finished: bool) -> None:
        if self._writer:
            self._writer.close()


class MLflowRun:
    """The run's id is kept in the job's folder; MLflow's own variables say where runs go."""

    def __init__(self, identity: RunIdentity) -> None:
        # Nobody here has agreed to send statistics of use to MLflow's makers.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self._identity = identity
        self._ledger = identity.folder.mlflow_run_id
        self._mlflow: Any = None

    def open(self, step: int) -> TrainerCallback:
        import mlflow  # noqa: PLC0415 - it is not in every image

        mlflow.set_experiment(os.getenv("MLFLOW_EXPERIMENT_NAME", _PROJECT))
        run_id = self._ledger.read_text() if self._ledger.exists() else None
        tags = {"tally.job_id": self._identity.job_id}
        run = mlflow.start_run(run_id=run_id, run_name=self._identity.name, tags=tags)
        self._mlflow = mlflow
        self._ledger.write_text(run.info.run_id)
        self._identity.keeper.keep(Place.MLFLOW_RUN, [self._ledger])
        return MLflowCallback()

    def close(self, finished: bool) -> None:
        if self._mlflow:
            self._mlflow.flush_async_logging()
            self._mlflow.end_run("FINISHED" if finished else "KILLED")


class WandbRun:
    """The run's id is the job's; W&B's own variables say who, where, and whether online."""

    def __init__(self, identity: RunIdentity) -> None:
        self._identity = identity
        self._wandb: Any = None

    def open(self, step: int) -> TrainerCallback:
        self._identity.wandb_folder.mkdir(parents=True, exist_ok=True)
        import wandb  # noqa: PLC0415 - it is not in every image

        wandb.init(
            project=os.getenv("WANDB_PROJECT", _PROJECT),
            id=self._identity.job_id,
            name=self._identity.name,
            resume="allow",
            dir=os.getenv("WANDB_DIR", str(self._identity.wandb_folder)),
            # What the worker prints stays in its log.
            settings=wandb.Settings(console="off"),
        )
        self._wandb = wandb
        return WandbCallback()

    def close(self, finished: bool) -> None:
        if self._wandb:
            self._wandb.finish(exit_code=0 if finished else 1)


RUNS: dict[Tracker, Callable[[RunIdentity], Run]] = {
    Tracker.TENSORBOARD: TensorBoardRun,
    Tracker.MLFLOW: MLflowRun,
    Tracker.WANDB: WandbRun,
}
