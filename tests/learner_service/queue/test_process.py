"""The learner alone, as a process: health, reflection, its errors, and a drain on SIGTERM."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tally.learner.v1 import learner_pb2 as pb
from tally.learner.v1 import learner_pb2_grpc
from tests.learner_service.queue.stores import open_store
from tests.postgres import Postgres
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]


def start_learner(
    data_dir: Path, model: str = "Qwen/Qwen2.5-VL-3B", *options: str
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "learner_service", "--server.port", "0"]
    command += ["--data-dir", str(data_dir), "--models", json.dumps([model]), *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = start_learner(tmp_path / "learner")
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def channel(process: subprocess.Popen[str]) -> Iterator[grpc.Channel]:
    port = next(m[1] for line in process.stderr if (m := re.search(r"listening on .*:(\d+)", line)))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        request = health_pb2.HealthCheckRequest(service="tally.learner.v1.LearnerService")
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            request, timeout=PATIENCE_SECONDS, wait_for_ready=True
        )
        serving = health_pb2.HealthCheckResponse.SERVING
        assert any(response.status == serving for response in watch)
        watch.cancel()
        yield channel


def start(channel: grpc.Channel, job_id: str, **spec: object) -> grpc.StatusCode:
    request = pb.StartJobRequest(job_id=job_id, spec=pb.JobSpec(**{"train": pb.Training()} | spec))
    with pytest.raises(grpc.RpcError) as caught:
        learner_pb2_grpc.LearnerServiceStub(channel).StartJob(request, timeout=PATIENCE_SECONDS)
    return caught.value.code()


def test_it_lists_its_services_and_ends_on_sigterm(
    process: subprocess.Popen[str], channel: grpc.Channel
):
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    response = next(stub.ServerReflectionInfo(iter([request]), timeout=PATIENCE_SECONDS))
    names = {service.name for service in response.list_services_response.service}
    assert {"tally.learner.v1.LearnerService", "tally.blob.v1.BlobService"} <= names
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE_SECONDS) == 0


def test_what_cannot_start_says_why(channel: grpc.Channel):
    job_id, digest = str(uuid.uuid4()), "a" * 64
    status = grpc.StatusCode
    assert start(channel, "../../x", dataset_digest=digest) is status.INVALID_ARGUMENT
    assert start(channel, job_id, dataset_digest="x") is status.INVALID_ARGUMENT
    assert start(channel, job_id, dataset_digest=digest) is status.FAILED_PRECONDITION
    unknown = {"dataset_digest": digest, "base_model": "somebody/else"}
    assert start(channel, job_id, **unknown) is status.FAILED_PRECONDITION
    zero = pb.Training(config=pb.TrainingConfig(learning_rate=0))
    for work in (None, zero):
        assert start(channel, job_id, dataset_digest=digest, train=work) is status.INVALID_ARGUMENT
    named = {"dataset_digest": digest, "train": None, "evaluate": pb.Evaluation()}
    assert start(channel, job_id, **named) is status.INVALID_ARGUMENT
    stub = learner_pb2_grpc.LearnerServiceStub(channel)
    assert not stub.ListJobs(pb.ListJobsRequest(), timeout=PATIENCE_SECONDS).jobs


def test_an_unknown_job_is_not_found(channel: grpc.Channel):
    stub = learner_pb2_grpc.LearnerServiceStub(channel)
    for call in (
        lambda: stub.GetJob(pb.GetJobRequest(job_id="x"), timeout=PATIENCE_SECONDS),
        lambda: stub.GetJobLog(pb.GetJobLogRequest(job_id="x"), timeout=PATIENCE_SECONDS),
        lambda: stub.CancelJob(pb.CancelJobRequest(job_id="x"), timeout=PATIENCE_SECONDS),
        lambda: next(stub.WatchJob(pb.WatchJobRequest(job_id="x"), timeout=PATIENCE_SECONDS)),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_database_of_a_later_release_is_refused_in_a_sentence(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "learner.db")) as database:
        database.execute("PRAGMA user_version = 99")
    process = start_learner(tmp_path)
    _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert "start the release that wrote it" in said
    assert "Traceback" not in said


def test_a_second_learner_on_a_database_ends_with_a_sentence(tmp_path: Path, postgres: Postgres):
    address = {"database_url": postgres.create(), "database_timeout_seconds": 5}
    url = address["database_url"].get_secret_value()
    options = ("--database-url", url, "--database-timeout-seconds", "5")
    with closing(open_store(tmp_path / "one", **address)):
        process = start_learner(tmp_path / "two", "Qwen/Qwen2.5-VL-3B", *options)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert said.splitlines()[-1].startswith("another learner uses this database; choose another")
    assert "Traceback" not in said
    open_store(tmp_path / "two", **address).close()  # now that the first has ended


def test_a_database_that_is_away_ends_the_start_with_a_sentence(tmp_path: Path):
    nobody = "postgresql://nobody@127.0.0.1:1/none"
    process = start_learner(tmp_path, "Qwen/Qwen2.5-VL-3B", "--database-url", nobody)
    _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert said.splitlines()[-1] == "the learner's database is busy or away; try again"
    assert "Traceback" not in said


def test_a_model_of_another_family_ends_it_with_a_sentence(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"model_type": "unheard_of"}')
    process = start_learner(tmp_path / "learner", str(tmp_path))
    _, log = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert "type unheard_of is not supported; expected qwen2_5_vl or " in log
    assert "Traceback" not in log
