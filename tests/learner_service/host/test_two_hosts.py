"""A job over two hosts, as network namespaces of this machine: a learner on one, one lent to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from tally.cli.stack.stack_secret import read_secret, secret_path, write_secret
from tally.learner.v1 import learner_pb2 as pb
from tests.fakes.counting_rollouts import ServedCounting
from tests.fakes.worker_services import WorkerServices
from tests.learner_service.host_network import INTERFACE, HostNetwork, host_network
from tests.learner_service.learner_process import Learner, learner, put_dataset, start
from tests.waiting import PATIENCE_SECONDS, wait_until

SILENCE_SECONDS = 5


@pytest.fixture
def network() -> Iterator[HostNetwork]:
    with host_network() as network:
        yield network


@pytest.fixture
def secret(tmp_path: Path) -> str:
    return read_secret(write_secret(tmp_path).parent)


@pytest.fixture
def options(
    random_policy_path: Path, network: HostNetwork, tmp_path: Path, secret: str
) -> Iterator[list[str]]:
    """Those of the learner, which is host 1."""
    services = WorkerServices(ServedCounting(random_policy_path), network.own, secret)
    yield [
        *services.learner_options(random_policy_path),
        "--nodes-per-job",
        "2",
        "--rendezvous.address",
        network.address(1),
        "--rendezvous.interface",
        INTERFACE,
        "--host-silence-seconds",
        str(SILENCE_SECONDS),
        "--services-secret-path",
        str(secret_path(tmp_path)),
    ]
    services.close()


@contextmanager
def lent_host(network: HostNetwork, folder: Path, target: str) -> Iterator[Path]:
    """Host 2, lent to the learner at `target`; its log."""
    log = folder / "host.log"
    process = start(
        "learner_service.host",
        "--learner.target",
        target,
        "--data-dir",
        str(folder / "host"),
        "--name",
        "second",
        "--interface",
        INTERFACE,
        "--services-secret-path",
        str(secret_path(folder)),
        log=log,
        through=network.command(2),
    )
    try:
        yield log
    finally:
        process.terminate()
        assert process.wait(timeout=PATIENCE_SECONDS) == 0, log.read_text()


def assert_completed(running: Learner, job_id: str, log: Path) -> None:
    job = running.wait(job_id)
    assert job.status == pb.JOB_STATUS_COMPLETED, running.log(job_id) + log.read_text()


def test_two_hosts_train_one_job_and_one_goes_on_alone_when_the_link_is_cut(
    tmp_path: Path, network: HostNetwork, options: list[str], secret: str
):
    data_dir = tmp_path / "learner"
    digest = put_dataset(data_dir)
    first = {"through": network.command(1), "address": network.address(1), "secret": secret}
    with learner(data_dir, *options, **first) as running:
        alone = running.start_job(digest, processes=1)
        with lent_host(network, tmp_path, running.target) as log:
            assert_completed(running, alone, log)
            together = running.start_job(digest)
            own = wait_until(lambda: running.ranks(together), lambda: running.log(together))
            assert len(own) == 1  # the other has a folder of its own
            assert_completed(running, together, log)
            assert not running.notices(together)
            expected = running.adapter(alone)
            for name, weights in running.adapter(together).items():
                torch.testing.assert_close(weights, expected[name], atol=1e-4, rtol=0)

    options += ["--host-wait-seconds", "1"]
    with (
        learner(data_dir, *options, **first) as running,
        lent_host(network, tmp_path, running.target) as log,
    ):
        wait_until(lambda: log.read_text().count("lent to the learner") == 2)
        cut = running.start_job(digest, seed=44, save_steps=1000, max_steps=40)
        running.wait(cut, step=4)
        network.set_link(2, "down")
        assert_completed(running, cut, log)
        network.set_link(2, "up")
        lost, fewer = running.notices(cut)
        assert lost.startswith("host second has been silent for 5 seconds")
        assert fewer == "running in 1 of 2 processes, on 1 host"
        started = [e for e in running.events(cut) if e.HasField("worker_started")]
        # No checkpoint was due: what it went on from was written when the link was cut.
        assert started[-1].worker_started.resumed_from_step >= 4
        assert running.steps(cut) == list(range(1, 41))
        # The host is lent again by itself.
        wait_until(lambda: log.read_text().count("lent to the learner") == 3)
