"""Settings of the learner service: environment variables TALLY_LEARNER_… or the command line."""

import os
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from tally.database.settings import DatabaseSettings
from tally.job.settings import TrainingConfig
from tally.rpc.settings import ClientSettings, RpcServiceSettings, ServerSettings

_PREFIX = "TALLY_LEARNER_"
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


class BlobSettings(BaseModel):
    """What one `Put` may be, and how long a blob stays for no job. A caller is told what was wrong
    with its stream, never cut off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_bytes: int = Field(8 * 1024**3, ge=1, description="Largest blob that is taken, in bytes.")
    silence_seconds: float = Field(
        30.0, gt=0, description="How long a `Put` may send nothing, in seconds."
    )
    put_seconds: float = Field(
        3600.0, gt=0, description="How long a `Put` may take as a whole, in seconds."
    )
    unclaimed_seconds: float = Field(
        3600.0,
        gt=0,
        description="How long a blob that no job needs stays after it was last put, in seconds.",
    )


class DatasetSettings(BaseModel):
    """What a dataset may hold: at least what the gateway lets an upload hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_entries: int = Field(100_000, ge=1, description="Most entries of a dataset's ZIP.")
    max_rows: int = Field(100_000, ge=1, description="Most rows of a dataset.")
    max_rows_bytes: int = Field(
        128 * 1024**2, ge=1, description="Largest tally.samples.jsonl, inflated, in bytes."
    )
    max_question_characters: int = Field(10_000, ge=1, description="Longest question.")
    max_image_bytes: int = Field(32 * 1024**2, ge=1, description="Largest image file, in bytes.")
    max_image_pixels: int = Field(50_000_000, ge=1, description="Most pixels of an image.")
    max_image_side: int = Field(16_384, ge=1, description="Longest side of an image, in pixels.")


class RendezvousSettings(BaseModel):
    """Where the processes of a job that runs on several hosts find each other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str | None = Field(
        None, description="This host, as the others reach it; needed for several hosts."
    )
    port: int = Field(
        29500, ge=1, le=65535, description="Port of that address, free while no job runs."
    )
    interface: str | None = Field(
        None,
        description="Network interface between the hosts, such as eth0; unset leaves it to gloo "
        "and NCCL, which ask for the address of the host's own name.",
    )


class LearnerSettings(RpcServiceSettings, DatabaseSettings):
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
        description="The rollout replicas.",
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
    max_attempts: int = Field(
        3, ge=1, description="Workers a job may lose without a new checkpoint in between."
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
        "learner_service.host`.",
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
        description="Folder of vision features kept beyond memory and across jobs; "
        "unset means `features` in data_dir.",
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
            spec = find_spec(tracker.value)
            # A folder of that name, where the service was started, is no package.
            if spec is None or spec.origin is None:
                raise ValueError(
                    f"{tracker} is not installed; pip install '.[trackers]' in a checkout"
                )
        if Tracker.MLFLOW in trackers and not os.getenv("MLFLOW_TRACKING_URI"):
            raise ValueError("mlflow needs MLFLOW_TRACKING_URI, such as http://mlflow:5000")
        return list(dict.fromkeys(trackers))

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.nodes_per_job > 1 and self.rendezvous.address is None:
            raise ValueError(
                "nodes_per_job above 1 needs rendezvous.address: this host, as the others reach it"
            )
        return self

    @property
    def processes_per_job(self) -> int:
        """The most that a job may have, over all hosts."""
        return self.gpus_per_job * self.nodes_per_job

    def processes_of(self, training: TrainingConfig) -> int:
        """How many a job that trains so is to have, over all hosts."""
        return training.processes or self.processes_per_job
