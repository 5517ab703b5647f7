"""Data of a stranger over gRPC, at a real learner: refused by its field, in bounded memory."""

import asyncio
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message

from tally.learner.v1 import learner_pb2 as pb
from tally.rpc.blobs import IDEMPOTENT_METHODS, BlobClient
from tally.rpc.channel import open_channel
from tally.rpc.digests import digest_of_file
from tally.rpc.settings import ClientSettings
from tests.fakes.worker_services import NotingRollouts, WorkerServices
from tests.gateway.images.bombs import png_of_declared_size
from tests.learner_service.data.hostile_datasets import (
    HOSTILE,
    HOSTILE_IMAGES,
    rows,
    write,
)
from tests.learner_service.data.test_dataset import line
from tests.learner_service.learner_process import Learner, learner
from tests.waiting import PATIENCE_SECONDS

MEBIBYTE = 1024**2


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, random_policy_path: Path
) -> Iterator[Learner]:
    services = WorkerServices(NotingRollouts(random_policy_path))
    data_dir = tmp_path_factory.mktemp("hostile") / "learner"
    with learner(data_dir, *services.learner_options(random_policy_path)) as running:
        yield running
    services.close()


def put(target: str, path: Path) -> str:
    digest = digest_of_file(path)

    async def send() -> None:
        settings = ClientSettings(target=target)
        async with open_channel(settings, idempotent_methods=IDEMPOTENT_METHODS) as channel:
            await BlobClient(channel).put_file(path, digest)

    asyncio.run(send())
    return digest


def peak_bytes(running: Learner) -> int:
    """The most memory that the learner's process has held so far."""
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])


def spec_of(digest: str) -> pb.JobSpec:
    return pb.JobSpec(dataset_digest=digest, train=pb.Training())


def refusal(call: Callable[..., object], request: Message) -> str:
    """What an INVALID_ARGUMENT says; any other end fails."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=PATIENCE_SECONDS)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, caught.value
    return caught.value.details()


def test_hostile_rows_start_no_job(running: Learner, tmp_path: Path):
    for name, (make, said) in HOSTILE.items():
        spec = spec_of(put(running.target, write(tmp_path, make)))
        request = pb.StartJobRequest(job_id=str(uuid.uuid4()), spec=spec)
        details = refusal(running.stub.StartJob, request)
        assert details.startswith("dataset_digest: "), name
        assert said in details, name
        preflight = pb.PreflightRequest(spec=spec)
        assert details == refusal(running.stub.Preflight, preflight)
    assert not running.stub.ListJobs(pb.ListJobsRequest(), timeout=PATIENCE_SECONDS).jobs
    assert peak_bytes(running) < 400 * MEBIBYTE


def test_the_data_of_the_comparison_is_read_too(running: Learner, tmp_path: Path):
    good = put(running.target, write(tmp_path, lambda: rows(line("a.png"))))
    bad = put(running.target, write(tmp_path, HOSTILE["no rows"][0]))
    spec = pb.JobSpec(dataset_digest=good, train=pb.Training(evaluation_dataset_digest=bad))
    request = pb.StartJobRequest(job_id=str(uuid.uuid4()), spec=spec)
    details = refusal(running.stub.StartJob, request)
    assert details.startswith("train.evaluation_dataset_digest: ")


def test_hostile_images_end_a_preflight_and_an_answer(running: Learner, tmp_path: Path):
    for name, (make, said) in HOSTILE_IMAGES.items():
        spec = spec_of(put(running.target, write(tmp_path, make)))
        request = pb.PreflightRequest(spec=spec)
        details = refusal(running.stub.Preflight, request)
        assert said in details, name
    for image in (b"<svg/>", png_of_declared_size(2**16, 2**16), b"\0" * 17 * MEBIBYTE):
        asked = pb.AnswerRequest(image=image, question="How many?")
        details = refusal(running.stub.Answer, asked)
        assert details.startswith("image: ")
    assert peak_bytes(running) < 1024 * MEBIBYTE
