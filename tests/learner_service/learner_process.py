"""A real learner service as a process, with workers of its own, and what a test asks of it."""

import os
import re
import signal
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from learner_service.blobs.blob_store import BlobStore
from learner_service.job_folder.layout import JobFolder
from tally.learner.v1 import learner_pb2 as pb
from tally.learner.v1 import learner_pb2_grpc
from tally.rpc.secret import secret_metadata
from tests.learner_service.data.test_dataset import encoded, line, write_zip
from tests.waiting import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).parents[2]
_VARIABLES = {"PYTHONPATH": str(ROOT), "TALLY_LEARNER_TORCH_THREADS": "1"}


def start(
    module: str, *options: str, log: Path, through: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """`python -m module` with these options; `through` is what it is run through."""
    command = [*through, sys.executable, "-m", module, *options]
    with log.open("ab") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | _VARIABLES)


@dataclass
class Learner:
    """One that serves at `target`; `stub` calls it, and its jobs lie in `data_dir`."""

    process: subprocess.Popen[bytes]
    target: str
    stub: learner_pb2_grpc.LearnerServiceStub
    data_dir: Path

    def start_job(
        self,
        dataset_digest: str,
        *,
        priority: int = 0,
        evaluation_digest: str = "",
        **config: object,
    ) -> str:
        settings = {
            "max_steps": 14,
            "num_epochs": 100,
            "batch_size": 1,
            "gradient_accumulation_steps": 3,
            "num_generations": 3,
            "learning_rate": 1e-2,
            "temperature": 1.0,
            "max_new_tokens": 24,
            "max_image_size": 56,
            "use_4bit": False,
            "save_steps": 5,
        }
        training = pb.Training(
            config=pb.TrainingConfig(**settings | config),
            lora=pb.LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0),
            evaluation_dataset_digest=evaluation_digest,
            evaluation_share=0.0,
        )
        spec = pb.JobSpec(dataset_digest=dataset_digest, train=training, priority=priority)
        request = pb.StartJobRequest(job_id=str(uuid.uuid4()), spec=spec)
        return self.stub.StartJob(request, timeout=PATIENCE_SECONDS).job.job_id

    def job(self, job_id: str) -> pb.Job:
        return self.stub.GetJob(pb.GetJobRequest(job_id=job_id), timeout=PATIENCE_SECONDS).job

    def wait(self, job_id: str, *, step: int | None = None) -> pb.Job:
        """The job once it has ended, or once it has done `step` steps."""

        def ended_or_there() -> pb.Job | None:
            job = self.job(job_id)
            there = step is not None and job.current_step >= step
            return job if there or job.status != pb.JOB_STATUS_TRAINING else None

        return wait_until(ended_or_there, lambda: self.log(job_id))

    def events(self, job_id: str) -> list[pb.JobEvent]:
        """Of a job that has ended."""
        watched = self.stub.WatchJob(pb.WatchJobRequest(job_id=job_id), timeout=PATIENCE_SECONDS)
        return [response.event for response in watched]

    def notices(self, job_id: str) -> list[str]:
        events = self.events(job_id)
        return [event.notice.message for event in events if event.HasField("notice")]

    def curve(self, job_id: str) -> dict[int, float]:
        """What a job that has ended scored on what is held out, by step."""
        scored = [e.held_out_scored for e in self.events(job_id) if e.HasField("held_out_scored")]
        return {one.step: one.scores.exact_rate for one in scored}

    def pack(self, job_id: str, which: str) -> tuple[int, dict[str, bytes]]:
        """The step and the files of an ended job's `LAST` or `BEST` adapter."""
        checkpoint = pb.AdapterCheckpoint.Value(f"ADAPTER_CHECKPOINT_{which}")
        request = pb.PackAdapterRequest(job_id=job_id, checkpoint=checkpoint)

        def packed_or_not_yet() -> pb.PackAdapterResponse | None:
            try:
                return self.stub.PackAdapter(request, timeout=PATIENCE_SECONDS)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                return None

        packed = wait_until(packed_or_not_yet, lambda: self.log(job_id))
        with zipfile.ZipFile(BlobStore(self.data_dir / "blobs").path(packed.digest)) as archive:
            return packed.step, {name: archive.read(name) for name in archive.namelist()}

    def steps(self, job_id: str) -> list[int]:
        return [e.step_done.step for e in self.events(job_id) if e.HasField("step_done")]

    def folder(self, job_id: str) -> JobFolder:
        return JobFolder.of_job(self.data_dir, job_id)

    def adapter(self, job_id: str) -> dict[str, Tensor]:
        """Of a completed job."""
        return load_file(self.folder(job_id).output / "adapter_model.safetensors")

    def log(self, job_id: str) -> str:
        path = self.folder(job_id).worker_log
        return path.read_text()[-6000:] if path.exists() else "no worker has started"

    def ranks(self, job_id: str) -> dict[int, int]:
        """Processes of the job that run now, by their ranks."""
        folder, found = str(self.folder(job_id).path).encode(), {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (process / "cmdline").read_bytes().split(b"\0")
                variables = (process / "environ").read_bytes().split(b"\0")
            except OSError:
                continue  # it has just ended
            ranks = [int(one[5:]) for one in variables if one.startswith(b"RANK=")]
            if ranks and folder in arguments:
                found[ranks[0]] = int(process.name)
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def stub_of(channel: grpc.Channel, secret: str | None) -> learner_pb2_grpc.LearnerServiceStub:
    """One whose calls show the secret, where there is one."""
    stub = learner_pb2_grpc.LearnerServiceStub(channel)
    if secret is not None:
        for method, call in vars(stub).items():
            setattr(stub, method, partial(call, metadata=[secret_metadata(secret)]))
    return stub


@contextmanager
def learner(
    data_dir: Path,
    *options: str,
    through: Sequence[str] = (),
    address: str = "127.0.0.1",
    port: int = 0,
    secret: str | None = None,
) -> Iterator[Learner]:
    """A learner that listens at `address`, for 0 at a free port; it is asked to end, if it has
    not ended."""
    log = data_dir.with_suffix(".log")
    place = ["--server.host", address, "--server.port", str(port)]
    started = log.stat().st_size if log.exists() else 0
    process = start(
        "learner_service",
        *place,
        "--data-dir",
        str(data_dir),
        "--device",
        "cpu",
        *options,
        log=log,
        through=through,
    )

    def listening_at() -> str | None:
        assert process.poll() is None, log.read_text()
        found = re.search(r"listening on .*:(\d+)", log.read_text()[started:])
        return found and found[1]

    try:
        target = f"{address}:{wait_until(listening_at)}"
        with grpc.insecure_channel(target) as channel:
            grpc.channel_ready_future(channel).result(PATIENCE_SECONDS)
            yield Learner(process, target, stub_of(channel, secret), data_dir)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE_SECONDS)


def put_dataset(data_dir: Path, images: int = 7) -> str:
    """Puts a dataset into the store of a learner that does not run yet; returns its digest."""
    pictures = {
        f"{n}.png": encoded(Image.new("RGB", (56, 56), (30 * n, 255 - 30 * n, 9)))
        for n in range(images)
    }
    lines = [line(name, row=2 + n, true_count=1 + n) for n, name in enumerate(pictures)]
    path = write_zip(data_dir.with_suffix(".zip"), pictures, lines)
    return BlobStore(data_dir / "blobs").put_bytes(path.read_bytes())
