"""Bugs on purpose, each in a copy of the tree, and the test that fails for it.

    python -m bench.planted_bugs

A test that stays green with its bug in place is a test that can't fail.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import options, print_json, print_table

_HOUSE = Path(__file__).parent.parent
_FAILED, _PASSED = 1, 0  # pytest's exit codes; others say that it could not run the test
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "*_cache", "__pycache__", "node_modules")
_LONGEST_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Bug:
    """In the file at `path`, `right` becomes `wrong`; `test` is a pytest id."""

    name: str
    path: str
    right: str
    wrong: str
    test: str


_QUEUE, _FOLDER = "tests/learner_service/queue", "tests/learner_service/job_folder"
BUGS = (
    Bug(
        name="a checkpoint that is not synced",
        path="learner_service/job_folder/checkpoints.py",
        right="            sync(path)\n",
        wrong="            pass\n",
        test=f"{_FOLDER}/test_on_disk.py::test_every_file_of_a_checkpoint_and_its_name",
    ),
    Bug(
        name="an idempotency key that is not looked up",
        path="gateway/jobs/job_store.py",
        right="        if key is None:\n            return None\n",
        wrong="        return None\n",
        test="tests/gateway/jobs/test_train_request.py::test_the_same_key_and_body_are_one_job",
    ),
    Bug(
        name="an adapter reused by name",
        path="tally/torch_engine/adapters.py",
        right='        digest = adapter.digest if adapter else ""\n',
        wrong='        digest = "adapter" if adapter else ""\n',
        test="tests/tally/torch_engine/test_adapters.py::test_switching_gives_each_its_own_answer",
    ),
    Bug(
        name="a prefix check by startswith",
        path="gateway/http/access.py",
        right='f"{path}/".startswith(f"{self._open_prefix}/")',
        wrong="path.startswith(self._open_prefix)",
        test="tests/gateway/access/test_open_pages.py",
    ),
    Bug(
        name="a reward that fails to 0",
        path="learner_service/clients/rewards.py",
        right="            raise RewardsUnavailable(message) from error\n",
        wrong="            return []  # type: ignore[return-value]\n",
        test="tests/learner_service/clients/test_clients.py"
        "::test_a_reward_service_that_stays_away_is_an_error_after_the_bound",
    ),
    Bug(
        name="a missing fence",
        path="learner_service/job_folder/fence.py",
        right="            if _read(descriptor) != attempt:\n",
        wrong="            if False:\n",
        test=f"{_FOLDER}/test_fence.py",
    ),
    Bug(
        name="a dead queue that goes on serving",
        path="learner_service/__main__.py",
        right="        await asyncio.shield(queue[0])\n",
        wrong="        await asyncio.wait([asyncio.shield(queue[0])])\n",
        test="tests/learner_service/test_dead_queue.py",
    ),
    Bug(
        name="a swallowed full disk",
        path="learner_service/queue/database.py",
        right="            raise ResourceExhausted(NO_ROOM) from error\n",
        wrong="            return\n",
        test=f"{_QUEUE}/test_full_disk.py",
    ),
    Bug(
        name="a full disk that fails the job",
        path="learner_service/grpo/checkpoint_writer.py",
        right="        except (OSError, RuntimeError, SafetensorError) as error:\n",
        wrong="        except BrokenPipeError as error:\n",
        test="tests/learner_service/grpo/test_full_disk.py"
        "::test_a_job_goes_on_without_a_checkpoint_that_has_no_room",
    ),
    Bug(
        name="a manifest that lists nothing counts as whole",
        path="learner_service/job_folder/checkpoints.py",
        right="        return bool(files) and all(",
        wrong="        return all(",
        test=f"{_FOLDER}/test_checkpoints.py",
    ),
    Bug(
        name="a step that is logged twice",
        path="learner_service/queue/event_log.py",
        right="event.step <= self.current_step",
        wrong="event.step < 0",
        test=f"{_QUEUE}/test_job_store.py",
    ),
    Bug(
        name="a job's folder without its lock",
        path="learner_service/worker/start.py",
        right="            return lock_file(JobFolder(folder).worker_lock)\n",
        wrong='            return JobFolder(folder).worker_lock.open("ab")\n',
        test="tests/learner_service/worker/test_start.py"
        "::test_a_second_process_waits_until_the_first_has_ended",
    ),
    Bug(
        name="every killed worker is said to lack memory",
        path="learner_service/process_end.py",
        right="    if memory_ran_out is False:\n",
        wrong="    if code > 0:\n",
        test=f"{_QUEUE}/test_worker_process.py"
        "::test_a_worker_that_is_killed_from_outside_is_not_said_to_lack_memory",
    ),
    Bug(
        name="no room is given up for a cancel",
        path="tally/host/disk_reserve.py",
        right="            self._path.unlink()\n            return True\n",
        wrong="            return True\n",
        test="tests/gateway/jobs/test_full_disk.py",
    ),
    Bug(
        name="an ended job that is not tidied up at a start",
        path="learner_service/queue/jobs.py",
        right="            if job.status.ended:\n",
        wrong="            if False:\n",
        test=f"{_QUEUE}/test_jobs.py",
    ),
)


def main() -> None:
    parser = options((__doc__ or "").splitlines()[0])
    arguments = parser.parse_args()
    bugs = BUGS[:2] if arguments.quick else BUGS
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(_HOUSE, tree, ignore=_LEFT_OUT)
        green = _run(tree, [bug.test for bug in bugs], len(bugs) * _LONGEST_SECONDS) == _PASSED
        rows = [_plant(tree, bug) for bug in bugs]
    print_table(["bug", "caught by", "caught", "seconds"], rows)
    caught = sum(row[2] == "yes" for row in rows)
    print_json("planted_bugs", {}, {"bugs": len(bugs), "caught": caught, "green_without": green})
    sys.exit(not (green and caught == len(bugs)))


def _plant(tree: Path, bug: Bug) -> tuple[str, str, str, float]:
    file = tree / bug.path
    source = file.read_text()
    if source.count(bug.right) != 1:
        return bug.name, bug.test, "the code has changed", 0.0
    file.write_text(source.replace(bug.right, bug.wrong))
    started = time.monotonic()
    code = _run(tree, [bug.test])
    file.write_text(source)
    caught = {_FAILED: "yes", _PASSED: "no"}.get(code, "the test did not run")
    return bug.name, bug.test, caught, time.monotonic() - started


def _run(tree: Path, tests: Sequence[str], seconds: float = _LONGEST_SECONDS) -> int:
    """pytest's exit code; a test that hangs has failed."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        command,
        cwd=tree,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return _FAILED


if __name__ == "__main__":
    main()
