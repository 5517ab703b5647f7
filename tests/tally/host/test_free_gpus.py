"""Containers of one machine take GPUs that no other has; processes stand for containers here."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SHOW = "import os, sys; print(os.environ.get('CUDA_VISIBLE_DEVICES'), flush=True); sys.stdin.read()"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a command on a machine whose nvidia-smi lists four GPUs."""
    listing = tmp_path / "nvidia-smi"
    listing.write_text("#!/bin/sh\nprintf '0\\n1\\n2\\n3\\n'\n")
    listing.chmod(0o755)
    (tmp_path / "locks").mkdir()
    running: list[subprocess.Popen[str]] = []

    def started(*options: str, path: str = f"{tmp_path}:{os.environ['PATH']}"):
        launcher = [sys.executable, "-m", "tally.host.free_gpus", "--locks", tmp_path / "locks"]
        running.append(
            subprocess.Popen(
                [*launcher, *options, sys.executable, "-c", SHOW],
                env={k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
                | {"PATH": path},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return running[-1]

    yield started
    for process in running:
        process.kill()
        process.communicate()


def taken(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline().strip()


def test_each_takes_one_of_its_own_and_the_last_is_refused(start: Start):
    assert [taken(start()) for _ in range(4)] == ["0", "1", "2", "3"]
    fifth = start()
    _, said = fifth.communicate(timeout=30)
    assert fifth.returncode == 1
    assert "0 free" in said


def test_a_killed_holder_frees_its_gpu(start: Start):
    first = start()
    assert taken(first) == "0"
    assert taken(start()) == "1"
    first.kill()
    first.wait()
    assert taken(start()) == "0"


def test_a_replica_over_several_takes_several_or_none(start: Start):
    assert taken(start("--number=3")) == "0,1,2"
    refused = start("--number=2")
    assert refused.wait(timeout=30) == 1
    assert taken(start()) == "3"


def test_sharing_begins_when_none_is_free(start: Start):
    gpus = [taken(start("--sharers=2")) for _ in range(8)]
    assert gpus == ["0", "1", "2", "3"] * 2
    assert start("--sharers=2").wait(timeout=30) == 1


def test_without_a_driver_the_command_runs_as_it_is(start: Start):
    assert taken(start(path="/nowhere")) == "None"
