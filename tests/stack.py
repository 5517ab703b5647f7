"""The whole stack as a user starts it: `tally up`, four processes, the small policy."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tally.cli.stack.ports import free_port
from tally.cli.stack.stack_secret import read_secret
from tally.rpc.secret import secret_metadata
from tests.waiting import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).parents[1]
_TIMEOUT_SECONDS = 120


@dataclass
class Stack:
    """A running stack, and where it answers and writes."""

    process: subprocess.Popen[bytes]
    url: str
    data_dir: Path

    def get(self, path: str) -> dict:
        response = requests.get(self.url + path, timeout=_TIMEOUT_SECONDS)
        response.raise_for_status()
        return response.json()

    def upload(self, path: Path) -> str:
        with path.open("rb") as file:
            response = requests.post(
                f"{self.url}/upload-data", files={"file": file}, timeout=_TIMEOUT_SECONDS
            )
        response.raise_for_status()
        return response.json()["file_id"]

    def train(self, file_id: str, *, rewards: Sequence[str] = (), **training_config: object) -> str:
        body = {
            "job_name": "e2e",
            "data_file_id": file_id,
            "training_config": {"max_image_size": 112, "max_new_tokens": 12} | training_config,
            "lora_config": {"r": 8, "lora_alpha": 16, "lora_dropout": 0.0},
            "rewards": [{"name": name} for name in rewards],
        }
        response = requests.post(f"{self.url}/train", json=body, timeout=_TIMEOUT_SECONDS)
        response.raise_for_status()
        return response.json()["job_id"]

    def wait(self, job_id: str, *, step: int | None = None) -> dict:
        """The job once it has ended, or once it has done `step` steps."""

        def ended_or_there() -> dict | None:
            job = self.get(f"/jobs/{job_id}")
            there = step is not None and job["current_step"] >= step
            return job if there or job["status"] != "training" else None

        return wait_until(ended_or_there, self.logs)

    def evaluation(self, evaluation_id: str) -> dict:
        """What it found, once it has ended; it must end well."""

        def ended() -> dict | None:
            found = self.get(f"/evaluations/{evaluation_id}")
            return found if found["status"] != "running" else None

        found = wait_until(ended, self.logs)
        assert found["status"] == "completed", found
        return found["evaluation"]

    def logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in self.data_dir.rglob("*.log"))

    def target(self, service: str) -> str:
        """host:port of a service behind the gateway."""
        log = (self.data_dir / "logs" / f"{service}.log").read_text()
        return re.findall(r"listening on (\S+)", log)[-1]

    @property
    def shown(self) -> list[tuple[str, str]]:
        """The metadata of a call to a service behind the gateway."""
        return [secret_metadata(read_secret(self.data_dir))]

    def pids(self, module: str) -> list[int]:
        """Processes of this stack that run `module`."""
        listing = subprocess.run(
            ["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True
        )
        own = _descendants(self.process.pid)
        rows = [line.split(maxsplit=1) for line in listing.stdout.splitlines()[1:]]
        return [
            int(pid) for pid, command in rows if re.search(rf"-m {module}\b", command)
            and int(pid) in own
        ]  # fmt: skip

    def kill(self, module: str) -> None:
        for pid in self.pids(module):
            os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> set[int]:
    listing = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True)
    children: dict[int, list[int]] = {}
    for line in listing.stdout.splitlines()[1:]:
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found, queue = set(), [pid]
    while queue:
        queue += children.get(current := queue.pop(), [])
        found.add(current)
    return found


@contextmanager
def running_stack(data_dir: Path, *options: str, packages: Sequence[Path] = ()) -> Iterator[Stack]:
    """`tally up` with these options; it must end cleanly and leave no process behind.

    `packages` are folders that pip has installed others into.
    """
    port = free_port()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, [ROOT, *packages])),
        "TALLY_LEARNER_ROLLOUT_WAIT_SECONDS": str(PATIENCE_SECONDS),
        "TALLY_LEARNER_REPORT_TO": '["tensorboard"]',
    }
    command = [
        sys.executable,
        "-m",
        "tally.cli",
        "up",
        "--port",
        str(port),
        "--data-dir",
        str(data_dir),
    ]
    process = subprocess.Popen([*command, *options], env=environment)
    stack = Stack(process, f"http://127.0.0.1:{port}", data_dir)
    try:
        wait_until(lambda: _is_healthy(stack), stack.logs)
        yield stack
    finally:
        own = _descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=PATIENCE_SECONDS)
    assert code in (0, 143, -signal.SIGTERM), stack.logs()
    # What Python's multiprocessing starts ends just after its parent.
    wait_until(lambda: all(map(_has_ended, own)), "a process was left behind")


def _has_ended(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def _is_healthy(stack: Stack) -> bool:
    assert stack.process.poll() is None, f"the stack ended: {stack.logs()}"
    try:
        return requests.get(f"{stack.url}/healthz", timeout=_TIMEOUT_SECONDS).ok
    except requests.ConnectionError:
        return False
