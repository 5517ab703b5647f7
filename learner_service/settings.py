"""Settings of the learner service: environment variables TALLY_LEARNER_… or the command line."""

import os
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from learner_service.blob_settings import BlobSettings
from learner_service.dataset_settings import DatasetSettings
from learner_service.one_pass import OnePass
from learner_service.ray_settings import RaySettings
from learner_service.rendezvous_settings import RendezvousSettings
from tally.database.settings import DatabaseSettings
from tally.job.settings import TrainingConfig
from tally.metrics.settings import MetricsSettings
from tally.rpc.settings import ClientSettings, RpcServiceSettings, ServerSettings

_PREFIX = "TALLY_LEARNER_"
_INSIDE = "inside"
# How a worker gets what no file holds.
SECRET_VARIABLE = f"{_PREFIX}SERVICES_SECRET"


class ShardBase(StrEnum):
    """When the processes of a job hold the base model in parts."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Tracker(StrEnum):
    """The values are the names of the packages, too."""

    TENSORBOARD = "tensorboard"
    MLFLOW = "mlflow"
    WANDB = "wandb"


class LearnerSettings(RpcServiceSettings, DatabaseSettings, MetricsSettings):
    """Holds the policy, runs GRPO in a worker process per job, keeps blobs and checkpoints."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, cli_prog_name="python -m learner_service")

    server: ServerSettings = Field(
        ServerSettings(port=50053), description="Where the service listens."
    )
    data_dir: Path = Field(
        Path("tally-data/learner"),
        description="Folder of jobs, checkpoints, blobs and the event log.",
    )
    blobs: BlobSettings = Field(BlobSettings(), description="What the blob store takes.")
    dataset: DatasetSettings = Field(DatasetSettings(), description="What a dataset may hold.")
    models: list[str] = Field(
        ["Qwen/Qwen2.5-VL-3B-Instruct"],
        min_length=1,
        description="Base models a job may name: folders or hub names; the first is the default.",
    )
    rollout: ClientSettings = Field(
        ClientSettings(target="127.0.0.1:50052", timeout_seconds=300),
        description="The rollout replicas. A target of `inside` is none: a job samples from "
        "its own weights, and an engine of the learner's answers who asks while none runs.",
    )
    inside_use_4bit: bool = Field(
        True,
        description="Whether the base is held in 4 bits by the learner's own engine, which answers "
        "while no job runs, and by a job that compares an adapter. Only for a target of `inside`.",
    )
    one_pass: OnePass = Field(
        OnePass.AUTO, description="Whether a prompt is read once to sample and learn, if it may be."
    )
    reward: ClientSettings = Field(
        ClientSettings(target="127.0.0.1:50051", timeout_seconds=60),
        description="The reward service.",
    )
    rollout_concurrency: int = Field(
        256,
        ge=1,
        description="Most groups asked for at once, over all replicas; replicas take what they "
        "have room for, so this bounds a step's requests, not the replicas that are used.",
    )
    rollout_wait_seconds: float = Field(
        600,
        gt=0,
        description="How long a job waits while no replica, or the reward service, answers; then "
        "it fails.",
    )
    worker_stop_seconds: float = Field(
        25, gt=0, description="How long a worker may take to stop and save before it is killed."
    )
    worker_patience_seconds: float = Field(
        300,
        gt=0,
        description="How long a worker goes on without a connection to this service, before it "
        "ends; one on the same host ends with the service.",
    )
    max_attempts: int = Field(
        3, ge=1, description="Workers a job may lose without a new checkpoint in between."
    )
    placement: Literal["local", "ray"] = Field(
        "local",
        description="Who places jobs; local: the learner itself, on its own host's GPUs; ray: a "
        "Ray cluster, on its nodes'.",
    )
    ray: RaySettings = Field(RaySettings(), description="What a placement by Ray needs.")
    jobs_at_once: int = Field(
        0,
        ge=0,
        le=1024,
        description="Most jobs that run at once, each on GPUs of its own, or on a CPU with a part "
        "of the cores; 0: as many as the GPUs allow, and one on a CPU or over several hosts. "
        "A placement by Ray needs a number.",
    )
    moves_per_job: int = Field(
        3,
        ge=0,
        description="How often a job may be asked to make room for one of higher priority.",
    )
    gpus_per_job: int = Field(
        1,
        ge=1,
        description="Processes of a job on each host, each with a GPU of its own; on a CPU they "
        "share its cores.",
    )
    nodes_per_job: int = Field(
        1,
        ge=1,
        description="Hosts of a job, this one included; the others run `python -m "
        "learner_service.host`. With a placement by Ray, shares of a job, each on one node.",
    )
    shard_base: ShardBase = Field(
        ShardBase.AUTO,
        description="Whether the processes of a job hold the base model's layers in parts, each "
        "its own; auto: where the whole does not fit the device of each. Never in 4 bits.",
    )
    rendezvous: RendezvousSettings = Field(
        RendezvousSettings(), description="Where the processes of several hosts find each other."
    )
    rank_wait_seconds: float = Field(
        900,
        gt=0,
        description="How long a process of a job waits for the others within a step, before the "
        "job goes on from its checkpoint.",
    )
    host_wait_seconds: float = Field(
        60,
        ge=0,
        description="How long a job waits for other hosts, before it goes on with those that are "
        "there.",
    )
    host_silence_seconds: float = Field(
        10, gt=0, description="Silence of another host after which it is taken for lost."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the policy is held.")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Precision of the policy; auto is bfloat16 on CUDA, float32 elsewhere."
    )
    torch_threads: int = Field(0, ge=0, description="Threads of a worker; 0 leaves torch's choice.")
    feature_cache_bytes: int = Field(
        1024**3, ge=0, description="Memory for vision features that are kept, in bytes."
    )
    feature_folder: Path | None = Field(
        None,
        description="Folder of vision features that jobs share; unset: `features` in data_dir.",
    )
    feature_folder_bytes: int = Field(
        8 * 1024**3, ge=0, description="Room of that folder, in bytes; 0 keeps nothing there."
    )
    four_bit_folder: Path | None = Field(
        None,
        description="Folder of base models that were quantised once, to be shared by all who load "
        "the same; unset means `tally/4bit` in HF_HOME, beside the downloaded models.",
    )
    four_bit_folder_bytes: int = Field(
        64 * 1024**3, ge=0, description="Room of that folder, in bytes; 0 keeps nothing there."
    )
    checkpoints_kept: int = Field(2, ge=2, description="Checkpoints kept of each job.")
    report_to: list[Tracker] = Field(
        [],
        description="Trackers that record every job: tensorboard, mlflow, wandb. Their own "
        "variables say where: TENSORBOARD_LOGGING_DIR, MLFLOW_TRACKING_URI, WANDB_API_KEY, ….",
    )

    @field_validator("report_to")
    @classmethod
    def _usable(cls, trackers: list[Tracker]) -> list[Tracker]:
        for tracker in trackers:
            if not is_installed(tracker.value):
                raise ValueError(
                    f"{tracker} is not installed; pip install '.[trackers]' in a checkout"
                )
        if Tracker.MLFLOW in trackers and not os.getenv("MLFLOW_TRACKING_URI"):
            raise ValueError("mlflow needs MLFLOW_TRACKING_URI, such as http://mlflow:5000")
        return list(dict.fromkeys(trackers))

    @model_validator(mode="after")
    def _fit_for_ray(self) -> Self:
        if self.placement == "ray" and not is_installed("ray"):
            raise ValueError("placement: ray is not installed; pip install '.[ray]' in a checkout")
        if self.placement == "ray" and not self.jobs_at_once:
            raise ValueError(
                "placement ray needs jobs_at_once: how many jobs Ray is asked to run at once; "
                "those that it has no room for wait until it has"
            )
        return self

    @model_validator(mode="after")
    def _fit_for_several_hosts(self) -> Self:
        if self.placement == "ray":
            return self
        if self.nodes_per_job > 1 and self.jobs_at_once > 1:
            raise ValueError("jobs_at_once above 1 needs nodes_per_job of 1: one job has all hosts")
        if self.nodes_per_job > 1 and self.rendezvous.address is None:
            raise ValueError(
                "nodes_per_job above 1 needs rendezvous.address: this host, as the others reach it"
            )
        return self

    @model_validator(mode="after")
    def _fit_for_sampling_inside(self) -> Self:
        if self.samples_inside and self.processes_per_job > 1:
            raise ValueError(
                "rollout.target inside is for jobs of one process: set gpus_per_job and "
                "nodes_per_job to 1, or rollout.target to that of rollout replicas"
            )
        return self

    @property
    def samples_inside(self) -> bool:
        """Whether a job samples from its own weights, without a rollout service."""
        return self.rollout.target == _INSIDE

    @property
    def processes_per_job(self) -> int:
        """The most that a job may have, over all hosts."""
        return self.gpus_per_job * self.nodes_per_job

    def processes_of(self, training: TrainingConfig) -> int:
        """How many a job that trains so is to have, over all hosts."""
        return training.processes or self.processes_per_job


def is_installed(package: str) -> bool:
    """A folder of that name, where the service was started, is no package."""
    spec = find_spec(package)
    return spec is not None and spec.origin is not None
