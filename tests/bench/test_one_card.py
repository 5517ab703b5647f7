"""What a stack holds is told apart by what it is, and nothing of it is lost or counted twice."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import pytest

from bench.memory_parts import MemoryParts, memory_parts
from bench.one_card import StackMemory

MIB = 1024**2
OWN, MAPPED = 32 * MIB, 64 * MIB
# It has a library, memory of its own and a file, of which it reads every page.
PROGRAM = f"""
import mmap, sys
import numpy
own = numpy.ones({OWN}, dtype="u1")
with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
for place in range(0, len(mapped), mmap.PAGESIZE):
    mapped[place]
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def two_pids(tmp_path: Path) -> Iterator[list[int]]:
    """Of processes that have the same file mapped."""
    file = tmp_path / "weights.safetensors"
    file.write_bytes(bytes(MAPPED))
    command = [sys.executable, "-c", PROGRAM, str(file)]
    with ExitStack() as open_ones:
        pids = []
        for _ in range(2):
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            process = open_ones.enter_context(subprocess.Popen(command, **pipes))
            assert process.stdout.readline() == b"ready\n"
            pids.append(process.pid)
        yield pids


def test_what_a_process_holds_is_told_apart(two_pids: list[int]):
    for parts in map(memory_parts, two_pids):
        assert parts.files == pytest.approx(MAPPED / 2, abs=MIB)
        assert OWN < parts.own < OWN + 64 * MIB
        assert parts.code["numpy"] > 0
        assert parts.whole == parts.own + parts.files + parts.code.total()


def parts(own: int, files: int, **code: int) -> MemoryParts:
    return MemoryParts(own=own, files=files, code=Counter(code))


def test_the_rows_are_all_of_it():
    at_peak = {
        "learner_service.worker.start": parts(900, 60, torch=50, bitsandbytes=7),
        "rollout_service": parts(400, 40, torch=50),
        "gateway": parts(80, 1, grpc=4),
    }
    loaded = {
        "learner_service.worker.start": parts(500, 20),
        "rollout_service": parts(380, 40),
    }
    imports = {"learner_service.worker.start": 200, "rollout_service": 150}
    stack = StackMemory.of(at_peak, loaded, imports)
    assert stack.whole == sum(one.whole for one in at_peak.values())
    assert sum(size for _, size in stack.rows()) == stack.whole
    assert stack.files == {"learner_service.worker.start": 60, "rollout_service": 40}
    assert stack.base == {"learner_service.worker.start": 300, "rollout_service": 230}
    assert stack.work == {"learner_service.worker.start": 400, "rollout_service": 20}
    assert (stack.libraries, stack.tensors) == (111 + 350, 1050)
    assert json.loads(json.dumps(asdict(stack)))["code"] == {
        "torch": 100,
        "bitsandbytes": 7,
        "grpc": 4,
    }
