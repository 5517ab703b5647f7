"""An attempt that others came after writes nothing any more, whatever became of the guards."""

import subprocess
import sys
from pathlib import Path
from select import select

import pytest

from learner_service.errors import Superseded
from learner_service.job_folder.fence import Attempt, Fence

WRITE = """
import sys
from pathlib import Path
from learner_service.job_folder.fence import Attempt, Fence
attempt = Attempt(Fence(Path(sys.argv[1])), 1)
with attempt.write():
    print("holds", flush=True)
    sys.stdin.readline()
    print("wrote", flush=True)
sys.stdin.readline()
with attempt.write():
    print("wrote again", flush=True)
"""

ADVANCE = """
import sys
from pathlib import Path
from learner_service.job_folder.fence import Fence
sys.stdin.readline()
print("begins", flush=True)
print(Fence(Path(sys.argv[1])).advance())
"""


@pytest.fixture
def fence(tmp_path: Path) -> Fence:
    return Fence(tmp_path / "attempt")


def write(fence: Fence, number: int) -> None:
    with Attempt(fence, number).write():
        pass


def test_attempts_are_counted_across_services_and_the_newest_alone_writes(fence: Fence):
    assert fence.newest == 0
    assert [fence.advance(), fence.advance()] == [1, 2]
    assert fence.newest == 2
    write(fence, 2)
    with pytest.raises(Superseded):
        write(fence, 1)


def test_without_a_service_there_is_no_other_attempt(fence: Fence):
    write(fence, 1)


def start(script: str, path: Path) -> subprocess.Popen[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", script, str(path)], text=True, **pipes)


def test_a_new_attempt_begins_after_what_is_being_written(fence: Fence, tmp_path: Path):
    fence.advance()
    path = tmp_path / "attempt"
    with start(WRITE, path) as writer, start(ADVANCE, path) as service:
        assert writer.stdout.readline() == "holds\n"
        service.stdin.write("go\n")
        service.stdin.flush()
        assert service.stdout.readline() == "begins\n"
        assert select([service.stdout], [], [], 1.0)[0] == []
        writer.stdin.write("go\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "wrote\n"
        assert service.stdout.readline() == "2\n"
        said, failed = writer.communicate("go\n")
        assert said == ""
        assert "Superseded" in failed
