"""Real processes: a worker dies with its parent from the first moment, and a job has one."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from select import select

import pytest

from tests.fakes.processes import alive
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}

HOLD = """
import sys, time
from pathlib import Path
from learner_service.worker.start import hold_job
held = hold_job(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(10_000)
"""

# Starts a worker as the service does, says its number, and stays.
PARENT = """
import os, subprocess, sys, time
command = [sys.executable, "-m", "learner_service.worker.start", "worker"]
worker = subprocess.Popen([*command, sys.argv[1], str(os.getpid())])
print(worker.pid, flush=True)
time.sleep(10_000)
"""


Start = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a script on one folder; all of them end with the test, however it ends."""
    processes: list[subprocess.Popen[str]] = []

    def start(script: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        processes.append(process)
        return process

    yield start
    for process in processes:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.stdout.close()
    process.wait()


def test_a_second_process_waits_until_the_first_has_ended(start: Start):
    first = start(HOLD)
    assert first.stdout.readline() == "held\n"
    second = start(HOLD)
    assert select([second.stdout], [], [], 1.0)[0] == []
    end(first)
    assert second.stdout.readline() == "held\n"


def test_a_worker_whose_service_is_killed_at_once_does_not_outlive_it(start: Start):
    """Again and again: within the first moment of a worker's life, and while it waits for a job
    that another holds."""
    holder = start(HOLD)
    assert holder.stdout.readline() == "held\n"
    for _ in range(4):
        parent = start(PARENT)
        worker = int(parent.stdout.readline())
        end(parent)
        wait_until(lambda pid=worker: not alive(pid))
    assert alive(holder.pid)


def test_nothing_heavy_is_imported_before_a_process_is_guarded():
    script = "import sys, learner_service.worker.start; print(sorted(sys.modules))"
    listed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    for heavy in ("torch", "pydantic", "grpc", "transformers"):
        assert f"'{heavy}'" not in listed.stdout


def test_a_worker_imports_no_compiler_and_no_tables():
    script = """
import sys
from learner_service.lean_imports import import_lean
import_lean("learner_service.worker.worker")
print(sorted(sys.modules))
"""
    listed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    for unused in ("torch._functorch.aot_autograd", "networkx", "pandas", "pyarrow"):
        assert f"'{unused}'" not in listed.stdout
