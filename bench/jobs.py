"""Real jobs on this machine: reward, rollout and learner as processes, driven over gRPC."""

import asyncio
import json
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc

from bench.processes import started_by
from bench.scenes import Example
from learner_service.data.images import to_png
from learner_service.job_folder.layout import JobFolder
from tally.cli.stack.service_process import Service
from tally.cli.stack.services import SamplingPlace, plan_services
from tally.cli.stack.stack_secret import read_secret, write_secret
from tally.cli.stack.supervisor import Supervisor
from tally.learner.v1 import learner_pb2 as pb
from tally.learner.v1 import learner_pb2_grpc
from tally.rpc.blobs import BlobClient
from tally.rpc.channel import open_channel
from tally.rpc.digests import digest_of_file
from tally.rpc.secret import secret_metadata
from tally.rpc.settings import ClientSettings

_SERVICES = ("reward", "rollout", "learner")


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Running services: where the learner answers, where its data is, their process ids."""

    learner_target: str
    data_dir: Path
    pids: dict[str, int]

    def put(self, path: Path) -> str:
        """Stores a file in the learner's blob store; returns its digest."""
        return asyncio.run(self._put(path))

    async def _put(self, path: Path) -> str:
        digest = digest_of_file(path)
        settings = ClientSettings(target=self.learner_target)
        secret = read_secret(self.data_dir)
        async with open_channel(settings, idempotent_methods=(), secret=secret) as channel:
            await BlobClient(channel).put_file(path, digest)
        return digest

    def run(self, spec: pb.JobSpec) -> Iterator[tuple[str, pb.JobEvent]]:
        """Starts a job and yields its id with each event until it has ended.

        Raises RuntimeError where it does not complete.
        """
        job_id = str(uuid.uuid4())
        with grpc.insecure_channel(self.learner_target) as channel:
            stub = learner_pb2_grpc.LearnerServiceStub(channel)
            shown = [secret_metadata(read_secret(self.data_dir))]
            stub.StartJob(pb.StartJobRequest(job_id=job_id, spec=spec), metadata=shown)
            for response in stub.WatchJob(pb.WatchJobRequest(job_id=job_id), metadata=shown):
                yield job_id, response.event
        if response.event.job_ended.status != pb.JOB_STATUS_COMPLETED:
            raise RuntimeError(response.event.job_ended.error_message)

    def checkpoint(self, job_id: str, step: int) -> Path:
        return JobFolder.of_job(self.data_dir / "learner", job_id).checkpoints.path_of(step)

    def worker_pid(self) -> int:
        """The learner's one child."""
        return next(started_by(self.pids["learner"]))


@contextmanager
def running_stack(
    folder: Path,
    model: Path,
    learner: Mapping[str, str] = {},
    rollout: Mapping[str, str] = {},
    *,
    sampling: SamplingPlace = "service",
    house: Path | None = None,
    learner_module: str = "learner_service",
) -> Iterator[Stack]:
    """The services over `model`, with settings of `learner` and `rollout` beside a demo's; without
    a rollout service where jobs do the `sampling` inside. Their modules are those of the checkout
    `house`, if one is given; `learner_module` is run as the learner."""
    planned = plan_services(
        data_dir=folder,
        model=str(model),
        host="127.0.0.1",
        port=0,
        use_4bit=False,
        sampling=sampling,
    )
    chosen = {"learner": learner, "rollout": rollout}
    services = [
        _with_settings(service, chosen.get(service.name, {}))
        for service in planned
        if service.name in _SERVICES
    ]
    services[-1] = replace(services[-1], command=(*services[-1].command[:-1], learner_module))
    if house:
        # Workers are started where this bench was, whose own modules would come first.
        path = {"PYTHONPATH": str(house), "PYTHONSAFEPATH": "1"}
        services = [replace(one, environment=one.environment | path) for one in services]
    supervisor = Supervisor(
        services, folder / "logs", stopped=lambda: False, report=lambda text: None
    )
    write_secret(folder)
    port = dict(services[-1].environment)["TALLY_LEARNER_SERVER__PORT"]
    try:
        supervisor.start()
        yield Stack(
            learner_target=f"127.0.0.1:{port}",
            data_dir=folder,
            pids={p.service.name: p.pid for p in supervisor.processes if p.pid},
        )
    finally:
        supervisor.stop()


def _with_settings(service: Service, settings: Mapping[str, str]) -> Service:
    extra = {f"TALLY_{service.name.upper()}_{name}": value for name, value in settings.items()}
    return replace(service, environment={**service.environment, **extra})


def write_dataset(path: Path, examples: Sequence[Example]) -> None:
    """A dataset blob as JobSpec describes it."""
    with zipfile.ZipFile(path, "w") as archive:
        lines = []
        for row, example in enumerate(examples):
            archive.writestr(f"images/{row}.png", to_png(example.image))
            fields = {"question": example.question, "true_count": example.true_count}
            lines.append(json.dumps({"row": row, "image": f"images/{row}.png", **fields}))
        archive.writestr("tally.samples.jsonl", "\n".join(lines))
