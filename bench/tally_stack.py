"""Tally's own services as `tally up` runs them, and real jobs on them, step by step."""

import io
import json
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc

from bench.scenes import Example
from cli.services import plan_services
from cli.supervisor import Supervisor
from learner_service.blob_store import BlobStore
from tally.learner.v1 import learner_pb2, learner_pb2_grpc

_HOST = "127.0.0.1"
_JOB_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One optimizer step of a job: from the end of the one before to its own, and its metrics."""

    seconds: float
    metrics: learner_pb2.StepMetrics


class TallyStack:
    """The learner behind `channel`, with a rollout and a reward service beside it."""

    def __init__(self, channel: grpc.Channel, blobs: BlobStore, model: Path) -> None:
        self._stub = learner_pb2_grpc.LearnerServiceStub(channel)
        self._blobs = blobs
        self._model = model

    def steps(
        self, examples: Sequence[Example], training: dict[str, Any], lora: dict[str, Any]
    ) -> list[Step]:
        """Runs a job to its end. Its first step has no beginning in the log, so it is not here."""
        spec = learner_pb2.JobSpec(
            dataset_digest=self._blobs.put_bytes(_dataset(examples)),
            base_model=self._model.name,
            training=learner_pb2.TrainingConfig(**training),
            lora=learner_pb2.LoraConfig(**lora),
        )
        job_id = str(uuid.uuid4())
        self._stub.StartJob(learner_pb2.StartJobRequest(job_id=job_id, spec=spec), timeout=60)
        request = learner_pb2.WatchJobRequest(job_id=job_id)
        events = [r.event for r in self._stub.WatchJob(request, timeout=_JOB_SECONDS)]
        ended = events[-1].job_ended
        if ended.status != learner_pb2.JOB_STATUS_COMPLETED:
            raise RuntimeError(f"the job did not complete: {ended.error_message}")
        done = [event for event in events if event.HasField("step_done")]
        return [
            Step(
                seconds=after.time.ToNanoseconds() / 1e9 - before.time.ToNanoseconds() / 1e9,
                metrics=after.step_done.metrics,
            )
            for before, after in pairwise(done)
        ]


@contextmanager
def running_stack(model: Path, folder: Path) -> Iterator[TallyStack]:
    """Starts the services with the settings of `tally up` and ends them."""
    planned = plan_services(
        data_dir=folder, model=str(model), host=_HOST, port=0, engine="transformers"
    )
    services = [service for service in planned if service.name != "gateway"]
    supervisor = Supervisor(services, folder / "logs", stopped=lambda: False, report=lambda _: None)
    (learner,) = [service for service in services if service.name == "learner"]
    port = learner.environment["TALLY_LEARNER_SERVER__PORT"]
    try:
        supervisor.start()
        with grpc.insecure_channel(f"{_HOST}:{port}") as channel:
            yield TallyStack(channel, BlobStore(folder / "learner" / "blobs"), model)
    finally:
        supervisor.stop()


def _dataset(examples: Sequence[Example]) -> bytes:
    """A dataset blob, as the gateway would have written it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        lines = []
        for number, example in enumerate(examples):
            name = f"images/{number}.png"
            with archive.open(name, "w") as entry:
                example.image.save(entry, "PNG")
            line = {"row": number + 1, "image": name, "question": example.question}
            lines.append(json.dumps(line | {"true_count": example.true_count}))
        archive.writestr("samples.jsonl", "\n".join(lines))
    return file.getvalue()
